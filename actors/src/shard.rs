//! Shards: each three actors on one thread, and the journal streams of its controllers.
//!
//! ```text
//!  edge    ──Submission──► AuthActor ─► ValidatorActor ─► Journal          (mailboxes bounded)
//!                                                           │ appended
//!  ─────────────────────────────────────────────────────────┼────── answered
//!                                                           ▼
//!  shard            Dispatcher ◄── Backlog (controllers with events in flight)
//!                       │  one batch at a time, controllers in turns
//!                       ├─ask─► PiiExtractorActor ─► SubjectResolverActor ─► ActivityLoggerActor
//!                       ▼
//!                   Journal.release
//! ```
//!
//! `shard = hash(controller DID) mod N`: a controller's events are all in one place, in order. The edge is on the threads
//! of the HTTP workers, so that no sender waits while a batch is worked on; the shards' may be given a lower priority.

mod backlog;
mod dispatcher;
mod isolation;
mod replays;
mod stalls;
mod turns;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

pub use backlog::Backlogs;
use dispatcher::Dispatcher;
pub use dispatcher::{Blocked, DispatcherReport, Waiting};

use crate::edge::Edge;
use crate::ids::ControllerDid;
use crate::ports::{BatchTraces, DedupWindow, Directory, Journal, PipelineStore, ReplaySource};
use crate::stages::{ActivityLogger, PiiExtractor, SubjectResolver};
use crate::supervisor::{ActorRef, ActorReport, Monitor, RestartPolicy, Stage};
use crate::usage::UsageBooks;

/// How the pipeline is tuned.
#[derive(Debug, Clone, Copy)]
pub struct PipelineOptions {
    /// Threads with a pipeline each.
    pub shards: usize,
    /// Events in a batch at most.
    pub batch_events: usize,
    /// Bytes of bodies in a batch at most, about.
    pub batch_bytes: usize,
    /// Events in a batch of a replay at most.
    pub replay_events: usize,
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
    /// Called first on each shard's thread; may lower its priority.
    pub on_thread_start: fn(),
    /// How long the calling thread has waited for a core since it was started; none where that is not known.
    pub core_wait: fn() -> Option<Duration>,
    /// Senders that may wait for their answer, while cores are short, before the pipeline rests between batches.
    pub senders_tolerated: usize,
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
    /// What is to run again.
    pub replays: Arc<dyn ReplaySource>,
    /// Who follows requests past their answers; none: nobody.
    pub traces: Option<Arc<dyn BatchTraces>>,
}

/// The actors behind the answer.
#[derive(Clone)]
struct Actors {
    extractor: ActorRef<PiiExtractor>,
    resolver: ActorRef<SubjectResolver>,
    logger: ActorRef<ActivityLogger>,
}

impl Actors {
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

    fn monitors(&self) -> [Arc<Monitor>; 3] {
        [
            Arc::clone(self.extractor.monitor()),
            Arc::clone(self.resolver.monitor()),
            Arc::clone(self.logger.monitor()),
        ]
    }

    fn stop(&self) {
        self.extractor.stop();
        self.resolver.stop();
        self.logger.stop();
    }
}

/// A shard as the supervision report shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardReport {
    /// Its number, from 0.
    pub shard: usize,
    /// Whether its actors and its dispatcher are within their restart budgets.
    pub healthy: bool,
    /// Its actors, in the pipeline's order.
    pub actors: Vec<ActorReport>,
    /// What its dispatcher is at.
    pub dispatcher: DispatcherReport,
}

struct Shard {
    /// Of the pairs at the edge that are reported with this shard.
    edge: Mutex<Vec<Arc<Monitor>>>,
    monitors: [Arc<Monitor>; 3],
    /// Of the dispatcher.
    supervision: Arc<Monitor>,
    dispatcher: Arc<dispatcher::Progress>,
    /// Taken when the shard is stopped.
    running: Mutex<Option<Running>>,
}

struct Running {
    place: Place,
    /// Tells the dispatcher to end. One for each shard: they hear it in a certain order.
    stopping: watch::Sender<bool>,
    /// Says that the dispatcher has ended.
    ended: oneshot::Receiver<()>,
}

/// Where a shard runs.
enum Place {
    /// On a thread of its own.
    Thread(Arbiter),
    /// On the thread that started it, in its `LocalSet`.
    Here,
}

impl Place {
    /// Returns what `work` gives, done there.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let Self::Thread(arbiter) = self else {
            return work();
        };
        let (done, result) = oneshot::channel();
        arbiter.spawn_fn(move || drop(done.send(work())));
        #[allow(clippy::expect_used)] // At start-up only: the thread has just been made.
        result.await.expect("a new thread starts its actors")
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Thread(arbiter) => {
                arbiter.spawn(task);
            }
            Self::Here => {
                actix_rt::spawn(task);
            }
        }
    }
}

/// All shards.
pub struct Shards {
    options: PipelineOptions,
    ports: Ports,
    edges: AtomicUsize,
    usage: UsageBooks,
    senders: Arc<AtomicUsize>,
    shards: Vec<Shard>,
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
        Self::start_in(|| Place::Thread(Arbiter::new()), options, ports, backlogs).await
    }

    /// Starts all shards on the current thread, in its `LocalSet`: for a simulation, which schedules them by itself. Their
    /// tasks end with the `LocalSet`.
    pub async fn start_here(options: PipelineOptions, ports: Ports, backlogs: Arc<Backlogs>) -> Self {
        Self::start_in(|| Place::Here, options, ports, backlogs).await
    }

    async fn start_in(
        place: impl Fn() -> Place,
        options: PipelineOptions,
        ports: Ports,
        backlogs: Arc<Backlogs>,
    ) -> Self {
        for (controller, position) in ports.journal.backlog() {
            backlogs.note(controller, position.last);
        }
        let senders = Arc::new(AtomicUsize::new(0));
        let mut shards = Vec::with_capacity(options.shards);
        for shard in 0..options.shards {
            shards.push(Shard::start(place(), shard, options, &ports, &backlogs, &senders).await);
        }
        Self {
            options,
            ports,
            edges: AtomicUsize::new(0),
            usage: UsageBooks::default(),
            senders,
            shards,
        }
    }

    /// Starts a pair of actors at the edge, on the current thread. The pairs are reported with the shards by turns.
    #[must_use]
    pub fn start_edge(&self) -> Edge {
        let shard = self.edges.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let (directory, journal) = (Arc::clone(&self.ports.directory), Arc::clone(&self.ports.journal));
        let edge = Edge::start(
            shard,
            self.options.mailbox_capacity,
            self.options.restart,
            directory,
            journal,
            self.usage.book(),
            Arc::clone(&self.senders),
        );
        self.shards[shard].edge().extend(edge.monitors());
        edge
    }

    /// Which credentials the edge sees.
    #[must_use]
    pub const fn usage(&self) -> &UsageBooks {
        &self.usage
    }

    /// What an operator sees.
    #[must_use]
    pub fn report(&self) -> Vec<ShardReport> {
        let report = |(number, shard): (usize, &Shard)| {
            let edge = shard.edge();
            let monitors = || edge.iter().chain(&shard.monitors);
            ShardReport {
                shard: number,
                healthy: monitors().all(|monitor| monitor.is_healthy()) && shard.supervision.is_healthy(),
                actors: monitors().map(|monitor| monitor.report()).collect(),
                dispatcher: shard.dispatcher.report(),
            }
        };
        self.shards.iter().enumerate().map(report).collect()
    }

    /// Stops taking batches, lets the one under way end, and ends the threads. What is in flight stays in the journal.
    pub async fn stop(&self) {
        let take = |shard: &Shard| shard.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let running: Vec<Running> = self.shards.iter().filter_map(take).collect();
        for shard in &running {
            shard.stopping.send_replace(true);
        }
        for Running { place, ended, .. } in running {
            // An error means that the thread is gone already.
            let _ = ended.await;
            if let Place::Thread(arbiter) = place {
                arbiter.stop();
                let _ = arbiter.join();
            }
        }
    }
}

impl Shard {
    async fn start(
        place: Place,
        shard: usize,
        options: PipelineOptions,
        ports: &Ports,
        backlogs: &Arc<Backlogs>,
        senders: &Arc<AtomicUsize>,
    ) -> Self {
        let started = place.run({
            let ports = ports.clone();
            move || {
                (options.on_thread_start)();
                let actors = Actors::start(shard, options, &ports);
                let monitors = actors.monitors();
                (actors, monitors)
            }
        });
        let (actors, monitors) = started.await;
        let progress = Arc::new(dispatcher::Progress::default());
        let monitor = Arc::new(Monitor::new(shard, "Dispatcher", options.restart));
        let (tell_ended, ended) = oneshot::channel();
        let (stopping, told) = watch::channel(false);
        place.spawn({
            let (ports, backlogs, senders) = (ports.clone(), Arc::clone(backlogs), Arc::clone(senders));
            let (progress, monitor) = (Arc::clone(&progress), Arc::clone(&monitor));
            let make = move || {
                let (ports, backlogs, senders) = (ports.clone(), Arc::clone(&backlogs), Arc::clone(&senders));
                let progress = Arc::clone(&progress);
                Dispatcher::new(shard, options, ports, actors.clone(), backlogs, progress, senders)
            };
            async move {
                dispatcher::run_supervised(make, &monitor, told).await;
                let _ = tell_ended.send(());
            }
        });
        Self {
            edge: Mutex::default(),
            monitors,
            supervision: monitor,
            dispatcher: progress,
            running: Mutex::new(Some(Running { place, stopping, ended })),
        }
    }

    fn edge(&self) -> MutexGuard<'_, Vec<Arc<Monitor>>> {
        self.edge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
