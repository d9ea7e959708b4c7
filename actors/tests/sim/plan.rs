//! The decisions of a seed: the size of the world, its faults, and the times of its acts.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::tenants::{Kind, MOST, Poison};

/// How often each fault strikes, in a thousand calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub store_away: u32,
    pub dedup_away: u32,
    /// The action is done, and the answer is an error.
    pub answer_lost: u32,
    /// A commit finds that another writer was there first, who then wrote nothing of this.
    pub conflict: u32,
    pub refused_append: u32,
    /// A port panics in a stage.
    pub panic: u32,
    pub extractor_panic: u32,
    pub wrapper_panic: u32,
}

/// Something that happens to the world.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    Send {
        controller: usize,
        kind: Kind,
    },
    /// The node crashes so many steps later, and starts anew after a time.
    Crash {
        node: usize,
        after: u64,
    },
    /// The node is stopped in order, and starts anew after a time.
    Stop {
        node: usize,
    },
    /// The stream goes to another node. The one that had it hears of it so much later.
    Move {
        controller: usize,
        to: usize,
        overlap: Duration,
    },
    StoreAway(Duration),
    DedupAway(Duration),
    JournalAway(Duration),
    /// The store refuses all rows of this controller, or of all controllers without one.
    Refuse {
        controller: Option<usize>,
        length: Duration,
    },
    Unreadable {
        controller: usize,
        length: Duration,
    },
    /// Time passes.
    Wait(Duration),
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub nodes: usize,
    pub controllers: usize,
    pub shards: usize,
    pub batch_events: usize,
    pub cached_links: usize,
    pub max_attempts: u32,
    pub retry_max: Duration,
    /// The longest that one call takes.
    pub slowest_ms: u32,
    pub faults: Faults,
    /// Panics of the extractor in all: fewer than make an event poison.
    pub panics: u32,
    pub replays: bool,
    /// The acts, each with the time since the act before.
    pub acts: Vec<(Duration, Act)>,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        Planner(StdRng::seed_from_u64(seed)).plan()
    }
}

struct Planner(StdRng);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Planner {
    fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.0).unwrap()
    }

    fn time(&mut self, longest: u64) -> Duration {
        ms(self.0.random_range(0..=longest))
    }

    fn plan(&mut self) -> Plan {
        let max_attempts = self.0.random_range(2..=3);
        let mut plan = Plan {
            nodes: if self.chance(30) { 2 } else { 1 },
            controllers: self.0.random_range(1..=MOST),
            shards: self.pick(&[1, 1, 1, 2]),
            batch_events: self.pick(&[1, 2, 3, 5, 8, 16, 64]),
            cached_links: self.pick(&[2, 1_000]),
            max_attempts,
            retry_max: ms(self.pick(&[500, 1_000, 5_000])),
            slowest_ms: self.pick(&[10, 100, 3_000]),
            faults: Faults::default(),
            panics: max_attempts - 1,
            replays: self.chance(30),
            acts: Vec::new(),
        };
        let is_refusing = self.chance(15);
        plan.faults = self.faults(is_refusing);
        if self.chance(4) {
            self.crowd(&mut plan);
        } else {
            plan.acts = self.acts(&plan, is_refusing);
        }
        plan
    }

    /// Chooses what may fail. Where the store refuses good events, nothing panics by chance: both together make an event
    /// fail as often as poison does.
    fn faults(&mut self, is_refusing: bool) -> Faults {
        let mut rate = |percent: u32, most: u32| {
            let strikes = self.chance(percent);
            if strikes { self.0.random_range(1..=most) } else { 0 }
        };
        let mut faults = Faults {
            store_away: rate(30, 100),
            dedup_away: rate(30, 100),
            answer_lost: rate(30, 150),
            conflict: rate(20, 100),
            refused_append: rate(20, 100),
            wrapper_panic: rate(15, 20),
            ..Faults::default()
        };
        if !is_refusing {
            match self.0.random_range(0..4) {
                0 => faults.panic = self.0.random_range(1..=100),
                1 => faults.extractor_panic = self.0.random_range(1..=300),
                _ => {}
            }
        }
        faults
    }

    fn acts(&mut self, plan: &Plan, is_refusing: bool) -> Vec<(Duration, Act)> {
        let pace = self.pick(&[0, 2, 20, 200, 20_000]);
        let poison = self.poison(is_refusing);
        let mut sends: Vec<Act> = Vec::new();
        for _ in 0..self.0.random_range(4..24) {
            let controller = self.0.random_range(0..plan.controllers);
            let kind = self.kind(&poison, 4);
            sends.push(Act::Send { controller, kind });
        }
        for _ in 0..self.pick(&[0, 0, 0, 0, 1, 2]) {
            let controller = self.0.random_range(0..plan.controllers);
            let percent = self.pick(&[0, 70]);
            for _ in 0..self.0.random_range(10..40) {
                let kind = self.kind(&poison, percent);
                sends.push(Act::Send { controller, kind });
            }
        }
        spare_the_store(&mut sends);
        sends.shuffle(&mut self.0);
        let mut acts: Vec<(Duration, Act)> = sends.into_iter().map(|act| (self.time(pace), act)).collect();
        for _ in 0..self.0.random_range(0..6) {
            let place = self.0.random_range(0..=acts.len());
            for act in self.incident(plan, is_refusing) {
                acts.insert(place, (self.time(pace), act));
            }
        }
        acts
    }

    /// Makes a crowd of one shard: a controller whose events are mostly poison, one with a flood of good events, and others
    /// who wait for their turns between the two.
    fn crowd(&mut self, plan: &mut Plan) {
        plan.nodes = 1;
        plan.shards = 1;
        plan.controllers = self.0.random_range(3..=4);
        plan.batch_events = self.0.random_range(4..=6);
        // A suspect for long.
        plan.max_attempts = 10;
        let poison = [Poison::Extractor, Poison::Resolver, Poison::Logger];
        let mut sends = Vec::new();
        for _ in 0..self.0.random_range(10..30) {
            let kind = self.kind(&poison, 95);
            sends.push(Act::Send { controller: 0, kind });
        }
        let flood = Act::Send {
            controller: 1,
            kind: Kind::View { email: 0 },
        };
        sends.extend(vec![flood; 100]);
        for _ in 0..30 {
            let controller = self.0.random_range(2..plan.controllers);
            let kind = self.kind(&[], 0);
            sends.push(Act::Send { controller, kind });
        }
        sends.shuffle(&mut self.0);
        plan.acts = sends.into_iter().map(|act| (ms(0), act)).collect();
    }

    /// Chooses the possible poison.
    fn poison(&mut self, is_refusing: bool) -> Vec<Poison> {
        match self.0.random_range(0..6) {
            _ if is_refusing => vec![],
            0 => vec![],
            1 => vec![Poison::Store],
            2 => vec![Poison::Extractor],
            3 => vec![Poison::Resolver],
            4 => vec![Poison::Logger],
            _ => vec![Poison::Extractor, Poison::Resolver, Poison::Logger],
        }
    }

    fn kind(&mut self, poison: &[Poison], percent: u32) -> Kind {
        let email = self.0.random_range(0..4);
        match self.0.random_range(0..100) {
            _ if !poison.is_empty() && self.chance(percent) => Kind::Poison(self.pick(poison)),
            0..50 => Kind::Signup { email, customer: None },
            50..75 => Kind::Signup {
                email,
                customer: Some(self.0.random_range(0..4)),
            },
            75..90 => Kind::View { email },
            90..95 => Kind::Broken,
            _ => Kind::Unknown,
        }
    }

    /// Chooses something that goes wrong, and what belongs to it: the last first.
    fn incident(&mut self, plan: &Plan, is_refusing: bool) -> Vec<Act> {
        let node = self.0.random_range(0..plan.nodes);
        let controller = self.0.random_range(0..plan.controllers);
        let longest = self.pick(&[50, 2_000, 20_000]);
        let length = self.time(longest);
        let refuse = |controller| Act::Refuse { controller, length };
        let act = match self.0.random_range(0..12) {
            0 if is_refusing => refuse(None),
            1..5 if is_refusing => refuse(Some(controller)),
            0..4 => Act::Crash {
                node,
                after: self.0.random_range(0..60),
            },
            4 => Act::Stop { node },
            5..8 if plan.nodes > 1 => {
                let longest = self.pick(&[0, 100, 5_000]);
                let overlap = self.time(longest);
                Act::Move {
                    controller,
                    to: node,
                    overlap,
                }
            }
            5 => {
                // So long that every event in flight is old when it is over.
                let length = self.time(400_000);
                let act = Act::Unreadable { controller, length };
                return vec![Act::Wait(length), act];
            }
            6..8 => Act::StoreAway(length),
            8 => Act::DedupAway(length),
            9 => Act::JournalAway(length),
            _ => Act::Unreadable { controller, length },
        };
        vec![act]
    }
}

/// Leaves few of the events that the store refuses: many of them look like a fault of the store.
fn spare_the_store(sends: &mut [Act]) {
    let refused = sends.iter_mut().filter_map(|act| match act {
        Act::Send { kind, .. } if *kind == Kind::Poison(Poison::Store) => Some(kind),
        _ => None,
    });
    for kind in refused.skip(5) {
        *kind = Kind::View { email: 0 };
    }
}
