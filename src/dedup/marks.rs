//! Marks in Redis: how it is noticed that claims are gone.
//!
//! Each controller has a mark beside its claims, made with the first of them and kept at least as long as the last. A node
//! remembers the mark that it met. If the mark is missing or another one, Redis was emptied, evicted it, lost its disk, or another
//! server took its place, and with the mark went claims. Verdicts of such a Redis would let repeats pass.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use conduit_actors::ids::ControllerId;
use parking_lot::Mutex;

use super::LONGEST_WINDOW_MS;

/// Bytes of a mark.
pub(super) const MARK: usize = 16;

/// How many marks are looked at with each sign of life.
const SAMPLE: usize = 4;

type Mark = [u8; MARK];

/// The marks that this node has met since it connected.
pub(super) struct Marks {
    met: Mutex<HashMap<ControllerId, (Mark, Instant)>>,
    /// How long a mark lives in Redis.
    lifetime: Duration,
}

impl Marks {
    /// Creates a table without marks. A mark outlives every claim: the longest window, and the largest backlog that is
    /// still honoured.
    pub(super) fn new(max_backlog: Duration) -> Self {
        let longest = Duration::from_millis(LONGEST_WINDOW_MS.unsigned_abs());
        Self {
            met: Mutex::default(),
            lifetime: longest + max_backlog,
        }
    }

    pub(super) const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the mark that must be there; `None` if none was met, or it may have died of age.
    pub(super) fn expected(&self, controller: ControllerId) -> Option<Mark> {
        let met = self.met.lock();
        let (mark, at) = met.get(&controller)?;
        (at.elapsed() < self.lifetime / 2).then_some(*mark)
    }

    /// Remembers a mark that was met just now.
    pub(super) fn meet(&self, controller: ControllerId, mark: Mark) {
        self.met.lock().insert(controller, (mark, Instant::now()));
    }

    /// Returns some of the marks that must be there, others each time.
    pub(super) fn sample(&self) -> Vec<(ControllerId, Mark)> {
        let met = self.met.lock();
        let living = met.iter().filter(|(_, (_, at))| at.elapsed() < self.lifetime / 2);
        let living: Vec<_> = living.map(|(controller, (mark, _))| (*controller, *mark)).collect();
        let start = rand::random_range(0..living.len().max(1));
        living
            .iter()
            .cycle()
            .skip(start)
            .take(SAMPLE.min(living.len()))
            .copied()
            .collect()
    }

    pub(super) fn forget(&self, controller: ControllerId) {
        self.met.lock().remove(&controller);
    }

    pub(super) fn forget_all(&self) {
        self.met.lock().clear();
    }

    /// Makes a new mark.
    pub(super) fn fresh() -> Mark {
        rand::random()
    }
}

/// Returns the key of a controller's mark, which is in the slot of its claims.
pub(super) fn key(controller: ControllerId) -> String {
    format!("conduit:{{{controller}}}:e")
}
