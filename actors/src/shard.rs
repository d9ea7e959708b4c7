//! Shards: each five actors on two threads, and the journal streams of its controllers.
//!
//! ```text
//!  front   ──Submission──► AuthActor ─► ValidatorActor ─► Journal          (mailboxes bounded)
//!                                                           │ appended
//!  ─────────────────────────────────────────────────────────┼────── answered
//!                                                           ▼
//!  back             Dispatcher ◄── Backlog (controllers with events in flight)
//!                       │  one batch at a time, controllers in turns
//!                       ├─ask─► PiiExtractorActor ─► SubjectResolverActor ─► ActivityLoggerActor
//!                       ▼
//!                   Journal.release
//! ```
//!
//! `shard = hash(controller DID) mod N`: a controller's events are all in one place, in order. The front has a thread of
//! its own, so that no sender waits while a batch is worked on; the back's may be given a lower priority.

mod backlog;
mod dispatcher;
mod isolation;
mod turns;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

pub use backlog::Backlogs;
use dispatcher::Dispatcher;
pub use dispatcher::{DispatcherReport, Waiting};

use crate::ids::{ControllerDid, EventId};
use crate::ingest::{Refusal, Submission};
use crate::ports::{DedupWindow, Directory, Journal, PipelineStore};
use crate::stages::{ActivityLogger, Auth, EventIds, PiiExtractor, SubjectResolver, Validator};
use crate::supervisor::{ActorRef, ActorReport, Monitor, RestartPolicy, Stage};

/// How the pipeline is tuned.
#[derive(Debug, Clone, Copy)]
pub struct PipelineOptions {
    /// Threads with a pipeline each.
    pub shards: usize,
    /// Events in a batch at most.
    pub batch_events: usize,
    /// Bytes of bodies in a batch at most, about.
    pub batch_bytes: usize,
    /// Requests that may wait for an actor of the edge; beyond, they are refused.
    pub mailbox_capacity: usize,
    /// Strong links that each shard keeps in memory.
    pub cached_links: usize,
    /// How actors are restarted.
    pub restart: RestartPolicy,
    /// Times that an event alone may bring an actor down before it becomes a dead letter.
    pub max_attempts: u32,
    /// Longest wait between tries while the store or the dedup window is away.
    pub retry_max: Duration,
    /// Called first on each thread that works behind the answer; may lower its priority.
    pub on_back_thread: fn(),
}

/// The world that the pipeline works in.
#[derive(Clone)]
pub struct Ports {
    /// Who may send what.
    pub directory: Arc<dyn Directory>,
    /// Where events are durable.
    pub journal: Arc<dyn Journal>,
    /// Who was first.
    pub dedup: Arc<dyn DedupWindow>,
    /// Where effects go.
    pub store: Arc<dyn PipelineStore>,
}

/// The actors before the answer.
struct Front {
    auth: ActorRef<Auth>,
    validator: ActorRef<Validator>,
}

/// The actors behind the answer.
struct Back {
    extractor: ActorRef<PiiExtractor>,
    resolver: ActorRef<SubjectResolver>,
    logger: ActorRef<ActivityLogger>,
}

impl Front {
    /// Starts them on the current Arbiter, the last of the line first.
    fn start(shard: usize, options: PipelineOptions, ports: &Ports) -> Self {
        let monitor = |actor| Arc::new(Monitor::new(shard, actor, options.restart));
        let ids = Arc::new(Mutex::new(EventIds::after(newest_in_flight(&*ports.journal))));
        let validator = ActorRef::start(monitor(Validator::ACTOR), options.mailbox_capacity, {
            let journal = Arc::clone(&ports.journal);
            move || Validator::new(Arc::clone(&journal), Arc::clone(&ids))
        });
        let auth = ActorRef::start(monitor(Auth::ACTOR), options.mailbox_capacity, {
            let (directory, validator) = (Arc::clone(&ports.directory), validator.clone());
            move || Auth::new(Arc::clone(&directory), validator.clone())
        });
        Self { auth, validator }
    }

    fn stop(&self) {
        self.auth.stop();
        self.validator.stop();
    }
}

impl Back {
    /// Starts them on the current Arbiter, the last of the line first.
    fn start(shard: usize, options: PipelineOptions, ports: &Ports) -> Self {
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

    fn stop(&self) {
        self.extractor.stop();
        self.resolver.stop();
        self.logger.stop();
    }
}

/// Ids must grow within each stream, across restarts and clocks that step back.
fn newest_in_flight(journal: &dyn Journal) -> Option<EventId> {
    let newest = |(controller, _)| {
        journal
            .newest(controller, None, 1)
            .ok()?
            .pop()
            .map(|newest| newest.event.id)
    };
    journal.backlog().into_iter().filter_map(newest).max()
}

/// A shard as the supervision report shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardReport {
    /// Its number, from 0.
    pub shard: usize,
    /// Whether all its actors are within their restart budgets.
    pub healthy: bool,
    /// Its actors, in the pipeline's order.
    pub actors: Vec<ActorReport>,
    /// What its dispatcher is at.
    pub dispatcher: DispatcherReport,
}

struct Shard {
    front: Front,
    monitors: [Arc<Monitor>; 5],
    dispatcher: Arc<dispatcher::Progress>,
    /// Taken when the shard is stopped.
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    front: Arbiter,
    back: Arbiter,
    /// Says that the dispatcher has ended.
    ended: oneshot::Receiver<()>,
}

/// All shards: where submissions go in.
pub struct Shards {
    shards: Vec<Shard>,
    stopping: watch::Sender<bool>,
}

/// The shard of a controller.
#[must_use]
pub fn shard_of(did: &ControllerDid, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    did.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or(0)
}

impl Shards {
    /// Starts all shards and takes up the backlog that the journal has. `backlogs` must be the listener that
    /// the journal was opened with.
    pub async fn start(options: PipelineOptions, ports: Ports, backlogs: Arc<Backlogs>) -> Self {
        for (controller, position) in ports.journal.backlog() {
            backlogs.note(controller, position.last);
        }
        let (stopping, _) = watch::channel(false);
        let mut shards = Vec::with_capacity(options.shards);
        for shard in 0..options.shards {
            shards.push(Shard::start(shard, options, &ports, &backlogs, stopping.subscribe()).await);
        }
        Self { shards, stopping }
    }

    /// Hands a request to its controller's shard. The answer comes by the submission's own reply.
    pub fn submit(&self, submission: Submission) {
        let shard = &self.shards[shard_of(&submission.did, self.shards.len())];
        if let Err((_, submission)) = shard.front.auth.tell(submission) {
            submission.refuse(Refusal::Overloaded);
        }
    }

    /// What an operator sees.
    #[must_use]
    pub fn report(&self) -> Vec<ShardReport> {
        let report = |(number, shard): (usize, &Shard)| ShardReport {
            shard: number,
            healthy: shard.monitors.iter().all(|monitor| monitor.is_healthy()),
            actors: shard.monitors.iter().map(|monitor| monitor.report()).collect(),
            dispatcher: shard.dispatcher.report(),
        };
        self.shards.iter().enumerate().map(report).collect()
    }

    /// Stops taking batches, lets the one under way end, and ends the threads. What is in flight stays in the journal.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        for shard in &self.shards {
            let threads = shard.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(Threads { front, back, ended }) = threads {
                shard.front.stop();
                // An error means that the thread is gone already.
                let _ = ended.await;
                for arbiter in [front, back] {
                    arbiter.stop();
                    let _ = arbiter.join();
                }
            }
        }
    }
}

impl Shard {
    async fn start(
        shard: usize,
        options: PipelineOptions,
        ports: &Ports,
        backlogs: &Arc<Backlogs>,
        mut stopping: watch::Receiver<bool>,
    ) -> Self {
        let (front_arbiter, back_arbiter) = (Arbiter::new(), Arbiter::new());
        let front = on(&front_arbiter, {
            let ports = ports.clone();
            move || Front::start(shard, options, &ports)
        })
        .await;
        let (back, back_monitors) = on(&back_arbiter, {
            let ports = ports.clone();
            move || {
                (options.on_back_thread)();
                let back = Back::start(shard, options, &ports);
                let monitors = [
                    Arc::clone(back.extractor.monitor()),
                    Arc::clone(back.resolver.monitor()),
                    Arc::clone(back.logger.monitor()),
                ];
                (back, monitors)
            }
        })
        .await;
        let progress = Arc::new(dispatcher::Progress::default());
        let dispatcher = Dispatcher::new(
            shard,
            options,
            ports.clone(),
            back,
            Arc::clone(backlogs),
            Arc::clone(&progress),
        );
        let (tell_ended, ended) = oneshot::channel();
        back_arbiter.spawn(async move {
            dispatcher.run(&mut stopping).await;
            let _ = tell_ended.send(());
        });
        let [extractor, resolver, logger] = back_monitors;
        let (auth, validator) = (Arc::clone(front.auth.monitor()), Arc::clone(front.validator.monitor()));
        Self {
            front,
            monitors: [auth, validator, extractor, resolver, logger],
            dispatcher: progress,
            threads: Mutex::new(Some(Threads {
                front: front_arbiter,
                back: back_arbiter,
                ended,
            })),
        }
    }
}

/// What `work` gives, done on an Arbiter's thread.
async fn on<T: Send + 'static>(arbiter: &Arbiter, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    arbiter.spawn_fn(move || drop(done.send(work())));
    #[allow(clippy::expect_used)] // At start-up only: the thread has just been made.
    result.await.expect("a new thread starts its actors")
}
