//! Batches of replays, between those of the journal: the same three actors, but where the events come from, and that
//! what is committed moves a replay on and not a checkpoint.
//!
//! As a batch of the journal, one of a replay is read anew each time it is tried. What a failure means is the same, but
//! that only the replay is bisected, and that a conflict may mean that it was cancelled or went to another node: the next
//! reading tells.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::settle::{Failure, dead_letter};
use super::{Dispatcher, pause};
use crate::event::{JournaledEvent, Status};
use crate::ids::{EventId, Sequence};
use crate::ports::{Claim, ReplayBatch, ReplayJob, ReplayStep, StoreError};
use crate::stages::{ExtractedEvent, Finding, Replayed, ResolveJob, ResolvedBatch, ResolverJob};

/// Bytes of bodies in a batch of a replay: so many times less than in one of the journal.
const BYTES_PART: usize = 8;

impl Dispatcher {
    pub(super) fn take_replays(&mut self, jobs: Vec<ReplayJob>) {
        for job in jobs {
            self.replays.add(job);
        }
    }

    /// Runs a batch of the replay whose turn it is; whether there is one.
    pub(super) async fn replay(&mut self, stopping: &mut watch::Receiver<bool>) -> bool {
        let Some((job, limit)) = self.replays.next(Instant::now()) else {
            return false;
        };
        let began = Instant::now();
        let bytes = self.options.batch_bytes / BYTES_PART;
        let is_known = self.ports.directory.controller(job.controller).is_some();
        let next = if is_known {
            self.ports.replays.next(job.replay, limit, bytes).await
        } else {
            // Deleted; or not known here yet, then it is told again.
            Ok(None)
        };
        match next {
            Ok(Some(batch)) => {
                if self.replays.begins(job.replay) {
                    tracing::info!(
                        target: "conduit::supervision",
                        shard = self.shard, replay_id = %job.replay, controller = %job.controller,
                        from = batch.step.from.map(tracing::field::display), "a replay begins, or goes on"
                    );
                }
                self.replay_batch(batch, began, stopping).await;
            }
            Ok(None) => self.replays.end(job),
            Err(error) => self.cannot_read(job, error, stopping).await,
        }
        self.replays.ran(began.elapsed());
        true
    }

    async fn cannot_read(&mut self, job: ReplayJob, error: StoreError, stopping: &mut watch::Receiver<bool>) {
        match error {
            StoreError::Conflict => {}
            StoreError::Unavailable(_) => self.wait(&error.to_string(), stopping).await,
            StoreError::Failed(cause) => match self.ports.replays.fail(job.replay, &cause).await {
                Ok(()) => self.replays.end(job),
                Err(error) => self.wait(&error.to_string(), stopping).await,
            },
        }
    }

    async fn replay_batch(&mut self, batch: ReplayBatch, began: Instant, stopping: &mut watch::Receiver<bool>) {
        let replay = batch.step.job.replay;
        let tried: Vec<(EventId, Status)> = batch
            .events
            .iter()
            .map(|event| (event.journaled.event.id, event.status))
            .collect();
        let poison = match tried[..] {
            [(event, _)] => self.replays.gives_up(replay, event),
            _ => None,
        };
        let ReplayBatch { step, events } = batch;
        let events = events.into_iter().map(|event| event.journaled).collect();
        let result = match poison {
            Some((attempts, cause)) => self.bury_replayed(step, events, attempts, &cause).await,
            None => self.try_replayed(step, events).await,
        };
        match result {
            Ok(()) => {
                self.replays.committed(replay, tried.len(), began.elapsed());
                self.go_on();
            }
            Err(failure) => {
                self.cache_is_valid = false;
                match failure {
                    Failure::Poison(cause) => self.suspect_replayed(step, &tried, &cause),
                    Failure::Away(cause) => self.wait(&cause, stopping).await,
                    Failure::Conflict => tracing::debug!(
                        target: "conduit::supervision",
                        shard = self.shard, replay_id = %replay, "conflict: reading the replay again"
                    ),
                }
            }
        }
    }

    async fn try_replayed(&mut self, step: ReplayStep, events: Vec<JournaledEvent>) -> Result<(), Failure> {
        let controller = step.job.controller;
        let extracted = self.actors.extractor.ask(events).await?;
        let claims: Vec<Claim> = extracted.iter().filter_map(claim).collect();
        let repeats = if claims.is_empty() {
            HashMap::new()
        } else {
            self.ports.replays.repeats(controller, &claims).await?
        };
        let job = ResolveJob {
            groups: vec![(controller, Sequence(0), extracted)],
            cache_is_valid: std::mem::replace(&mut self.cache_is_valid, true),
            replayed: Some(Replayed { step, repeats }),
        };
        let resolved = self.actors.resolver.ask(ResolverJob::Resolve(job)).await??;
        Ok(self.actors.logger.ask(resolved).await??)
    }

    /// Makes an event a dead letter, again or for the first time.
    async fn bury_replayed(
        &mut self,
        step: ReplayStep,
        events: Vec<JournaledEvent>,
        attempts: u32,
        cause: &str,
    ) -> Result<(), Failure> {
        let directory = self.ports.directory.as_ref();
        let bury = |event| dead_letter(event, directory, attempts, cause);
        let batch = ResolvedBatch {
            events: events.into_iter().map(bury).collect(),
            replay: Some(step),
            ..ResolvedBatch::default()
        };
        tracing::error!(
            target: "conduit::supervision",
            shard = self.shard, replay_id = %step.job.replay, event_id = %step.through, attempts, cause,
            "poison event isolated in a replay: it is a dead letter (outcome failed), its neighbours go on"
        );
        Ok(self.actors.logger.ask(batch).await??)
    }

    fn suspect_replayed(&mut self, step: ReplayStep, tried: &[(EventId, Status)], cause: &str) {
        tracing::warn!(
            target: "conduit::supervision",
            shard = self.shard, replay_id = %step.job.replay, through = %step.through, events = tried.len(), cause,
            "a batch of a replay failed: bisecting these events"
        );
        self.replays.failed(step.job, tried, cause, Instant::now());
    }

    /// Waits until there is something to do, but no longer than `nap`.
    pub(super) async fn nap(&mut self, nap: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
        let nap = self.replays.wait(Instant::now()).map_or(nap, |wait| wait.min(nap));
        tokio::select! {
            () = self.backlogs.changed(self.shard) => false,
            () = pause(nap, stopping) => true,
        }
    }
}

fn claim(event: &ExtractedEvent) -> Option<Claim> {
    match &event.finding {
        Finding::Fits(fitting) => fitting.claim,
        Finding::Rejected(_) | Finding::Failed(_) => None,
    }
}
