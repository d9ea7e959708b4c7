//! The in-process window.
//!
//! Each controller has a map from dedup key to the newest claim. A second, nearly always empty map has claims with the
//! same key that an unprocessed or repeated batch may still need. For example, the first event at 0 s and another first
//! at 75 s: a batch that runs again must find both. Claims are removed when the controller's stream has passed the end
//! of their window, in sweeps that cost a constant per claim.
//!
//! A maximum number of claims bounds the memory. At the maximum, new claims are dropped, and repeats of their events
//! pass. This is the lesser harm: an activity is logged twice, but no event is lost. The report says so.
//!
//! After a restart the window is warmed with the claims that the store kept, see `MemoryWindow::warm`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::DedupKey;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::ports::{Claim, DedupError, DedupWindow, Verdict};
use conduit_actors::random_keys::RandomKeyMap;
use dashmap::DashMap;
use parking_lot::Mutex;

static FULL: LogLimit = LogLimit::new(5, MINUTE);
static ROOM: LogLimit = LogLimit::new(5, MINUTE);

/// Claims below this number are not swept for.
const SWEEP_FLOOR: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct StoredClaim {
    event: EventId,
    window_seconds: u32,
}

impl StoredClaim {
    /// Returns the entry by which `event` holds a claim.
    fn of(event: EventId, claim: &Claim) -> Self {
        Self {
            event,
            window_seconds: super::window_seconds(claim.window),
        }
    }

    fn covers(&self, other: EventId) -> bool {
        let apart = self
            .event
            .received_at()
            .as_millis()
            .abs_diff(other.received_at().as_millis());
        apart < u64::from(self.window_seconds) * 1000
    }

    fn ends_before(&self, time: Timestamp) -> bool {
        self.event.received_at().as_millis() + i64::from(self.window_seconds) * 1000 <= time.as_millis()
    }
}

#[derive(Debug)]
struct Claims {
    newest: RandomKeyMap<DedupKey, StoredClaim>,
    others: RandomKeyMap<DedupKey, Vec<StoredClaim>>,
    passed: Timestamp,
    sweep_at: usize,
}

impl Claims {
    fn new() -> Self {
        Self {
            newest: RandomKeyMap::default(),
            others: RandomKeyMap::default(),
            passed: Timestamp::from_millis(0),
            sweep_at: SWEEP_FLOOR,
        }
    }

    fn len(&self) -> usize {
        self.newest.len() + self.others.values().map(Vec::len).sum::<usize>()
    }

    fn holds(&self, key: DedupKey, event: EventId) -> bool {
        let others = self.others.get(&key).map_or(&[][..], Vec::as_slice);
        self.newest
            .get(&key)
            .into_iter()
            .chain(others)
            .any(|held| held.event == event)
    }

    /// Decides one claim. `None`: it is first, and to be kept with [`Claims::keep`].
    fn verdict(&self, claim: &Claim) -> Option<Verdict> {
        let newest = self.newest.get(&claim.key);
        let others = self.others.get(&claim.key).map_or(&[][..], Vec::as_slice);
        let held = || newest.into_iter().chain(others);
        if held().any(|held| held.event == claim.event) {
            return Some(Verdict::First);
        }
        held()
            .filter(|held| held.covers(claim.event))
            .map(|held| held.event)
            .min()
            .map(Verdict::DuplicateOf)
    }

    fn keep(&mut self, key: DedupKey, held: StoredClaim) {
        match self.newest.get_mut(&key) {
            None => {
                self.newest.insert(key, held);
            }
            Some(newest) => {
                let older = if held.event > newest.event {
                    std::mem::replace(newest, held)
                } else {
                    held
                };
                self.others.entry(key).or_default().push(older);
            }
        }
    }

    /// Drops what the stream has passed; says how many.
    fn sweep(&mut self) -> usize {
        let before = self.len();
        let passed = self.passed;
        self.others.retain(|_, claims| {
            claims.retain(|held| !held.ends_before(passed));
            !claims.is_empty()
        });
        self.newest.retain(|_, held| !held.ends_before(passed));
        let after = self.len();
        self.sweep_at = (2 * after).max(SWEEP_FLOOR);
        if self.newest.capacity() > 4 * self.sweep_at {
            self.newest.shrink_to(self.sweep_at);
        }
        before - after
    }
}

/// The window's size, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryWindowReport {
    /// Claims held.
    pub claims: usize,
    /// Claims held at most.
    pub max_claims: usize,
    /// Whether claims were not kept for want of room, since the last time there was some.
    pub full: bool,
}

/// Dedup windows in this process's memory.
#[derive(Debug)]
pub struct MemoryWindow {
    controllers: DashMap<ControllerId, Arc<Mutex<Claims>>>,
    held: AtomicUsize,
    max_claims: usize,
    full: AtomicBool,
}

impl MemoryWindow {
    /// Creates an empty window that holds at most `max_claims` (about 60 bytes each).
    #[must_use]
    pub fn new(max_claims: usize) -> Self {
        Self {
            controllers: DashMap::new(),
            held: AtomicUsize::new(0),
            max_claims,
            full: AtomicBool::new(false),
        }
    }

    /// Takes in a claim that was committed before a restart.
    pub fn warm(&self, controller: ControllerId, key: DedupKey, event: EventId, window_seconds: u32) {
        let claims = self.claims(controller);
        let mut claims = claims.lock();
        let claim = Claim {
            key,
            event,
            window: Duration::from_secs(u64::from(window_seconds)),
        };
        if claims.verdict(&claim) != Some(Verdict::First) {
            self.keep(&mut claims, key, StoredClaim { event, window_seconds });
        }
    }

    /// Decides a batch. As [`DedupWindow::claim`], at once.
    pub(super) fn decide(&self, controller: ControllerId, claims: &[Claim]) -> Vec<Verdict> {
        let window = self.claims(controller);
        let mut window = window.lock();
        let mut verdicts = Vec::with_capacity(claims.len());
        for claim in claims {
            let verdict = window.verdict(claim).unwrap_or_else(|| {
                self.keep(&mut window, claim.key, StoredClaim::of(claim.event, claim));
                Verdict::First
            });
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Returns the event that a claim would repeat. Claims nothing. Returns `None` if the claim would be the first.
    #[must_use]
    pub fn first(&self, controller: ControllerId, claim: &Claim) -> Option<EventId> {
        let claims = Arc::clone(self.controllers.get(&controller)?.value());
        match claims.lock().verdict(claim)? {
            Verdict::DuplicateOf(first) => Some(first),
            Verdict::First => None,
        }
    }

    /// Takes over the verdicts of another window: its claims hold, in spite of this window's own knowledge.
    pub(super) fn mirror(&self, controller: ControllerId, claims: &[Claim], verdicts: &[Verdict]) {
        let window = self.claims(controller);
        let mut window = window.lock();
        for (claim, verdict) in claims.iter().zip(verdicts) {
            let event = match verdict {
                Verdict::First => claim.event,
                // Another node's: with the same key, its window is this one's, unless it was changed just now.
                Verdict::DuplicateOf(first) => *first,
            };
            if !window.holds(claim.key, event) {
                self.keep(&mut window, claim.key, StoredClaim::of(event, claim));
            }
        }
    }

    /// Returns the controllers with claims.
    pub(super) fn controllers(&self) -> Vec<ControllerId> {
        self.controllers.iter().map(|entry| *entry.key()).collect()
    }

    /// Returns the claims of a controller that its stream has not passed.
    pub(super) fn held(&self, controller: ControllerId) -> Vec<Claim> {
        let Some(claims) = self.controllers.get(&controller).map(|claims| Arc::clone(&claims)) else {
            return Vec::new();
        };
        let claims = claims.lock();
        let others = claims
            .others
            .iter()
            .flat_map(|(key, held)| held.iter().map(move |held| (key, held)));
        claims
            .newest
            .iter()
            .chain(others)
            .filter(|(_, held)| !held.ends_before(claims.passed))
            .map(|(key, held)| Claim {
                key: *key,
                event: held.event,
                window: Duration::from_secs(u64::from(held.window_seconds)),
            })
            .collect()
    }

    /// Returns how full the window is.
    #[must_use]
    pub fn report(&self) -> MemoryWindowReport {
        MemoryWindowReport {
            claims: self.held.load(Ordering::Relaxed),
            max_claims: self.max_claims,
            full: self.full.load(Ordering::Relaxed),
        }
    }

    fn claims(&self, controller: ControllerId) -> Arc<Mutex<Claims>> {
        Arc::clone(
            &self
                .controllers
                .entry(controller)
                .or_insert_with(|| Arc::new(Mutex::new(Claims::new()))),
        )
    }

    fn keep(&self, claims: &mut Claims, key: DedupKey, held: StoredClaim) {
        let is_full = self.held.load(Ordering::Relaxed) >= self.max_claims;
        if is_full || claims.len() >= claims.sweep_at {
            self.held.fetch_sub(claims.sweep(), Ordering::Relaxed);
        }
        if self.held.load(Ordering::Relaxed) >= self.max_claims {
            if !self.full.swap(true, Ordering::Relaxed)
                && let Some(line) = FULL.admit()
            {
                tracing::warn!(
                    max_claims = self.max_claims,
                    left_out = line.left_out(),
                    "the in-process dedup window is full: repeats may pass until claims expire; \
                     raise dedup.max_entries or shorten the windows"
                );
            }
            return;
        }
        if self.full.swap(false, Ordering::Relaxed)
            && let Some(line) = ROOM.admit()
        {
            tracing::info!(left_out = line.left_out(), "the in-process dedup window has room again");
        }
        claims.keep(key, held);
        self.held.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl DedupWindow for MemoryWindow {
    async fn claim(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        Ok(self.decide(controller, claims))
    }

    fn advance(&self, controller: ControllerId, time: Timestamp) {
        let Some(claims) = self.controllers.get(&controller).map(|claims| Arc::clone(&claims)) else {
            return;
        };
        let mut claims = claims.lock();
        claims.passed = claims.passed.max(time);
        if claims.len() >= claims.sweep_at {
            self.held.fetch_sub(claims.sweep(), Ordering::Relaxed);
        }
    }

    fn forget(&self, controller: ControllerId) {
        if let Some((_, claims)) = self.controllers.remove(&controller) {
            self.held.fetch_sub(claims.lock().len(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
