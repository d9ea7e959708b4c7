//! The store as the pipeline sees it, with its commits counted.

use std::sync::Arc;

use async_trait::async_trait;
use conduit_actors::event::{LinkHash, MappedDigest};
use conduit_actors::ids::{ControllerId, EventId, Sequence, SubjectId};
use conduit_actors::ports::{BatchEffects, KnownLink, PipelineStore, RetiredLink, StoreError};

use super::Meters;
use crate::store::Store;

/// See the module's docs.
pub struct Measured {
    store: Arc<dyn Store>,
    meters: Meters,
}

impl Measured {
    /// Counts the commits to this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, meters: Meters) -> Self {
        Self { store, meters }
    }
}

#[async_trait]
impl PipelineStore for Measured {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        self.store.links_among(asked, fan_out).await
    }

    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        self.store.strong_link_counts(controller, subjects).await
    }

    async fn retire_links(&self, controller: ControllerId, links: &[RetiredLink]) -> Result<(), StoreError> {
        self.store.retire_links(controller, links).await
    }

    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        self.store.mapped_digests(controller, events).await
    }

    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        self.store.commit(effects).await?;
        match effects.replay {
            _ if effects.is_rehearsal => {}
            Some(_) => self.meters.replayed(&effects.outcomes),
            None => self.meters.committed(&effects.outcomes),
        }
        Ok(())
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.store.checkpoint(controller).await
    }
}
