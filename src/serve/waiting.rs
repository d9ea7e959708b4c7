//! A start without the database: it waits, and says so, to the log and to whoever asks.
//!
//! A process that ended instead would be started again and again, in steps of its supervisor's backoff. It would be missing
//! when the database is back, and liveness probes would count its ends.
//!
//! A database that answers, and refuses what the configuration says, is no outage: see [`Misconfigured`].

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::{Context as _, Result};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::ports::StoreError;
use conduit_actors::supervisor::RestartPolicy;

use super::stop::Signals;
use crate::config::{Config, Database};
use crate::http::{self, waiting::Cause};
use crate::keys::Keyring;
use crate::store::{OpenError, Store};
use crate::tls::ServerCertificate;

/// How long it waits between two tries: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long requests under way may take when the wait is over.
const CLOSE: Duration = Duration::from_secs(1);

static WAITS: LogLimit = LogLimit::new(1, MINUTE);

/// The configuration and the database do not fit: waiting does not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// The process was told to stop while it waited.
#[derive(Debug, thiserror::Error)]
#[error("stopped before the database answered")]
pub struct Interrupted;

/// What is served meanwhile.
pub(super) struct Room {
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
        // Connections that nobody has taken yet wait in the socket for whoever listens next.
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
    pub(super) async fn close(self) {
        // What it answers is short. A connection that is idle is not waited for.
        let _ = tokio::time::timeout(CLOSE, self.server.stop(true)).await;
    }
}

/// A store that was opened, and what waiting for it has left.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) keyring: Arc<Keyring>,
    /// What was served meanwhile.
    pub(super) room: Option<Room>,
    /// Kept, so that no signal is lost between the wait and what follows.
    pub(super) signals: Option<Signals>,
}

/// Tries to `open` the store until the database answers.
///
/// # Errors
/// [`Misconfigured`], [`Interrupted`], or what waiting does not mend.
pub(super) async fn open_store(
    config: &Config,
    listener: &TcpListener,
    certificate: Option<&Arc<ServerCertificate>>,
    open: impl AsyncFn() -> Result<(Arc<dyn Store>, Arc<Keyring>)>,
) -> Result<Opened> {
    let mut room: Option<Room> = None;
    let mut signals = None;
    for nth in 1.. {
        let error = match open().await {
            Ok((store, keyring)) => {
                if room.is_some() {
                    tracing::info!("the database answers: the start goes on");
                }
                return Ok(Opened {
                    store,
                    keyring,
                    room,
                    signals,
                });
            }
            Err(error) => error,
        };
        if matches!(error.downcast_ref(), Some(OpenError::Misfit(_))) {
            return Err(Misconfigured(format!("{error:#}")).into());
        }
        let Some(cause) = absence(config, &error) else {
            return Err(error);
        };
        // Before anybody is told that it waits.
        let signals = match &mut signals {
            Some(signals) => signals,
            none => none.insert(Signals::listen()?),
        };
        match &room {
            Some(room) => room.cause.set(&cause),
            None => room = Some(Room::open(config, listener, certificate, &cause)?),
        }
        if let Some(line) = WAITS.admit() {
            tracing::warn!(
                address = %listener.local_addr()?, database = %config.database(), cause, left_out = line.left_out(),
                "the database is away: the start waits for it; until then nothing is accepted, and /readyz says unavailable"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(backoff(nth)) => {}
            name = signals.next() => {
                tracing::info!("{name}: stopping");
                return Err(Interrupted.into());
            }
        }
    }
    Err(Interrupted.into())
}

/// Runs a `step` of the start that asks the open store, again while the database is away. A step must do no harm if it is
/// done twice.
///
/// # Errors
/// What waiting does not mend.
pub(super) async fn answered<T>(config: &Config, step: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut nth = 0;
    loop {
        let error = match step().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(cause) = absence(config, &error) else {
            return Err(error);
        };
        if let Some(line) = WAITS.admit() {
            let left_out = line.left_out();
            tracing::warn!(
                cause,
                left_out,
                "the database went away during the start, which waits for it"
            );
        }
        nth += 1;
        tokio::time::sleep(backoff(nth)).await;
    }
}

/// Why the database does not answer, if that is what is wrong. A file does not come back by itself.
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
