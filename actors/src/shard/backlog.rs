//! Which controllers have events in flight, and which replays are to run: told by the journal and by whoever asks for a
//! replay, taken up by the dispatchers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::assignment::shard_of;
use crate::ids::{ControllerId, Sequence};
use crate::ports::{BacklogListener, Directory, ReplayJob};

/// News that the dispatcher does not know yet.
#[derive(Default)]
pub(super) struct News {
    /// How far each stream reaches, if it grew.
    pub(super) grown: BTreeMap<ControllerId, Sequence>,
    /// Replays to run.
    pub(super) replays: Vec<ReplayJob>,
}

#[derive(Default)]
struct Backlog {
    news: Mutex<News>,
    wake: Notify,
}

/// One backlog per shard. Bounded by the number of controllers.
pub struct Backlogs {
    directory: Arc<dyn Directory>,
    shards: Vec<Backlog>,
}

impl Backlogs {
    /// Creates empty backlogs. The directory maps controllers to shards.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, shards: usize) -> Self {
        Self {
            directory,
            shards: (0..shards).map(|_| Backlog::default()).collect(),
        }
    }

    /// Notes that a stream reaches `last`.
    pub fn note(&self, controller: ControllerId, last: Sequence) {
        self.tell(controller, |news| {
            news.grown.insert(controller, last);
        });
    }

    /// Notes a replay that this node runs. Repeated notes are harmless.
    pub fn note_replay(&self, job: ReplayJob) {
        self.tell(job.controller, |news| news.replays.push(job));
    }

    fn tell(&self, controller: ControllerId, add: impl FnOnce(&mut News)) {
        // A controller that is gone takes its events with it.
        let Some(found) = self.directory.controller(controller) else {
            return;
        };
        let shard = &self.shards[shard_of(&found.did, self.shards.len())];
        add(&mut shard.news.lock().unwrap_or_else(PoisonError::into_inner));
        shard.wake.notify_one();
    }

    /// Takes what is new since the last call.
    pub(super) fn take(&self, shard: usize) -> News {
        std::mem::take(&mut *self.shards[shard].news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is something new since the last wait.
    pub(super) async fn changed(&self, shard: usize) {
        self.shards[shard].wake.notified().await;
    }
}

impl BacklogListener for Backlogs {
    fn appended(&self, controller: ControllerId, last: Sequence) {
        self.note(controller, last);
    }
}
