//! One history: the script of its plan, then calm, then an account of all events.

use std::rc::Rc;
use std::time::Duration;

use conduit_actors::ids::ControllerId;
use conduit_actors::simulated;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;
use crate::faults;
use crate::ledger::check_totals;
use crate::node::Command;
use crate::plan::{Act, Plan};
use crate::replays::Replay;
use crate::tenants::{Kind, Tenants};
use crate::verdicts::{check_cured, check_end};
use crate::world::{State, Step, World};

/// The date on which every history begins.
const DATE_MS: u64 = 1_800_000_000_000;
/// The time in which all events must be processed when no fault is left.
const PATIENCE: Duration = Duration::from_secs(600);

/// The result of a history.
pub struct Report {
    pub trace: Vec<Step>,
    pub events: usize,
    /// The first invariant that was broken.
    pub broken: Option<String>,
}

/// Runs the history of a seed.
pub fn run(seed: u64) -> Report {
    run_plan(seed, Plan::of(seed))
}

/// Runs a history of this plan. The seed decides the rest: which calls fail, and how long each takes.
pub fn run_plan(seed: u64, plan: Plan) -> Report {
    faults::set_up();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let world = runtime.block_on(async {
        let _simulation = simulated::begin(seed, DATE_MS);
        let world = World::new(seed, plan);
        faults::enter(Some(world.clone()));
        let cluster = Cluster::start(world.clone());
        cluster.run(Script(cluster.clone()).run()).await;
        faults::enter(None);
        world
    });
    let mut state = world.lock();
    Report {
        trace: std::mem::take(&mut state.trace),
        events: state.ledger.facts().count(),
        broken: state.failure.take(),
    }
}

struct Script(Rc<Cluster>);

impl Script {
    async fn run(self) {
        let are_up = |state: &mut State| state.nodes.iter().all(|node| node.is_alive());
        self.wait_for("nodes do not start", are_up).await;
        let acts = self.0.world.lock().plan.acts.clone();
        for (pause, act) in acts {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            match act {
                Act::Wait(length) => sleep(length).await,
                act => self.act(act),
            }
        }
        self.calm_down().await;
        self.drain().await;
        if self.with(|state| state.plan.replays) {
            self.replay().await;
            self.drain().await;
            self.with(check_cured);
        }
        self.check_reports().await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.world.lock())
    }

    fn act(&self, act: Act) {
        let tenants = Tenants::shared();
        let until = |length: Duration| Some(Instant::now() + length);
        match act {
            Act::Send { controller, kind } => {
                let nodes = u32::try_from(self.with(|state| state.plan.nodes)).unwrap();
                let node = self.with(|state| state.draw(0..nodes)) as usize;
                self.send(node, controller, kind);
            }
            Act::Crash { node, after } => self.with(|state| state.nodes[node].crash_in = Some(after)),
            Act::Stop { node } => self.0.tell(node, Command::Stop),
            Act::Move {
                controller,
                to,
                overlap,
            } => self.hand_over(tenants.id(controller), to, overlap),
            Act::StoreAway(length) => self.with(|state| state.outages.store = until(length)),
            Act::DedupAway(length) => self.with(|state| state.outages.dedup = until(length)),
            Act::JournalAway(length) => self.with(|state| state.outages.journal = until(length)),
            Act::Refuse { controller, length } => self.with(|state| {
                let all = 0..state.plan.controllers;
                for index in all.filter(|index| controller.is_none_or(|only| only == *index)) {
                    state.outages.refused.insert(tenants.id(index), Instant::now() + length);
                }
            }),
            Act::Wait(_) => {}
            Act::Unreadable { controller, length } => self.with(|state| {
                let until = Instant::now() + length;
                state.outages.unreadable.insert(tenants.id(controller), until);
            }),
        }
    }

    /// Sends an event. Returns its number.
    fn send(&self, node: usize, controller: usize, kind: Kind) -> usize {
        let number = self.with(|state| {
            state.ledger.sent.push(kind);
            state.ledger.sent.len() - 1
        });
        self.0.tell(node, Command::Request { controller, number });
        number
    }

    /// Moves a stream to another node. The one before goes on with it until it hears of that.
    fn hand_over(&self, controller: ControllerId, to: usize, overlap: Duration) {
        let from = self.with(|state| {
            let from = state.owners[&controller];
            state.note((to, 0), "move", Some(controller), (from as u64, to as u64));
            if from != to {
                state.give(controller, to);
            }
            from
        });
        let world = self.0.world.clone();
        if from != to {
            tokio::spawn(async move {
                sleep(overlap).await;
                let mut state = world.lock();
                if state.owners[&controller] != from {
                    state.nodes[from].own.remove(&controller);
                }
            });
        }
    }

    /// Ends all faults.
    async fn calm_down(&self) {
        let slowest = self.with(|state| {
            state.is_calm = true;
            state.nodes.iter_mut().for_each(|node| node.crash_in = None);
            state.plan.slowest_ms
        });
        // What is on its way to the journal arrives.
        sleep(Duration::from_millis(slowest.into())).await;
        // A last event for each: the store may refuse one, and only a good one behind it tells whose fault that is.
        for controller in 0..self.with(|state| state.plan.controllers) {
            self.send_surely(controller).await;
        }
    }

    /// Waits until nothing is in flight, and checks what must hold then.
    async fn drain(&self) {
        let drained = |state: &mut State| {
            check_totals(state);
            let mut controllers = state.owners.keys();
            controllers.all(|controller| state.in_flight(*controller) == 0)
        };
        self.wait_for("events are still in flight", drained).await;
        self.with(check_end);
    }

    async fn send_surely(&self, controller: usize) {
        let id = Tenants::shared().id(controller);
        let last = self.with(|state| state.last(id));
        loop {
            let owner = self.with(|state| state.owners[&id]);
            self.send(owner, controller, Kind::View { email: 0 });
            sleep(Duration::from_millis(500)).await;
            if self.with(|state| state.last(id)) > last {
                return;
            }
        }
    }

    async fn wait_for(&self, otherwise: &str, is_true: impl Fn(&mut State) -> bool) {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !self.with(&is_true) {
            if began.elapsed() > PATIENCE {
                return self.with(|state| state.fail(|| format!("progress: {otherwise} after ten minutes of calm")));
            }
            sleep(pause).await;
            pause = (2 * pause).min(Duration::from_secs(1));
        }
    }

    /// Cures what was poison and replays everything, with faults and then without.
    async fn replay(&self) {
        let jobs = self.with(|state| {
            state.is_cured = true;
            state.is_calm = false;
            // A dead letter has one more try only: what panics by chance would use it up.
            state.plan.faults.panic = 0;
            state.plan.faults.extractor_panic = 0;
            let owners = state.owners.clone();
            for (controller, node) in owners {
                state.tables.replays.push(Replay::new(controller, node));
            }
            state.nodes[0].crash_in = (state.draw(0..2) == 0).then_some(30);
            let replays = state.tables.replays.iter();
            replays.map(|own| (own.node, own.job)).collect::<Vec<_>>()
        });
        for round in 0..PATIENCE.as_secs() {
            if !self.with(|state| state.tables.replays.iter().any(|own| own.is_running)) {
                break;
            }
            if round == 10 {
                self.with(|state| state.is_calm = true);
            }
            // As often as a lease is renewed.
            for (node, job) in &jobs {
                self.0.tell(*node, Command::Replay(*job));
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.with(|state| {
            state.is_calm = true;
            state.nodes[0].crash_in = None;
        });
    }

    /// Checks that all nodes report that nothing is left, and that they end in order.
    async fn check_reports(&self) {
        for node in 0..self.with(|state| state.plan.nodes) {
            self.wait_for("a node is down", |state| state.nodes[node].is_alive())
                .await;
            // Longer than a dispatcher naps.
            sleep(Duration::from_secs(11)).await;
            let (reply, answer) = oneshot::channel();
            self.0.tell(node, Command::Report(reply));
            for report in answer.await.into_iter().flatten() {
                let seen = report.dispatcher;
                let left = (seen.backlog, seen.suspects, seen.stalled, seen.waiting.is_some());
                if left != (0, 0, 0, false) {
                    self.with(|state| state.fail(|| format!("report: node {node} is idle and reports {seen:?}")));
                }
            }
            let start = self.with(|state| state.nodes[node].starts);
            self.0.tell(node, Command::Stop);
            self.wait_for("a node was told to stop and runs on", |state| {
                state.nodes[node].starts > start
            })
            .await;
        }
    }
}
