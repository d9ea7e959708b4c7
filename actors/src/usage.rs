//! Which credentials are used: when last, and from about how many addresses.
//!
//! Each thread that authenticates writes into a book of its own, whose lock nobody else wants but the one who collects the
//! books, twice a minute: so it costs a request next to nothing. An address is hashed under its controller's key as it
//! comes, once in a while; nothing else of it is kept, and the hash leaves this process only as a part of a sketch.

mod sketch;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::{ControllerId, IntegrationId, Timestamp};
use crate::personal::{CredentialHash, Personal};
use crate::ports::Integration;
pub use sketch::AddressSketch;

/// Hashes that a book keeps, so as not to make them again for each request.
const KEPT_HASHES: usize = 4_096;

/// What addresses are hashed as: no category has a space in its name.
const HASHED_AS: &str = "client address";

/// What a credential is of.
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
    /// What it is of.
    pub owner: CredentialOwner,
    /// Which version of it.
    pub hash: CredentialHash,
    /// When it was used last.
    pub last_used_at: Timestamp,
    /// From where.
    pub addresses: AddressSketch,
}

type Key = (CredentialOwner, [u8; 32]);

#[derive(Default)]
struct Book {
    uses: HashMap<Key, (Timestamp, AddressSketch)>,
    hashes: HashMap<(ControllerId, IpAddr), u64>,
}

impl Book {
    fn hash(&mut self, integration: &Integration, client: IpAddr) -> u64 {
        let controller = &integration.controller;
        if let Some(hash) = self.hashes.get(&(controller.id, client)) {
            return *hash;
        }
        if self.hashes.len() >= KEPT_HASHES {
            self.hashes.clear();
        }
        let link = controller.link_key.link(HASHED_AS, &client.to_string());
        let [a, b, c, d, e, f, g, h, ..] = link.0;
        let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        self.hashes.insert((controller.id, client), hash);
        hash
    }

    fn add(&mut self, key: Key, at: Timestamp, addresses: impl FnOnce(&mut AddressSketch)) {
        let (last, sketch) = self.uses.entry(key).or_insert_with(|| (at, AddressSketch::default()));
        *last = at.max(*last);
        addresses(sketch);
    }

    fn merge(&mut self, other: HashMap<Key, (Timestamp, AddressSketch)>) {
        for (key, (at, addresses)) in other {
            self.add(key, at, |sketch| sketch.merge(&addresses));
        }
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
        integration: &Integration,
        api_key: &CredentialHash,
        webhook_secret: &CredentialHash,
        client: &Personal<IpAddr>,
        at: Timestamp,
    ) {
        let mut book = lock(&self.0);
        let hash = book.hash(integration, *client.expose());
        let owners = [
            (CredentialOwner::Integration(integration.id), api_key),
            (CredentialOwner::Controller(integration.controller.id), webhook_secret),
        ];
        for (owner, credential) in owners {
            book.add((owner, *credential.as_bytes()), at, |sketch| sketch.insert(hash));
        }
    }
}

/// All books.
#[derive(Default)]
pub struct UsageBooks {
    books: Mutex<Vec<UsageBook>>,
}

impl UsageBooks {
    /// A book for one more thread.
    #[must_use]
    pub fn book(&self) -> UsageBook {
        let book = UsageBook(Arc::default());
        self.books().push(book.clone());
        book
    }

    fn books(&self) -> MutexGuard<'_, Vec<UsageBook>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was noted since this was called last.
    #[must_use]
    pub fn take(&self) -> Vec<CredentialUse> {
        let mut all = Book::default();
        for UsageBook(book) in self.books().iter() {
            let uses = {
                let mut book = lock(book);
                book.hashes.clear();
                std::mem::take(&mut book.uses)
            };
            all.merge(uses);
        }
        let shown = |((owner, hash), (last_used_at, addresses))| CredentialUse {
            owner,
            hash: CredentialHash::from_bytes(hash),
            last_used_at,
            addresses,
        };
        all.uses.into_iter().map(shown).collect()
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
        lock(&book).merge(uses.into_iter().map(entry).collect());
    }
}

#[cfg(test)]
mod tests;
