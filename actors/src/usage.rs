//! The use of credentials: when last, and from about how many addresses.
//!
//! Each thread that authenticates writes into its own book. Only the collector shares the lock of a book, twice a
//! minute, so it costs a request next to nothing. The book counts an address by a hash under its controller's key, and
//! forgets it. Only the sketch of the count leaves this process.

mod sketch;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::{ControllerId, IntegrationId, Timestamp};
use crate::links::LinkKey;
use crate::personal::{CredentialHash, Personal};
use crate::ports::Integration;
pub use sketch::AddressSketch;

/// Senders that a book keeps as they are, before it counts them.
const KEPT: usize = 256;

/// The category name under which addresses are hashed. Names of real categories contain no space.
const HASHED_AS: &str = "client address";

/// The owner of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialOwner {
    /// A controller, whose webhook secret it is.
    Controller(ControllerId),
    /// An integration, whose API key it is.
    Integration(IntegrationId),
}

/// The use of one version of a credential.
#[derive(Debug, Clone)]
pub struct CredentialUse {
    /// The owner.
    pub owner: CredentialOwner,
    /// Which version of it.
    pub hash: CredentialHash,
    /// When it was used last.
    pub last_used_at: Timestamp,
    /// From where.
    pub addresses: AddressSketch,
}

type Key = (CredentialOwner, [u8; 32]);
type Uses = HashMap<Key, (Timestamp, AddressSketch)>;

/// A sender: its credentials and its address.
#[derive(PartialEq, Eq)]
struct Sender {
    integration: IntegrationId,
    api_key: [u8; 32],
    webhook_secret: [u8; 32],
    client: IpAddr,
}

impl Hash for Sender {
    /// Hashes a few bytes of each credential, which suffice because credentials are random.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.integration.hash(state);
        self.api_key[..4].hash(state);
        self.webhook_secret[..4].hash(state);
        self.client.hash(state);
    }
}

/// The observations of a thread. A known sender costs one look into a table.
#[derive(Default)]
struct Book {
    senders: HashMap<Sender, (Arc<Integration>, Timestamp)>,
    uses: Uses,
}

impl Book {
    fn note(&mut self, sender: Sender, integration: &Arc<Integration>, at: Timestamp) {
        if let Some((_, last)) = self.senders.get_mut(&sender) {
            *last = at.max(*last);
            return;
        }
        if self.senders.len() >= KEPT {
            self.count();
        }
        self.senders.insert(sender, (Arc::clone(integration), at));
    }

    /// Counts the senders, and forgets who they were.
    fn count(&mut self) {
        for (sender, (integration, at)) in self.senders.drain() {
            let controller = &integration.controller;
            let hash = address_hash(&controller.link_key, sender.client);
            for (owner, credential) in [
                (CredentialOwner::Integration(integration.id), sender.api_key),
                (CredentialOwner::Controller(controller.id), sender.webhook_secret),
            ] {
                add(&mut self.uses, (owner, credential), at, |sketch| sketch.insert(hash));
            }
        }
    }
}

fn address_hash(key: &LinkKey, client: IpAddr) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.link(HASHED_AS, &client.to_string()).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn add(uses: &mut Uses, key: Key, at: Timestamp, addresses: impl FnOnce(&mut AddressSketch)) {
    let (last, sketch) = uses.entry(key).or_insert_with(|| (at, AddressSketch::default()));
    *last = at.max(*last);
    addresses(sketch);
}

fn merge(uses: &mut Uses, other: Uses) {
    for (key, (at, addresses)) in other {
        add(uses, key, at, |sketch| sketch.merge(&addresses));
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread's book.
#[derive(Clone)]
pub struct UsageBook(Arc<Mutex<Book>>);

impl UsageBook {
    /// Notes that both credentials of an integration were used.
    pub fn note(
        &self,
        integration: &Arc<Integration>,
        api_key: &CredentialHash,
        webhook_secret: &CredentialHash,
        client: &Personal<IpAddr>,
        at: Timestamp,
    ) {
        let sender = Sender {
            integration: integration.id,
            api_key: *api_key.as_bytes(),
            webhook_secret: *webhook_secret.as_bytes(),
            client: *client.expose(),
        };
        lock(&self.0).note(sender, integration, at);
    }
}

/// All books.
#[derive(Default)]
pub struct UsageBooks {
    books: Mutex<Vec<UsageBook>>,
}

impl UsageBooks {
    /// Creates a book for one more thread.
    #[must_use]
    pub fn book(&self) -> UsageBook {
        let book = UsageBook(Arc::default());
        self.books().push(book.clone());
        book
    }

    fn books(&self) -> MutexGuard<'_, Vec<UsageBook>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the notes since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<CredentialUse> {
        let mut all = Uses::new();
        for UsageBook(book) in self.books().iter() {
            // Counted when the thread has its book again.
            let mut taken = std::mem::take(&mut *lock(book));
            taken.count();
            merge(&mut all, taken.uses);
        }
        let shown = |((owner, hash), (last_used_at, addresses))| CredentialUse {
            owner,
            hash: CredentialHash::from_bytes(hash),
            last_used_at,
            addresses,
        };
        all.into_iter().map(shown).collect()
    }

    /// Gives back what could not be kept elsewhere: it is taken again the next time.
    pub fn give_back(&self, uses: Vec<CredentialUse>) {
        if uses.is_empty() {
            return;
        }
        let book = self.books().first().cloned();
        let UsageBook(book) = book.unwrap_or_else(|| self.book());
        let entry = |given: CredentialUse| {
            let key = (given.owner, *given.hash.as_bytes());
            (key, (given.last_used_at, given.addresses))
        };
        merge(&mut lock(&book).uses, uses.into_iter().map(entry).collect());
    }
}

#[cfg(test)]
mod tests;
