//! The three actors of a shard.

use std::sync::Arc;

use super::options::{PipelineOptions, Ports};
use crate::stages::{ActivityLogger, PiiExtractor, SubjectResolver};
use crate::supervisor::{ActorRef, Monitor, Stage as _};

/// The actors behind the answer.
#[derive(Clone)]
pub(super) struct Actors {
    pub(super) extractor: ActorRef<PiiExtractor>,
    pub(super) resolver: ActorRef<SubjectResolver>,
    pub(super) logger: ActorRef<ActivityLogger>,
}

impl Actors {
    /// Starts them on the current Arbiter, the last of the line first.
    pub(super) fn start(shard: usize, options: PipelineOptions, ports: &Ports) -> Self {
        /// The dispatcher has one batch under way: a mailbox of it has room for more than that.
        const BATCHES: usize = 4;
        let monitor = |actor| Arc::new(Monitor::new(shard, actor, options.restart));
        let logger = ActorRef::start(monitor(ActivityLogger::ACTOR), BATCHES, {
            let store = Arc::clone(&ports.store);
            move || ActivityLogger::new(Arc::clone(&store))
        });
        let resolver = ActorRef::start(monitor(SubjectResolver::ACTOR), BATCHES, {
            let (dedup, store) = (Arc::clone(&ports.dedup), Arc::clone(&ports.store));
            move || SubjectResolver::new(Arc::clone(&dedup), Arc::clone(&store), options.cached_links)
        });
        let extractor = ActorRef::start(monitor(PiiExtractor::ACTOR), BATCHES, {
            let directory = Arc::clone(&ports.directory);
            move || PiiExtractor::new(Arc::clone(&directory))
        });
        Self {
            extractor,
            resolver,
            logger,
        }
    }

    pub(super) fn monitors(&self) -> [Arc<Monitor>; 3] {
        [
            Arc::clone(self.extractor.monitor()),
            Arc::clone(self.resolver.monitor()),
            Arc::clone(self.logger.monitor()),
        ]
    }

    pub(super) fn stop(&self) {
        self.extractor.stop();
        self.resolver.stop();
        self.logger.stop();
    }
}
