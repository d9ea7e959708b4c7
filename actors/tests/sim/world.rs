//! The world around the pipelines of one history: its durable state, its faults, and its acts so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_actors::event_ids::EventIds;
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::shard::Backlogs;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use crate::dedup::Claims;
use crate::journal::Stream;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::store::Tables;
use crate::tenants::Tenants;
use crate::turns::Waits;

/// A step of a history: a call of a port, or an event of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds since the history began.
    pub at: u64,
    /// The node, and how many times it was started.
    pub node: (usize, u32),
    pub what: &'static str,
    /// The place of the controller.
    pub controller: Option<usize>,
    /// Numbers that belong to it: sequences, counts.
    pub numbers: (u64, u64),
}

/// How far a node is in its life, which begins anew with each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    #[default]
    Booting,
    Alive,
    /// It has crashed, or was stopped.
    Ended,
}

/// A node as the world sees it.
#[derive(Default)]
pub struct Node {
    /// How many times it was started.
    pub starts: u32,
    pub phase: Phase,
    /// It ends at this step from now.
    pub crash_in: Option<u64>,
    /// The streams that it believes to be its own.
    pub own: BTreeSet<ControllerId>,
    /// How far its journal has released each stream.
    pub released: BTreeMap<ControllerId, Sequence>,
    pub backlogs: Option<Arc<Backlogs>>,
}

impl Node {
    pub fn is_alive(&self) -> bool {
        self.phase == Phase::Alive
    }
}

/// Which outages there are.
#[derive(Default)]
pub struct Outages {
    pub store: Option<Instant>,
    pub dedup: Option<Instant>,
    pub journal: Option<Instant>,
    /// The store refuses whatever is of these controllers.
    pub refused: BTreeMap<ControllerId, Instant>,
    /// The journal cannot read these streams.
    pub unreadable: BTreeMap<ControllerId, Instant>,
}

/// Everything that is not the pipeline.
pub struct State {
    pub plan: Plan,
    chance: StdRng,
    began: Instant,
    /// Nothing fails any more, but for what is poison.
    pub is_calm: bool,
    /// Poison events harm nobody any more.
    pub is_cured: bool,
    pub nodes: Vec<Node>,
    pub owners: BTreeMap<ControllerId, usize>,
    pub outages: Outages,
    pub streams: BTreeMap<ControllerId, Stream>,
    pub event_ids: EventIds,
    pub tables: Tables,
    pub claims: BTreeMap<ControllerId, Claims>,
    pub ledger: Ledger,
    pub waits: Waits,
    /// Panics that each event was alone in, by chance. Too many in a row would make it poison.
    pub panics: BTreeMap<EventId, u32>,
    /// Panics of the extractor and of wrappers that may still be.
    pub panics_left: u32,
    pub trace: Vec<Step>,
    /// The first invariant that was broken.
    pub failure: Option<String>,
}

pub struct World(Mutex<State>);

impl World {
    pub fn new(seed: u64, plan: Plan) -> Arc<Self> {
        let nodes = (0..plan.nodes).map(|_| Node::default()).collect();
        let tenants = Tenants::shared();
        let owners = (0..plan.controllers).map(|index| (tenants.id(index), index % plan.nodes));
        let state = State {
            chance: StdRng::seed_from_u64(seed ^ 0x5eed_0001),
            began: Instant::now(),
            is_calm: false,
            is_cured: false,
            nodes,
            owners: owners.collect(),
            outages: Outages::default(),
            streams: BTreeMap::new(),
            event_ids: EventIds::default(),
            tables: Tables::default(),
            claims: BTreeMap::new(),
            ledger: Ledger::default(),
            waits: Waits::default(),
            panics: BTreeMap::new(),
            panics_left: plan.panics,
            trace: Vec::new(),
            failure: None,
            plan,
        };
        Arc::new(Self(Mutex::new(state)))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes the first invariant that is broken, which ends the history.
    pub fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.failure.is_none() {
            self.failure = Some(what());
        }
    }

    pub fn note(
        &mut self,
        node: (usize, u32),
        what: &'static str,
        controller: Option<ControllerId>,
        numbers: (u64, u64),
    ) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let controller = controller.map(|controller| Tenants::shared().index(controller));
        self.trace.push(Step {
            at,
            node,
            what,
            controller,
            numbers,
        });
    }

    /// Says yes so many times in a thousand, but never once the history is calm.
    pub fn strikes(&mut self, per_mille: u32) -> bool {
        !self.is_calm && self.draw(0..1000) < per_mille
    }

    pub fn draw(&mut self, range: std::ops::Range<u32>) -> u32 {
        self.chance.random_range(range)
    }

    /// Returns whether an outage that lasts until `until` is still there.
    pub fn lasts(&self, until: Option<Instant>) -> bool {
        !self.is_calm && until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns how long a call takes: turns of the scheduler, and time.
    fn delay(&mut self) -> (u32, Duration) {
        let (turns, millis) = match self.draw(0..100) {
            0..50 => (0, 0),
            50..75 => (self.draw(1..4), 0),
            75..95 => (0, self.draw(1..8)),
            _ if self.is_calm => (0, 1),
            _ => (0, self.draw(1..self.plan.slowest_ms.max(2))),
        };
        (turns, Duration::from_millis(millis.into()))
    }
}

/// One start of one node: everything that its pipeline asks goes through here.
#[derive(Clone)]
pub struct Place {
    pub world: Arc<World>,
    pub node: usize,
    pub start: u32,
}

impl Place {
    /// Returns whether the node still runs as it was started.
    pub fn is_alive(&self, state: &State) -> bool {
        let node = &state.nodes[self.node];
        node.is_alive() && node.starts == self.start
    }

    /// Takes a step that cannot wait. Returns `None` if the node has crashed, here or before.
    pub fn act(
        &self,
        what: &'static str,
        controller: Option<ControllerId>,
        numbers: (u64, u64),
    ) -> Option<MutexGuard<'_, State>> {
        let mut state = self.world.lock();
        if !self.is_alive(&state) {
            return None;
        }
        state.note((self.node, self.start), what, controller, numbers);
        let node = &mut state.nodes[self.node];
        if let Some(left) = &mut node.crash_in {
            if *left == 0 {
                node.phase = Phase::Ended;
                node.crash_in = None;
                state.note((self.node, self.start), "crash", None, (0, 0));
                return None;
            }
            *left -= 1;
        }
        Some(state)
    }

    /// Takes a step that takes its time. Never returns if the node has crashed, here or before.
    pub async fn step(&self, what: &'static str, controller: Option<ControllerId>, numbers: (u64, u64)) {
        let delay = self.act(what, controller, numbers).map(|mut state| state.delay());
        if let Some((turns, time)) = delay {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            if self.is_alive(&self.world.lock()) {
                return;
            }
        }
        std::future::pending().await
    }
}
