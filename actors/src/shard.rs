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

mod actors;
mod assignment;
mod backlog;
mod dispatcher;
mod isolation;
mod options;
mod place;
mod progress;
mod replays;
mod stalls;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_rt::Arbiter;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

pub use assignment::shard_of;
pub use backlog::Backlogs;
pub use options::{BatchOptions, PipelineOptions, Ports};
pub use progress::{Blocked, DispatcherReport, Waiting};

use crate::admission::Admission;
use crate::edge::Edge;
use crate::supervisor::{ActorReport, Monitor};
use crate::usage::UsageBooks;
use actors::Actors;
use dispatcher::Dispatcher;
use place::Place;
use progress::Progress;

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
    /// The state of its dispatcher.
    pub dispatcher: DispatcherReport,
}

struct Shard {
    /// Of the pairs at the edge that are reported with this shard.
    edge: Mutex<Vec<Arc<Monitor>>>,
    monitors: [Arc<Monitor>; 3],
    /// Of the dispatcher.
    supervision: Arc<Monitor>,
    dispatcher: Arc<Progress>,
    /// Taken when the shard is stopped.
    running: Mutex<Option<Running>>,
}

struct Running {
    place: Place,
    /// Tells the dispatcher to end. Each shard has its own, because the dispatchers end in a certain order.
    stopping: watch::Sender<bool>,
    /// Says that the dispatcher has ended.
    ended: oneshot::Receiver<()>,
}

/// All shards.
pub struct Shards {
    options: PipelineOptions,
    ports: Ports,
    edges: AtomicUsize,
    usage: UsageBooks,
    admission: Arc<Admission>,
    batches: watch::Sender<BatchOptions>,
    shards: Vec<Shard>,
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
        let (batches, told) = watch::channel(options.batches);
        let mut shards = Vec::with_capacity(options.shards);
        for shard in 0..options.shards {
            shards.push(Shard::start(place(), shard, options, &ports, &backlogs, told.clone()).await);
        }
        Self {
            options,
            ports,
            edges: AtomicUsize::new(0),
            usage: UsageBooks::default(),
            admission: Arc::new(Admission::new(options.admission)),
            batches,
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
            Arc::clone(&self.admission),
        );
        self.shards[shard].edge().extend(edge.monitors());
        edge
    }

    /// Returns the admission of all edges.
    #[must_use]
    pub const fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Changes how batches are composed. Each shard follows from its next batch on.
    pub fn set_batches(&self, batches: BatchOptions) {
        self.batches.send_replace(batches);
    }

    /// Returns whether a dispatcher waits for its store or its dedup window.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.shards.iter().any(|shard| shard.dispatcher.is_waiting())
    }

    /// Returns the books of used credentials.
    #[must_use]
    pub const fn usage(&self) -> &UsageBooks {
        &self.usage
    }

    /// Returns the report for an operator.
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

    /// Stops taking batches, lets the running one end, and ends the threads. Events in flight stay in the journal.
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
        batches: watch::Receiver<BatchOptions>,
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
        let progress = Arc::new(Progress::default());
        let monitor = Arc::new(Monitor::new(shard, "Dispatcher", options.restart));
        let (tell_ended, ended) = oneshot::channel();
        let (stopping, told) = watch::channel(false);
        place.spawn({
            let (ports, backlogs) = (ports.clone(), Arc::clone(backlogs));
            let (progress, monitor) = (Arc::clone(&progress), Arc::clone(&monitor));
            let make = move || {
                let (ports, backlogs) = (ports.clone(), Arc::clone(&backlogs));
                let progress = Arc::clone(&progress);
                let batches = batches.clone();
                Dispatcher::new(shard, (options, batches), ports, actors.clone(), backlogs, progress)
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
