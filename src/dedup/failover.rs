//! Redis first, this process's memory while Redis is away.
//!
//! ## States
//! - *Redis*: Redis decides claims. Its answers are mirrored into memory. A call that fails in any way
//!   (refused, too slow, out of memory, read-only, loading) ends the state at once, and so does a missing sign of life.
//! - *away*: memory decides claims, and knows the answers that this node got from Redis. A task tries to
//!   connect, first at once, then ever more slowly. When a trial write succeeds, the task writes all claims in memory to
//!   Redis, because a restarted or failed-over Redis may have forgotten them. Then it writes the claims of the meantime,
//!   until none is left. Then Redis decides again.
//!
//! ## Invariants
//! - A claim is always decided: the pipeline does not wait for Redis.
//! - There are no false duplicates. A call without an answer may have been carried out. The same event is asked for
//!   again, in memory or in Redis. Claims name their event, so the event recognises its own claim.
//! - No claim is lost between the last one in memory and the first one in Redis: both sides of the change hold the lock.
//!   If Redis went away during a call, the call is repeated, because Redis may have come back without it.
//! - There is one log line for each change of state, none for each event.
//! - A Redis that lost claims counts as away: memory writes its claims back before Redis decides again.
//!
//! While Redis is away, this node does not see the claims of other nodes: repeats across nodes pass until Redis is
//! back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::{Claim, DedupError, DedupWindow, Verdict};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::eviction::Eviction;
use super::memory::MemoryWindow;
use super::redis::RedisWindow;

/// How often a Redis that is not asked must give a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The wait between tries to reach it: at first and at most.
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A Redis that goes away again this soon is tried later each time, up to [`UNSTEADY_MAX`].
const STEADY_AFTER: Duration = Duration::from_secs(10);
const UNSTEADY_MAX: Duration = Duration::from_secs(30);
/// How often Redis is asked by which policy it evicts keys.
const POLICY: Duration = Duration::from_secs(30);
/// Claims made while memory is written to Redis that are remembered; with more, the writing begins anew.
const MAX_MEANWHILE: usize = 1_000_000;

/// Redis is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAway {
    /// Since when.
    pub since: Timestamp,
    /// The failure.
    pub cause: String,
}

#[derive(Default)]
struct State {
    away: Option<RedisAway>,
    /// How often Redis went away: shows a call whether its finding is outdated.
    departures: u64,
    /// The claims since the beginning of a recovery, while memory is written to Redis.
    meanwhile: Option<Vec<(ControllerId, Claim)>>,
    /// The policy by which Redis may evict claims.
    eviction: Option<Eviction>,
}

struct Shared {
    redis: RedisWindow,
    memory: Arc<MemoryWindow>,
    state: Mutex<State>,
    went_away: Notify,
}

/// See the module's docs.
pub struct FailoverWindow {
    shared: Arc<Shared>,
    watch: JoinHandle<()>,
}

impl FailoverWindow {
    /// Tries Redis once, and goes on with memory alone if it does not answer.
    pub async fn start(redis: RedisWindow, memory: Arc<MemoryWindow>) -> Self {
        let shared = Arc::new(Shared {
            redis,
            memory,
            state: Mutex::new(State {
                away: Some(RedisAway {
                    since: Timestamp::now(),
                    cause: "not connected yet".to_owned(),
                }),
                ..State::default()
            }),
            went_away: Notify::new(),
        });
        match shared.recover().await {
            Ok(written) => {
                tracing::info!(target: "conduit::supervision", written, "dedup windows are in Redis");
                shared.look_at_policy().await;
            }
            Err(error) => {
                shared.state.lock().away = None;
                shared.leave(0, &error.0);
            }
        }
        let watch = shared.redis.handle().spawn(watch(Arc::clone(&shared)));
        Self { shared, watch }
    }

    /// Returns since when and why Redis is away. Returns `None` while Redis decides.
    #[must_use]
    pub fn away(&self) -> Option<RedisAway> {
        self.shared.state.lock().away.clone()
    }

    /// Returns the policy by which Redis may evict claims. Returns `None` if it does not evict, or the policy is
    /// unknown.
    #[must_use]
    pub fn eviction(&self) -> Option<Eviction> {
        self.shared.state.lock().eviction.clone()
    }

    /// Returns how often Redis went away.
    #[must_use]
    pub fn departures(&self) -> u64 {
        self.shared.state.lock().departures
    }
}

impl Drop for FailoverWindow {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Shared {
    /// Changes from Redis to memory, unless that was done since `departures` was read.
    fn leave(&self, departures: u64, cause: &str) {
        let mut state = self.state.lock();
        if state.away.is_some() || state.departures != departures {
            return;
        }
        state.departures += 1;
        tracing::warn!(
            target: "conduit::supervision",
            cause, "Redis is away: dedup windows are in process until it is back"
        );
        state.away = Some(RedisAway {
            since: Timestamp::now(),
            cause: cause.to_owned(),
        });
        drop(state);
        self.went_away.notify_one();
    }

    fn departures(&self) -> u64 {
        self.state.lock().departures
    }

    /// Warns of a policy that evicts claims, once for each policy.
    async fn look_at_policy(&self) {
        let eviction = self.redis.eviction().await;
        let mut state = self.state.lock();
        if state.away.is_some() || state.eviction == eviction {
            return;
        }
        match &eviction {
            Some(found) => tracing::warn!(
                target: "conduit::supervision",
                policy = found.policy, detail = %found, "Redis may evict claims: set its maxmemory-policy to noeviction"
            ),
            None => tracing::info!(target: "conduit::supervision", "Redis does not evict claims any more"),
        }
        state.eviction = eviction;
    }

    /// Decides in memory if Redis is away; else says how often it was.
    fn decide_in_memory(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, u64> {
        let mut state = self.state.lock();
        if state.away.is_none() {
            return Err(state.departures);
        }
        let verdicts = self.memory.decide(controller, claims);
        if let Some(meanwhile) = &mut state.meanwhile {
            let firsts = claims
                .iter()
                .zip(&verdicts)
                .filter(|(_, v)| matches!(v, Verdict::First));
            meanwhile.extend(firsts.map(|(claim, _)| (controller, *claim)));
            if meanwhile.len() > MAX_MEANWHILE {
                state.meanwhile = None;
            }
        }
        Ok(verdicts)
    }

    /// Changes from memory to Redis if Redis answers. Returns the number of claims that were written.
    async fn recover(&self) -> Result<usize, DedupError> {
        self.redis.connect().await?;
        self.state.lock().meanwhile = Some(Vec::new());
        let told = self.tell().await;
        if told.is_err() {
            self.state.lock().meanwhile = None;
        }
        told
    }

    async fn tell(&self) -> Result<usize, DedupError> {
        let mut written = 0;
        for controller in self.memory.controllers() {
            let claims = self.memory.held(controller);
            self.redis.keep(controller, &claims).await?;
            written += claims.len();
        }
        loop {
            let meanwhile = {
                let mut state = self.state.lock();
                let Some(claims) = state.meanwhile.replace(Vec::new()) else {
                    return Err(DedupError(
                        "Redis takes claims more slowly than they are made".to_owned(),
                    ));
                };
                if claims.is_empty() {
                    state.away = None;
                    state.meanwhile = None;
                    return Ok(written);
                }
                claims
            };
            for same in meanwhile.chunk_by(|one, next| one.0 == next.0) {
                let claims: Vec<Claim> = same.iter().map(|(_, claim)| *claim).collect();
                self.redis.keep(same[0].0, &claims).await?;
            }
            written += meanwhile.len();
        }
    }
}

/// Watches over Redis for as long as the window exists.
async fn watch(shared: Arc<Shared>) {
    let mut unsteady = Duration::ZERO;
    loop {
        let steady_since = Instant::now();
        let mut looked_at = Instant::now();
        while shared.state.lock().away.is_none() {
            let _ = tokio::time::timeout(HEARTBEAT, shared.went_away.notified()).await;
            let departures = shared.departures();
            if shared.state.lock().away.is_none()
                && let Err(error) = shared.redis.ping().await
            {
                shared.leave(departures, &error.0);
            }
            if looked_at.elapsed() >= POLICY {
                looked_at = Instant::now();
                shared.look_at_policy().await;
            }
        }
        unsteady = if steady_since.elapsed() < STEADY_AFTER {
            (2 * unsteady).clamp(RETRY_INITIAL, UNSTEADY_MAX)
        } else {
            Duration::ZERO
        };
        tokio::time::sleep(unsteady).await;
        come_back(&shared).await;
    }
}

/// Tries until Redis is back.
async fn come_back(shared: &Shared) {
    let mut wait = RETRY_INITIAL;
    loop {
        let since = shared
            .state
            .lock()
            .away
            .as_ref()
            .map_or_else(Timestamp::now, |away| away.since);
        match shared.recover().await {
            Ok(written) => {
                let away_ms = Timestamp::now().as_millis() - since.as_millis();
                tracing::info!(
                    target: "conduit::supervision",
                    away_ms, written, "Redis is back: dedup windows are in Redis again"
                );
                // It may be another one.
                shared.look_at_policy().await;
                return;
            }
            Err(error) => tracing::debug!(target: "conduit::supervision", %error, "Redis is still away"),
        }
        tokio::time::sleep(wait).await;
        wait = (2 * wait).min(RETRY_MAX);
    }
}

#[async_trait]
impl DedupWindow for FailoverWindow {
    /// Decides claims. Never fails.
    async fn claim(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        let shared = &self.shared;
        loop {
            let departures = match shared.decide_in_memory(controller, claims) {
                Ok(verdicts) => return Ok(verdicts),
                Err(departures) => departures,
            };
            match shared.redis.claim(controller, claims).await {
                Ok(verdicts) => {
                    shared.memory.mirror(controller, claims, &verdicts);
                    if shared.departures() == departures {
                        return Ok(verdicts);
                    }
                }
                Err(error) => shared.leave(departures, &error.0),
            }
        }
    }

    fn advance(&self, controller: ControllerId, time: Timestamp) {
        self.shared.memory.advance(controller, time);
    }

    fn forget(&self, controller: ControllerId) {
        self.shared.memory.forget(controller);
        self.shared.redis.forget(controller);
    }
}
