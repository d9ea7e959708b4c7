//! Dedup windows in Redis: one atomic script per controller and batch, see `claim.lua`.
//!
//! ## Format
//! There is one key per dedup key, `conduit:{<controller id>}:d:<16 bytes>`. Its value has the claims that may still matter,
//! 20 bytes each. This costs more memory than a hash per controller and stretch of time would (about 210 bytes
//! a claim against 100). But it takes one look-up for any window, expires with its own claim, and expires
//! alone. A hash of some 100,000 fields that expires at once stops Redis for longer than a call may take.
//! The data is not personal: keys are keyed digests, values event ids.
//!
//! ## Invariants
//! - Verdicts equal those of the in-process window. Times are receive times, taken from the event ids. The clock of Redis only
//!   lets claims expire, after their window and the largest backlog that is still honoured. An event that is processed
//!   later may pass as first.
//! - Claims name their event. A call whose answer was lost may be repeated: it finds its own claims.
//! - A script has a bounded number of claims, and a round trip a bounded number of scripts. So neither Redis nor
//!   a time-out depends on the size of a batch.
//!
//! ## Recovery
//! This module has no recovery. A Redis that lost its mark (see [`super::marks`]) counts as failed. A failed call drops
//! the connection, and calls fail until [`RedisWindow::connect`] makes a new one. A Redis that was away may have forgotten
//! claims, and only its supervisor can write them again (see [`super::failover`]). A silent reconnect would let repeats
//! pass. The one exception is a script that Redis has not loaded: it is sent along.
//!
//! Connections live on their own thread: a computing shard does not delay the answers of another.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::ports::{Claim, DedupError, DedupWindow, Verdict};
use parking_lot::Mutex;
use redis::{Pipeline, RedisError, Script};
use tokio::runtime::{Handle, Runtime};

use super::eviction::{self, Eviction};
use super::marks::{self, MARK, Marks};
use super::server::{Connection, RedisServer};
use crate::tls::with_advice;

/// Claims in a script: about a millisecond of Redis' time.
const CLAIMS_PER_SCRIPT: usize = 256;
/// Scripts in a round trip.
const SCRIPTS_PER_TRIP: usize = 4;
/// Claims of one key, at most: an hour's with the default window.
const CLAIMS_PER_KEY: usize = 64;
/// Bytes of a packed claim, and of an event id in an answer.
const PACKED_CLAIM: usize = 20;
const PACKED_ID: usize = 16;

const CLAIM: &str = include_str!("claim.lua");

/// The script's answer if the mark is not the expected one.
const LOST: &[u8] = b"lost";
const LOST_MEANS: &str = "Redis has lost dedup windows: it was emptied or evicted them, or another one took its place";

/// The action of a call on claims.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Decide,
    Keep,
}

/// The connection in use, and how many there were.
#[derive(Default)]
struct Slot {
    number: u64,
    connection: Option<Connection>,
}

/// Dedup windows in a Redis server, cluster, or a set of servers behind sentinels.
pub struct RedisWindow {
    server: RedisServer,
    script: Arc<Script>,
    timeout: Duration,
    max_backlog: Duration,
    marks: Arc<Marks>,
    connection: Mutex<Slot>,
    runtime: Option<Runtime>,
    handle: Handle,
}

impl RedisWindow {
    /// Creates a window without a connection, see [`RedisWindow::connect`]. `timeout` bounds each round trip.
    /// `max_backlog` is the longest backlog for which verdicts hold.
    ///
    /// # Errors
    /// The thread for its connections cannot be started.
    pub fn new(server: RedisServer, timeout: Duration, max_backlog: Duration) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("redis")
            .enable_all()
            .build()?;
        Ok(Self {
            server,
            script: Arc::new(Script::new(CLAIM)),
            timeout,
            max_backlog,
            marks: Arc::new(Marks::new(max_backlog)),
            connection: Mutex::new(Slot::default()),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Returns the runtime of its connections.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Connects, and proves by a write that claims would be taken. Replaces the connection there was.
    ///
    /// # Errors
    /// [`DedupError`]: refused, too slow, or not writable; there is no connection now.
    pub async fn connect(&self) -> Result<(), DedupError> {
        self.connection.lock().connection = None;
        // A connecting node writes all its known claims, and accepts the marks that it finds.
        self.marks.forget_all();
        let (server, timeout) = (self.server.clone(), self.timeout);
        let connected = self
            .bounded(4 * timeout, async move {
                let mut connection = server.connect(timeout).await?;
                let mut write = redis::cmd("SET");
                write.arg("conduit:probe").arg(1).arg("PX").arg(1_000);
                write.query_async::<()>(&mut connection).await?;
                Ok(connection)
            })
            .await?;
        let mut slot = self.connection.lock();
        slot.number += 1;
        slot.connection = Some(connected);
        Ok(())
    }

    /// Asks for a sign of life, and whether claims are still there.
    ///
    /// # Errors
    /// [`DedupError`]: there was none in time, or claims are gone; the connection was dropped.
    pub async fn ping(&self) -> Result<(), DedupError> {
        let (number, mut connection) = self.connection()?;
        let marks = self.marks.sample();
        let ping = self.bounded(self.timeout, async move {
            if marks.is_empty() {
                redis::cmd("PING").query_async::<()>(&mut connection).await?;
            }
            for (controller, mark) in marks {
                let mut get = redis::cmd("GET");
                get.arg(marks::key(controller));
                let found: Option<Vec<u8>> = get.query_async(&mut connection).await?;
                if found.as_deref() != Some(&mark[..]) {
                    return Ok(Err(controller));
                }
            }
            Ok(Ok(()))
        });
        let missing = ping.await.inspect_err(|_| self.disconnect(number))?;
        match missing {
            Err(controller) if self.marks.expected(controller).is_some() => {
                self.disconnect(number);
                Err(DedupError(LOST_MEANS.to_owned()))
            }
            // Either it is there, or the controller was deleted meanwhile.
            _ => Ok(()),
        }
    }

    /// Returns the policy by which keys are evicted. Returns `None` if none is, or the policy is unknown.
    pub async fn eviction(&self) -> Option<Eviction> {
        let (_, mut connection) = self.connection().ok()?;
        let ask = self.bounded(self.timeout, async move {
            redis::cmd("INFO")
                .arg("memory")
                .query_async::<redis::Value>(&mut connection)
                .await
        });
        eviction::read(&ask.await.ok()?)
    }

    /// Writes claims that were first elsewhere, in spite of existing ones.
    ///
    /// # Errors
    /// [`DedupError`]: some may not be written; writing them again is harmless.
    pub async fn keep(&self, controller: ControllerId, claims: &[Claim]) -> Result<(), DedupError> {
        self.call(Mode::Keep, controller, claims).await.map(drop)
    }

    async fn call(&self, mode: Mode, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        let mut verdicts = Vec::with_capacity(claims.len());
        for trip in claims.chunks(CLAIMS_PER_SCRIPT * SCRIPTS_PER_TRIP) {
            let expected = self.marks.expected(controller);
            let seal = Seal {
                expected: expected.map_or_else(Vec::new, |mark| mark.to_vec()),
                fresh: Marks::fresh(),
                lifetime_ms: self.marks.lifetime().as_millis(),
            };
            let scripts: Vec<ScriptCall> = trip
                .chunks(CLAIMS_PER_SCRIPT)
                .map(|claims| ScriptCall::new(mode, controller, claims, self.max_backlog))
                .collect();
            let (number, mut connection) = self.connection()?;
            let script = Arc::clone(&self.script);
            let answers = self
                .bounded(self.timeout, async move {
                    match pipeline(&scripts, &seal, &script, false)
                        .query_async(&mut connection)
                        .await
                    {
                        Err(error) if has_no_script(&error) => {
                            let whole = pipeline(&scripts, &seal, &script, true);
                            whole.query_async::<Vec<Vec<u8>>>(&mut connection).await
                        }
                        result => result,
                    }
                })
                .await
                .inspect_err(|_| self.disconnect(number))?;
            if answers.iter().any(|answer| answer == LOST) {
                self.disconnect(number);
                return Err(DedupError(LOST_MEANS.to_owned()));
            }
            let before = verdicts.len();
            for answer in &answers {
                let Some((mark, rest)) = answer.split_first_chunk::<MARK>() else {
                    continue;
                };
                self.marks.meet(controller, *mark);
                verdicts.extend(rest.chunks(PACKED_ID).map(verdict));
            }
            if verdicts.len() - before != trip.len() || answers.iter().any(|answer| answer.len() % PACKED_ID != 0) {
                self.disconnect(number);
                return Err(DedupError("Redis answers something else than was asked".to_owned()));
            }
        }
        Ok(verdicts)
    }

    fn connection(&self) -> Result<(u64, Connection), DedupError> {
        let slot = self.connection.lock();
        let connection = slot.connection.clone();
        let connection = connection.ok_or_else(|| DedupError("no connection to Redis".to_owned()))?;
        Ok((slot.number, connection))
    }

    /// Drops a connection that failed, unless a newer one took its place.
    fn disconnect(&self, number: u64) {
        let mut slot = self.connection.lock();
        if slot.number == number {
            slot.connection = None;
        }
    }

    /// Runs on the connections' thread, for so long at most.
    async fn bounded<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, RedisError>> + Send + 'static,
    ) -> Result<T, DedupError> {
        let bounded = self.handle.spawn(tokio::time::timeout(limit, work));
        match bounded.await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) => {
                let text = with_advice(&format!("Redis: {error}"), "dedup.redis_ca_file");
                Err(DedupError(text))
            }
            Ok(Err(_)) => Err(DedupError(format!(
                "Redis does not answer within {} ms",
                limit.as_millis()
            ))),
            Err(error) => Err(DedupError(format!("Redis: {error}"))),
        }
    }
}

impl Drop for RedisWindow {
    fn drop(&mut self) {
        // It may be dropped on any thread, also on its own: nothing may wait here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait]
impl DedupWindow for RedisWindow {
    async fn claim(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        self.call(Mode::Decide, controller, claims).await
    }

    /// Does nothing: claims expire by themselves, because other nodes' streams may be behind this one's.
    fn advance(&self, _: ControllerId, _: Timestamp) {}

    /// Does nothing: a controller's id is never used again, and its claims expire.
    fn forget(&self, controller: ControllerId) {
        self.marks.forget(controller);
    }
}

/// Which mark must be there.
struct Seal {
    /// The expected mark. Empty: any mark, or the fresh one.
    expected: Vec<u8>,
    fresh: [u8; MARK],
    lifetime_ms: u128,
}

/// The arguments of one script.
struct ScriptCall {
    mode: Mode,
    backlog_ms: u128,
    keys: Vec<Vec<u8>>,
    claims: Vec<u8>,
}

impl ScriptCall {
    fn new(mode: Mode, controller: ControllerId, claims: &[Claim], backlog: Duration) -> Self {
        let prefix = format!("conduit:{{{controller}}}:d:");
        let key = |claim: &Claim| [prefix.as_bytes(), &claim.key.0].concat();
        let mut packed = Vec::with_capacity(claims.len() * PACKED_CLAIM);
        for claim in claims {
            packed.extend_from_slice(claim.event.as_bytes());
            packed.extend_from_slice(&super::window_seconds(claim.window).to_be_bytes());
        }
        let mark = marks::key(controller).into_bytes();
        Self {
            mode,
            backlog_ms: backlog.as_millis(),
            keys: std::iter::once(mark).chain(claims.iter().map(key)).collect(),
            claims: packed,
        }
    }
}

/// Packs all scripts into one round trip. With `whole`, the first one contains the script's text, which loads it on
/// that server.
fn pipeline(scripts: &[ScriptCall], seal: &Seal, script: &Script, whole: bool) -> Pipeline {
    let mut pipeline = redis::pipe();
    for (i, packed) in scripts.iter().enumerate() {
        if whole && i == 0 {
            pipeline.cmd("EVAL").arg(CLAIM);
        } else {
            pipeline.cmd("EVALSHA").arg(script.get_hash());
        }
        let mode = match packed.mode {
            Mode::Decide => "claim",
            Mode::Keep => "keep",
        };
        pipeline
            .arg(packed.keys.len())
            .arg(&packed.keys)
            .arg(mode)
            .arg(packed.backlog_ms.to_string())
            .arg(CLAIMS_PER_KEY)
            .arg(&packed.claims)
            .arg(&seal.expected)
            .arg(&seal.fresh[..])
            .arg(seal.lifetime_ms.to_string());
    }
    pipeline
}

fn has_no_script(error: &RedisError) -> bool {
    // Out of a pipeline, the server's errors come as a list.
    error.code() == Some("NOSCRIPT")
        || error
            .clone()
            .into_server_errors()
            .is_some_and(|errors| errors.iter().any(|(_, error)| error.code() == "NOSCRIPT"))
}

fn verdict(answer: &[u8]) -> Verdict {
    match <[u8; PACKED_ID]>::try_from(answer) {
        Ok(id) if id != [0; PACKED_ID] => Verdict::DuplicateOf(EventId::from_uuid(uuid::Uuid::from_bytes(id))),
        _ => Verdict::First,
    }
}
