//! Which controllers have events in flight: told by the journal, taken up by the dispatchers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::shard_of;
use crate::ids::{ControllerId, Sequence};
use crate::ports::{BacklogListener, Directory};

#[derive(Default)]
struct Backlog {
    /// How far each stream reaches, if it grew since the dispatcher last looked.
    grown: Mutex<HashMap<ControllerId, Sequence>>,
    wake: Notify,
}

/// One backlog per shard. Bounded by the number of controllers.
pub struct Backlogs {
    directory: Arc<dyn Directory>,
    shards: Vec<Backlog>,
}

impl Backlogs {
    /// Empty ones; the directory tells whose shard a controller is on.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, shards: usize) -> Self {
        Self {
            directory,
            shards: (0..shards).map(|_| Backlog::default()).collect(),
        }
    }

    /// Notes that a stream reaches `last`.
    pub fn note(&self, controller: ControllerId, last: Sequence) {
        // A controller that is gone takes its events with it.
        let Some(found) = self.directory.controller(controller) else {
            return;
        };
        let shard = &self.shards[shard_of(&found.did, self.shards.len())];
        shard
            .grown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(controller, last);
        shard.wake.notify_one();
    }

    /// Takes what has grown since the last call.
    pub(super) fn take(&self, shard: usize) -> HashMap<ControllerId, Sequence> {
        std::mem::take(&mut *self.shards[shard].grown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something has grown since the last wait.
    pub(super) async fn changed(&self, shard: usize) {
        self.shards[shard].wake.notified().await;
    }
}

impl BacklogListener for Backlogs {
    fn appended(&self, controller: ControllerId, last: Sequence) {
        self.note(controller, last);
    }
}
