//! Dedup windows: the adapters of `conduit_actors::ports::DedupWindow`.
//!
//! ## Invariants that every window keeps
//! - Windows are measured between *receive* times, which the event ids carry. Processing times do
//!   not matter: an hour of backlog changes no verdict.
//! - A claim names its event. An event that runs again meets its own claim and is first again.
//! - The window is that of the first event, from its receive time; repeats do not extend it.
//! - Keys are never compared across controllers.
//! - A claim is kept until no unprocessed event can fall into its window.

mod eviction;
mod failover;
mod marks;
mod memory;
mod redis;
mod server;

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::ids::{ControllerId, EventId};
use conduit_actors::ports::{Claim, DedupWindow};

pub use eviction::Eviction;
pub use failover::{FailoverWindow, RedisAway};
pub use memory::{MemoryWindow, MemoryWindowReport};
pub use redis::RedisWindow;
pub(crate) use server::check;
pub use server::{InvalidRedisUrl, RedisServer};

/// The longest dedup window there is: claims older than this, before any event that is not processed yet, are of no use to
/// anyone.
pub const LONGEST_WINDOW_MS: i64 = 86_400_000;

/// The windows in use, and what there is to report of them.
#[derive(Clone)]
pub struct DedupWindows {
    memory: Arc<MemoryWindow>,
    redis: Option<Arc<FailoverWindow>>,
}

/// The place where claims are decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DedupPlace {
    /// In this process: no Redis is configured.
    InProcess,
    /// In Redis.
    Redis,
    /// In this process, until Redis is back.
    InProcessUntilRedisIsBack(RedisAway),
}

impl std::fmt::Display for DedupPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InProcess => f.write_str("in process"),
            Self::Redis => f.write_str("Redis"),
            Self::InProcessUntilRedisIsBack(away) => {
                write!(f, "Redis away: in process since {}: {}", away.since, away.cause)
            }
        }
    }
}

impl DedupWindows {
    /// Creates windows in this process.
    #[must_use]
    pub fn in_process(memory: Arc<MemoryWindow>) -> Self {
        Self { memory, redis: None }
    }

    /// Creates windows in Redis, and in `memory` while Redis is away.
    pub async fn in_redis(redis: RedisWindow, memory: Arc<MemoryWindow>) -> Self {
        let redis = FailoverWindow::start(redis, Arc::clone(&memory)).await;
        Self {
            memory,
            redis: Some(Arc::new(redis)),
        }
    }

    /// Returns the port for the pipeline's claims.
    #[must_use]
    pub fn port(&self) -> Arc<dyn DedupWindow> {
        match &self.redis {
            Some(redis) => Arc::clone(redis) as Arc<dyn DedupWindow>,
            None => Arc::clone(&self.memory) as Arc<dyn DedupWindow>,
        }
    }

    /// Returns the event that a claim would repeat, as far as this node knows. Claims nothing. Returns `None` if the
    /// claim would be the first.
    #[must_use]
    pub fn first(&self, controller: ControllerId, claim: &Claim) -> Option<EventId> {
        self.memory.first(controller, claim)
    }

    /// Returns where claims are decided.
    #[must_use]
    pub fn place(&self) -> DedupPlace {
        match self.redis.as_ref().map(|redis| redis.away()) {
            None => DedupPlace::InProcess,
            Some(None) => DedupPlace::Redis,
            Some(Some(away)) => DedupPlace::InProcessUntilRedisIsBack(away),
        }
    }

    /// Returns whether a configured Redis does not answer.
    #[must_use]
    pub fn is_redis_away(&self) -> bool {
        matches!(self.place(), DedupPlace::InProcessUntilRedisIsBack(_))
    }

    /// Returns the policy by which Redis may evict claims. Returns `None` if it does not evict, or there is no Redis.
    #[must_use]
    pub fn eviction(&self) -> Option<Eviction> {
        self.redis.as_ref()?.eviction()
    }

    /// Describes where claims are decided, and the risks there.
    #[must_use]
    pub fn description(&self) -> String {
        let place = self.place();
        match self.eviction() {
            Some(eviction) if place == DedupPlace::Redis => format!("{place}; {eviction}"),
            _ => place.to_string(),
        }
    }

    /// Returns how often Redis went away since the start.
    #[must_use]
    pub fn redis_departures(&self) -> u64 {
        self.redis.as_ref().map_or(0, |redis| redis.departures())
    }

    /// Returns how full the in-process window is, which mirrors Redis if there is one.
    #[must_use]
    pub fn report(&self) -> MemoryWindowReport {
        self.memory.report()
    }
}

/// Returns a claim's window in whole seconds, as it is stored.
fn window_seconds(window: Duration) -> u32 {
    u32::try_from(window.as_secs()).unwrap_or(u32::MAX)
}
