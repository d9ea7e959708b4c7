//! The in-process window.
//!
//! Per controller, a map from dedup key to the newest claim, and a second, nearly always empty one for claims
//! with the same key that an unprocessed or repeated batch may still need (first at 0 s, first
//! again at 75 s: a batch that runs again must find both). Claims go when the controller's stream has passed
//! the end of their window, in sweeps that cost a constant per claim.
//!
//! Memory is bounded by a number of claims. At the bound new claims are not kept: repeats of those
//! events pass, which is the lesser harm (an activity twice, not an event lost), and the report says so.
//!
//! After a restart the window is warmed with the claims that the store kept, see `MemoryWindow::warm`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::DedupKey;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::ports::{Claim, DedupError, DedupWindow, Verdict};
use dashmap::DashMap;
use parking_lot::Mutex;

/// Claims below this number are not swept for.
const SWEEP_FLOOR: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Held {
    event: EventId,
    window_seconds: u32,
}

impl Held {
    /// `event` holds what `claim` claims.
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
    newest: HashMap<DedupKey, Held>,
    others: HashMap<DedupKey, Vec<Held>>,
    passed: Timestamp,
    sweep_at: usize,
}

impl Claims {
    fn new() -> Self {
        Self {
            newest: HashMap::new(),
            others: HashMap::new(),
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

    fn keep(&mut self, key: DedupKey, held: Held) {
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
    /// An empty window that holds at most `max_claims` (about 60 bytes each).
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
            self.keep(&mut claims, key, Held { event, window_seconds });
        }
    }

    /// Decides a batch. As [`DedupWindow::claim`], at once.
    pub(super) fn decide(&self, controller: ControllerId, claims: &[Claim]) -> Vec<Verdict> {
        let window = self.claims(controller);
        let mut window = window.lock();
        let mut verdicts = Vec::with_capacity(claims.len());
        for claim in claims {
            let verdict = window.verdict(claim).unwrap_or_else(|| {
                self.keep(&mut window, claim.key, Held::of(claim.event, claim));
                Verdict::First
            });
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Takes in what another window decided: the claims that hold, whatever this one knows.
    pub(super) fn mirror(&self, controller: ControllerId, claims: &[Claim], verdicts: &[Verdict]) {
        let window = self.claims(controller);
        let mut window = window.lock();
        for (claim, verdict) in claims.iter().zip(verdicts) {
            let event = match verdict {
                Verdict::First => claim.event,
                Verdict::DuplicateOf(first) => *first,
            };
            if !window.holds(claim.key, event) {
                self.keep(&mut window, claim.key, Held::of(event, claim));
            }
        }
    }

    /// The controllers with claims.
    pub(super) fn controllers(&self) -> Vec<ControllerId> {
        self.controllers.iter().map(|entry| *entry.key()).collect()
    }

    /// A controller's claims that its stream has not passed.
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

    /// How full it is.
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

    fn keep(&self, claims: &mut Claims, key: DedupKey, held: Held) {
        let is_full = self.held.load(Ordering::Relaxed) >= self.max_claims;
        if is_full || claims.len() >= claims.sweep_at {
            self.held.fetch_sub(claims.sweep(), Ordering::Relaxed);
        }
        if self.held.load(Ordering::Relaxed) >= self.max_claims {
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    max_claims = self.max_claims,
                    "the in-process dedup window is full: repeats may pass until claims expire; \
                     raise dedup.max_entries or shorten the windows"
                );
            }
            return;
        }
        if self.full.swap(false, Ordering::Relaxed) {
            tracing::info!("the in-process dedup window has room again");
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
mod tests {
    use super::*;

    fn at(seconds: u64) -> EventId {
        // The random part of a generated id, under a chosen time.
        let random = EventId::generate().as_uuid().as_u128() & ((1 << 74) - 1);
        let time = u128::from(seconds * 1000) << 80;
        EventId::from_uuid(uuid::Uuid::from_u128(time | random))
    }

    fn claim(key: u8, event: EventId) -> Claim {
        Claim {
            key: DedupKey([key; 16]),
            event,
            window: Duration::from_secs(60),
        }
    }

    async fn decide(window: &MemoryWindow, controller: ControllerId, claims: &[Claim]) -> Vec<Verdict> {
        window.claim(controller, claims).await.unwrap()
    }

    #[actix_web::test]
    async fn the_first_event_wins_for_its_window_and_repeats_do_not_extend_it() {
        let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
        let (first, second, late) = (at(100), at(159), at(160));
        let claims = [claim(1, first), claim(1, second), claim(1, late), claim(2, second)];
        let expected = [
            Verdict::First,
            Verdict::DuplicateOf(first),
            Verdict::First,
            Verdict::First,
        ];
        assert_eq!(decide(&window, controller, &claims).await, expected);
    }

    #[actix_web::test]
    async fn a_batch_that_runs_again_gets_the_same_verdicts() {
        let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
        let events = [at(0), at(10), at(75), at(100), at(140)];
        let claims: Vec<_> = events.iter().map(|event| claim(1, *event)).collect();
        let once = decide(&window, controller, &claims).await;
        assert_eq!(
            once,
            [
                Verdict::First,
                Verdict::DuplicateOf(events[0]),
                Verdict::First,
                Verdict::DuplicateOf(events[2]),
                Verdict::First
            ]
        );
        assert_eq!(decide(&window, controller, &claims).await, once);
        assert_eq!(decide(&window, controller, &claims[1..]).await, once[1..]);
    }

    #[actix_web::test]
    async fn controllers_do_not_see_each_other() {
        let window = MemoryWindow::new(100);
        let (one, other) = (ControllerId::generate(), ControllerId::generate());
        assert_eq!(decide(&window, one, &[claim(1, at(1))]).await, [Verdict::First]);
        assert_eq!(decide(&window, other, &[claim(1, at(1))]).await, [Verdict::First]);
        window.forget(one);
        assert_eq!(window.report().claims, 1);
    }

    #[actix_web::test]
    async fn passed_claims_make_room_and_a_full_window_lets_events_through() {
        let (window, controller) = (MemoryWindow::new(2), ControllerId::generate());
        let claims = [claim(1, at(0)), claim(2, at(1)), claim(3, at(2)), claim(3, at(3))];
        assert!(
            decide(&window, controller, &claims)
                .await
                .iter()
                .all(|verdict| *verdict == Verdict::First)
        );
        assert_eq!(
            window.report(),
            MemoryWindowReport {
                claims: 2,
                max_claims: 2,
                full: true
            }
        );
        window.advance(controller, at(62).received_at());
        let (first, second) = (at(63), at(64));
        let verdicts = decide(&window, controller, &[claim(3, first), claim(3, second)]).await;
        assert_eq!(verdicts, [Verdict::First, Verdict::DuplicateOf(first)]);
        assert!(!window.report().full);
    }

    #[actix_web::test]
    async fn a_warmed_window_knows_what_the_store_knew() {
        let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
        let first = at(100);
        window.warm(controller, DedupKey([1; 16]), first, 60);
        window.warm(controller, DedupKey([1; 16]), first, 60);
        assert_eq!(window.report().claims, 1);
        assert_eq!(
            decide(&window, controller, &[claim(1, at(130))]).await,
            [Verdict::DuplicateOf(first)]
        );
    }
}
