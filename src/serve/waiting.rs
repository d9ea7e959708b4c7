//! A start without the database, or with one that takes long: it reports that to the log and to callers.
//!
//! If the process ended instead, its supervisor would start it again and again, in steps of its backoff. The process
//! would be missing when the database is back, and liveness probes would count its ends.
//!
//! A database that answers and refuses the configured credentials is no outage: see [`Misconfigured`].

use std::future::Future;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::{Context as _, Result};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::ports::StoreError;
use conduit_actors::supervisor::RestartPolicy;

use super::signals::Signals;
use crate::config::{Config, Database};
use crate::http::{self, waiting::Cause};
use crate::store::OpenError;
use crate::tls::ServerCertificate;

/// How long it waits between two tries: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long a step may take until callers get an answer. Shorter than the time-out of a probe and its period together.
const SILENCE: Duration = Duration::from_secs(1);

/// How long requests under way may take when the wait is over.
const CLOSE: Duration = Duration::from_secs(1);

/// Lines of the wait for a store that never opened, and of that for one that did.
static WAITS: [LogLimit; 2] = [LogLimit::new(1, MINUTE), LogLimit::new(1, MINUTE)];
/// Lines of steps that take long.
static LONG: LogLimit = LogLimit::new(5, MINUTE);

/// The configuration and the database do not fit: waiting does not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// The process was told to stop while it waited.
#[derive(Debug, thiserror::Error)]
#[error("stopped before the database answered")]
pub struct Interrupted;

/// The server during the wait.
struct Room {
    server: ServerHandle,
    cause: Cause,
}

impl Room {
    fn open(
        config: &Config,
        listener: &TcpListener,
        certificate: Option<&Arc<ServerCertificate>>,
        cause: &str,
    ) -> Result<Self> {
        let shared = Cause::default();
        shared.set(cause);
        // Connections that are not accepted yet wait in the socket for the next listener.
        let listener = listener.try_clone().context("cannot listen twice")?;
        let server = http::waiting::run(&config.server, listener, certificate, shared.clone())?;
        let handle = server.handle();
        tokio::task::spawn_local(server);
        Ok(Self {
            server: handle,
            cause: shared,
        })
    }

    /// Ends it: requests under way are answered.
    async fn close(self) {
        // Its answers are short. An idle connection is not waited for.
        let _ = tokio::time::timeout(CLOSE, self.server.stop(true)).await;
    }
}

/// The steps of a start that ask the database, each again for as long as the database is away.
pub(super) struct Wait<'a> {
    config: &'a Config,
    listener: &'a TcpListener,
    certificate: Option<&'a Arc<ServerCertificate>>,
    /// The server during the wait, once the start has waited.
    room: Option<Room>,
    /// From then on, so that no signal is lost between the wait and what follows.
    signals: Option<Signals>,
    /// Whether the store has opened.
    is_open: bool,
}

impl<'a> Wait<'a> {
    pub(super) const fn new(
        config: &'a Config,
        listener: &'a TcpListener,
        certificate: Option<&'a Arc<ServerCertificate>>,
    ) -> Self {
        Self {
            config,
            listener,
            certificate,
            room: None,
            signals: None,
            is_open: false,
        }
    }

    /// Opens the store. Call it first.
    ///
    /// # Errors
    /// [`Misconfigured`], [`Interrupted`], or a fault that waiting does not fix.
    pub(super) async fn open<T>(&mut self, open: impl AsyncFn() -> Result<T>) -> Result<T> {
        let what = "opening the database, which may hold a lock, get a new version of its tables by this or another \
                    node, or not answer";
        let opened = self.answered(what, open).await?;
        self.is_open = true;
        Ok(opened)
    }

    /// Runs a step until the database answers. A step must be harmless if it runs twice. `what` says what it does.
    ///
    /// # Errors
    /// [`Misconfigured`], [`Interrupted`], or a fault that waiting does not fix.
    pub(super) async fn answered<T>(&mut self, what: &str, step: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut nth = 0;
        loop {
            let error = match self.patiently(what, step()).await? {
                Ok(done) => {
                    if nth > 0 {
                        tracing::info!("the database answers: the start goes on");
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            if matches!(error.downcast_ref(), Some(OpenError::Misfit(_))) {
                return Err(Misconfigured(format!("{error:#}")).into());
            }
            let Some(cause) = absence(self.config, &error) else {
                return Err(error);
            };
            self.tell(&cause)?;
            nth += 1;
            self.unless_stopped(tokio::time::sleep(backoff(nth))).await?;
        }
    }

    /// Returns the result of a step. If it takes long, callers get an answer meanwhile.
    async fn patiently<T>(&mut self, what: &str, step: impl Future<Output = T>) -> Result<T> {
        let mut step = pin!(step);
        if let Ok(done) = tokio::time::timeout(SILENCE, self.unless_stopped(&mut step)).await {
            return done;
        }
        self.answer_with(&format!("the start takes long: {what}"))?;
        if let Some(line) = LONG.admit() {
            let (left_out, address) = (line.left_out(), self.listener.local_addr()?);
            tracing::warn!(
                %address, database = %self.config.database(), step = what, left_out,
                "the start takes long: until its end nothing is accepted, and /readyz says unavailable"
            );
        }
        self.unless_stopped(step).await
    }

    /// Answers callers with this from now on.
    fn answer_with(&mut self, detail: &str) -> Result<()> {
        // Before any report of the wait.
        if self.signals.is_none() {
            self.signals = Some(Signals::listen()?);
        }
        match &self.room {
            Some(room) => room.cause.set(detail),
            None => self.room = Some(Room::open(self.config, self.listener, self.certificate, detail)?),
        }
        Ok(())
    }

    /// Reports to the log and to callers that the start waits.
    fn tell(&mut self, cause: &str) -> Result<()> {
        self.answer_with(&format!("away since the start: {cause}"))?;
        let Some(line) = WAITS[usize::from(self.is_open)].admit() else {
            return Ok(());
        };
        let (left_out, address) = (line.left_out(), self.listener.local_addr()?);
        if self.is_open {
            tracing::warn!(%address, cause, left_out, "the database went away during the start, which waits for it");
        } else {
            tracing::warn!(
                %address, database = %self.config.database(), cause, left_out,
                "the database is away: the start waits for it; until then nothing is accepted, and /readyz says unavailable"
            );
        }
        Ok(())
    }

    /// Returns the result of `work`, unless the process is told to stop.
    async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let Some(signals) = &mut self.signals else {
            return Ok(work.await);
        };
        tokio::select! {
            done = work => Ok(done),
            name = signals.next() => {
                tracing::info!("{name}: stopping");
                Err(Interrupted.into())
            }
        }
    }

    /// Ends the server of the wait. The signals are still to be waited for.
    pub(super) async fn end(self) -> Option<Signals> {
        if let Some(room) = self.room {
            room.close().await;
        }
        self.signals
    }
}

/// Returns why the database does not answer. Returns `None` for another fault: a file, for example, does not come back
/// by itself.
fn absence(config: &Config, error: &anyhow::Error) -> Option<String> {
    let is_away = matches!(config.database(), Database::Postgres(_));
    match (error.downcast_ref::<OpenError>(), error.downcast_ref::<StoreError>()) {
        (Some(OpenError::Store(StoreError::Unavailable(cause))), _) | (_, Some(StoreError::Unavailable(cause)))
            if is_away =>
        {
            Some(cause.clone())
        }
        _ => None,
    }
}

fn backoff(nth: u32) -> Duration {
    let policy = RestartPolicy {
        backoff_initial: BACKOFF.0,
        backoff_max: BACKOFF.1,
        budget: 0,
        window: MINUTE,
    };
    policy.backoff(nth)
}
