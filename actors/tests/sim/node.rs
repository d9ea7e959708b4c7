//! One start of one node: its pipeline, and the requests that it takes.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::admission::AdmissionOptions;
use conduit_actors::edge::Edge;
use conduit_actors::ingest::Parcel;
use conduit_actors::personal::Personal;
use conduit_actors::ports::ReplayJob;
use conduit_actors::shard::{Backlogs, BatchOptions, PipelineOptions, Ports, ShardReport, Shards};
use conduit_actors::supervisor::RestartPolicy;
use tokio::sync::{mpsc, oneshot};

use crate::dedup::SharedWindow;
use crate::journal::SharedJournal;
use crate::plan::Plan;
use crate::replays::SharedReplays;
use crate::store::SharedStore;
use crate::tenants::Tenants;
use crate::world::{Phase, Place};

/// A command to a node.
pub enum Command {
    /// A request of this controller: the number of an event that was sent.
    Request {
        controller: usize,
        number: usize,
    },
    Replay(ReplayJob),
    Report(oneshot::Sender<Vec<ShardReport>>),
    Stop,
}

/// Boots a node after a time, and runs it until it is stopped.
pub async fn run(place: Place, mut commands: mpsc::UnboundedReceiver<Command>, boot: Duration) {
    tokio::time::sleep(boot).await;
    // Nobody heard what was said before.
    while commands.try_recv().is_ok() {}
    let backlogs = boot_up(&place);
    let options = options(&place.world.lock().plan);
    let shards = Shards::start_here(options, ports(&place), Arc::clone(&backlogs)).await;
    let edge = shards.start_edge();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Request { controller, number } => request(&place, &edge, controller, number),
            Command::Replay(job) => backlogs.note_replay(job),
            Command::Report(reply) => drop(reply.send(shards.report())),
            Command::Stop => break,
        }
    }
    shards.stop().await;
    let mut state = place.world.lock();
    state.note((place.node, place.start), "stopped", None, (0, 0));
    state.nodes[place.node].phase = Phase::Ended;
}

/// Takes up the streams that are the node's, each from its checkpoint.
fn boot_up(place: &Place) -> Arc<Backlogs> {
    let mut state = place.world.lock();
    let backlogs = Arc::new(Backlogs::new(Tenants::shared(), state.plan.shards));
    let node = place.node;
    state.note((node, place.start), "start", None, (0, 0));
    state.nodes[node].phase = Phase::Alive;
    state.nodes[node].backlogs = Some(Arc::clone(&backlogs));
    state.nodes[node].own.clear();
    state.nodes[node].released.clear();
    let owners = state.owners.clone();
    for (controller, owner) in owners {
        if owner == node {
            state.give(controller, node);
        }
    }
    backlogs
}

fn ports(place: &Place) -> Ports {
    Ports {
        directory: Tenants::shared(),
        journal: Arc::new(SharedJournal(place.clone())),
        dedup: Arc::new(SharedWindow(place.clone())),
        store: Arc::new(SharedStore(place.clone())),
        replays: Arc::new(SharedReplays(place.clone())),
        traces: None,
    }
}

const fn options(plan: &Plan) -> PipelineOptions {
    PipelineOptions {
        shards: plan.shards,
        batches: BatchOptions {
            events: plan.batch_events,
            bytes: 1 << 16,
            replay_events: 8,
            retry_max: plan.retry_max,
        },
        mailbox_capacity: 1_000,
        cached_links: plan.cached_links,
        restart: RestartPolicy {
            backoff_initial: Duration::from_millis(10),
            backoff_max: Duration::from_secs(1),
            budget: 1_000,
            window: Duration::from_secs(60),
        },
        max_attempts: plan.max_attempts,
        on_thread_start: || {},
        admission: AdmissionOptions {
            max_delay: Duration::ZERO,
            burst: Duration::ZERO,
            max_bytes: 0,
            max_wait: Duration::ZERO,
        },
    }
}

fn request(place: &Place, edge: &Edge, controller: usize, number: usize) {
    let tenants = Tenants::shared();
    let mut state = place.world.lock();
    let kind = state.ledger.sent[number];
    state.note(
        (place.node, place.start),
        "request",
        Some(tenants.id(controller)),
        (number as u64, 0),
    );
    drop(state);
    let (reply, answer) = oneshot::channel();
    let parcel = Parcel {
        body: Ok(Personal::new(kind.body(number))),
        signed: false,
        on_durable: None,
        reply,
    };
    edge.submit(tenants.head(controller), parcel);
    let place = place.clone();
    actix_rt::spawn(async move {
        if let Ok(Ok(receipt)) = answer.await {
            place.world.lock().ledger.acknowledged(receipt.event);
        }
    });
}
