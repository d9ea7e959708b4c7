//! The end: in order, within its time, and faster after a second signal.
//!
//! 1. Readiness says no, and requests are still served for `server.drain_seconds`: load balancers look elsewhere.
//! 2. Nothing more is accepted. Idle connections are closed. Other connections are closed after the answer under way,
//!    which says `Connection: close`, or GOAWAY by HTTP/2.
//! 3. The batches under way end, the journal is written and closed, and the database's connections are closed.
//!
//! Steps 2 and 3 share `server.shutdown_seconds`. A request that is cut off there was not answered, or is in the
//! journal.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::Running;
use super::signals::Signals;
use crate::jobs::{credentials, seals};

/// The time of each step after a second signal.
const HURRY: Duration = Duration::from_millis(500);

/// How long the collector of traces may take for the last of them.
const TRACES: Duration = Duration::from_secs(2);

/// Time that is left, less once a second signal comes.
struct Remaining {
    signals: Option<Signals>,
    hurried: bool,
}

impl Remaining {
    /// Returns the result of `work` if it ends by `limit`. Returns `None` otherwise.
    async fn until<T>(&mut self, limit: Instant, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let limit = if self.hurried {
                limit.min(Instant::now() + HURRY)
            } else {
                limit
            };
            let again = async {
                match self.signals.as_mut() {
                    Some(signals) => signals.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep_until(limit) => return None,
                name = again, if !self.hurried => {
                    tracing::warn!("{name} again: stopping without waiting any longer");
                    self.hurried = true;
                }
            }
        }
    }
}

impl Running {
    /// Stops in order, see the module's docs. Events in flight stay in the journal for the next start.
    pub async fn stop(self) {
        let config = self.services.config.get();
        let server = &config.server;
        let (drain, time) = (
            Duration::from_secs(server.drain_seconds),
            Duration::from_secs(server.shutdown_seconds),
        );
        let mut remaining = Remaining {
            signals: self.signals,
            hurried: false,
        };
        self.services.begin_stop();
        tracing::info!(drain_seconds = drain.as_secs(), "stopping: readiness says no");
        if !drain.is_zero() {
            let pause = Instant::now() + drain;
            // A second signal ends the pause, however long it would have been.
            let _ = remaining.until(pause, std::future::pending::<()>()).await;
        }

        let began = Instant::now();
        let limit = began + time;
        tracing::info!("stopping: nothing more is accepted, requests under way are answered");
        // Some of the time is reserved for the later steps. It answers no request, but avoids repeated work.
        let answered = remaining.until(began + time * 3 / 4, self.server.stop(true)).await;
        if answered.is_none() {
            tracing::warn!("stopping: connections were cut off; their requests were not answered");
        }
        // If it has not ended, this ends it, and all connections with it.
        self.serving.abort();
        self.following.abort();
        self.replaying.abort();
        self.retaining.abort();
        self.pruning.abort();
        self.sweeping.abort();
        self.sealing.abort();
        self.converting.abort();

        if remaining.until(limit, self.services.shards.stop()).await.is_some() {
            tracing::info!("stopping: the batches under way have ended");
        } else {
            tracing::warn!("stopping: a batch under way was left; its events are in the journal");
        }
        seals::note(&*self.store, &*self.services.journal, &config.storage.data_dir, false);
        if let Some(Err(error)) = remaining.until(limit, self.store.release_replays()).await {
            tracing::debug!(%error, "other nodes take up the replays when their leases end");
        }
        let journal = Arc::clone(&self.services.journal);
        // A thread of its own, which a disk that hangs cannot make anyone wait for.
        let (tell_closed, closed) = oneshot::channel();
        std::thread::spawn(move || {
            journal.close();
            let _ = tell_closed.send(());
        });
        match remaining.until(limit, closed).await {
            Some(_) => tracing::info!(
                in_flight = self.services.journal.report().in_flight_events,
                "stopping: the journal is closed"
            ),
            None => tracing::warn!("stopping: the journal's disk does not answer; waiting requests were not answered"),
        }
        if let Some(tracer) = &self.tracer {
            let _ = remaining.until(limit, tracer.close(TRACES)).await;
        }
        self.noting.abort();
        let uses = credentials::store_uses(&*self.store, self.services.shards.usage());
        if let Some(Err(error)) = remaining.until(limit, uses).await {
            tracing::warn!(%error, "which credentials were used last could not be stored");
        }
        let _ = remaining.until(limit, self.presence.end()).await;
        if remaining.until(limit, self.store.close()).await.is_none() {
            tracing::warn!("stopping: the database's connections were left");
        }
        tracing::info!(seconds = began.elapsed().as_secs_f32(), "stopped");
    }
}
