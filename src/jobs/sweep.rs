//! Checks the links of earlier builds, once for each state of the lists of placeholders, and switches off those of
//! listed ones.
//!
//! A link is a hash, so the lists are hashed for each controller and the hashes looked up. An interrupted task begins
//! with the same controller again, and several nodes may run it at once: nothing is done twice. A link that a list
//! names by a pattern is switched off when its value next arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::ControllerId;
use conduit_actors::links::LinkKey;
use conduit_actors::ports::{Directory as _, RetiredLink, Retirement, StoreError};
use conduit_actors::taxonomy::FormerPlaceholders;
use sha3::{Digest as _, Sha3_256};

use crate::directory::LiveDirectory;
use crate::keys::Keyring;
use crate::store::Store;

/// Hashes that are looked up at once.
const STEP: usize = 1_000;
/// The rest after a step, as a multiple of its time: the database is the pipeline's for most of the time.
const REST: u32 = 4;
/// How long to wait for a database that is away.
const RETRY: Duration = Duration::from_secs(30);

/// Goes through all controllers' links. Returns once that is done, however often the database is away meanwhile.
pub async fn sweep(store: Arc<dyn Store>, directory: Arc<LiveDirectory>, keyring: Arc<Keyring>) {
    let taxonomy = Arc::clone(directory.taxonomy());
    let lists = tokio::task::spawn_blocking(move || {
        let scoped = taxonomy.former_placeholders(Some(""));
        (taxonomy.former_placeholders(None), scoped.digest())
    });
    let Ok((listed, scoped_digest)) = lists.await else {
        return;
    };
    let sweep = Sweep {
        store,
        directory,
        keyring,
        listed,
        scoped_digest,
    };
    while let Err(error) = sweep.all().await {
        tracing::warn!(%error, "links of placeholders cannot be switched off yet: trying again");
        tokio::time::sleep(RETRY).await;
    }
}

struct Sweep {
    store: Arc<dyn Store>,
    directory: Arc<LiveDirectory>,
    keyring: Arc<Keyring>,
    /// Of the categories whose values count everywhere.
    listed: FormerPlaceholders,
    /// Tells the lists of the others, which are made for each processor.
    scoped_digest: [u8; 32],
}

impl Sweep {
    async fn all(&self) -> Result<(), StoreError> {
        for row in self.store.controllers().await? {
            self.one(row.id).await?;
        }
        Ok(())
    }

    async fn one(&self, controller: ControllerId) -> Result<(), StoreError> {
        let Some(owner) = self.directory.controller(controller) else {
            return Ok(());
        };
        let integrations = self.store.integrations(Some(controller)).await?;
        let processors: Vec<String> = integrations.iter().map(|row| row.processor.to_string()).collect();
        let version = owner.link_key.version();
        let digest = self.digest(version, &processors);
        if self.store.swept(controller).await?.is_some_and(|swept| swept == digest) {
            return Ok(());
        }
        let taxonomy = Arc::clone(self.directory.taxonomy());
        let scoped = tokio::task::spawn_blocking(move || -> Vec<FormerPlaceholders> {
            let of = |processor: &String| taxonomy.former_placeholders(Some(processor));
            processors.iter().map(of).collect()
        });
        let scoped = scoped.await.map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut switched_off = 0;
        for version in 1..=version {
            let key = LinkKey::derive(self.keyring.master(), controller, version);
            let links = std::iter::once(&self.listed)
                .chain(&scoped)
                .flat_map(FormerPlaceholders::iter);
            let links = links.map(|(category, spelling)| RetiredLink {
                hash: key.link(category, spelling),
                category: Arc::clone(category),
                because: Retirement::Placeholder,
            });
            let mut links = links.peekable();
            while links.peek().is_some() {
                let began = Instant::now();
                let step: Vec<RetiredLink> = links.by_ref().take(STEP).collect();
                switched_off += self.step(controller, step).await?;
                tokio::time::sleep(began.elapsed() * REST).await;
            }
        }
        if switched_off > 0 {
            tracing::warn!(%controller, links = switched_off, "links of placeholders are switched off: see Needs attention");
        }
        self.store.set_swept(controller, &digest).await
    }

    /// Tells the lists that apply to one controller.
    fn digest(&self, version: u32, processors: &[String]) -> Vec<u8> {
        let mut digest = Sha3_256::new();
        digest.update(version.to_be_bytes());
        digest.update(self.listed.digest());
        digest.update(self.scoped_digest);
        for processor in processors {
            digest.update((processor.len() as u64).to_be_bytes());
            digest.update(processor);
        }
        digest.finalize().to_vec()
    }

    /// Switches off those that are there; how many.
    async fn step(&self, controller: ControllerId, mut links: Vec<RetiredLink>) -> Result<usize, StoreError> {
        let hashes: Vec<_> = links.iter().map(|link| link.hash).collect();
        let known = self.store.links(controller, &hashes, 1).await?;
        links.retain(|link| known.iter().any(|known| known.hash == link.hash));
        if !links.is_empty() {
            self.store.retire_links(controller, &links).await?;
        }
        Ok(links.len())
    }
}
