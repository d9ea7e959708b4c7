//! Batches of replays, between those of the journal. They run through the same three actors. Their events come from the
//! store, and a commit moves a replay on instead of a checkpoint.
//!
//! Slow steps that change nothing run beside the live batches, in [`preparing`](super::preparing): live events do not
//! wait for a reading of the past. Only resolution and commit take a turn.
//!
//! Like a batch of the journal, a batch of a replay is read again for each attempt. Failures mean the same, with two
//! differences. Only the replay is bisected. And a conflict may mean that the replay was cancelled or moved to another
//! node: the next reading shows it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::diagnosis::Diagnosis;
use super::failure::Failure;
use super::preparing::{Prepared, Preparing, until_ready};
use super::settle::dead_letter;
use super::{Dispatcher, pause};
use crate::event::JournaledEvent;
use crate::ids::{Sequence, Timestamp};
use crate::log_limit::{LogLimit, MINUTE};
use crate::ports::{ReplayJob, ReplayStep, StoreError};
use crate::shard::replays::PriorOutcome;
use crate::stages::{ExtractedEvent, Replayed, ResolveJob, ResolvedBatch, ResolverJob};

/// Bytes of bodies in a batch of a replay: so many times less than in one of the journal.
const BYTES_PART: usize = 8;

/// How long a controller's replays rest after one could not be read.
const UNREADABLE_FOR: Duration = Duration::from_secs(2);

static FALLS: LogLimit = LogLimit::new(50, MINUTE);
static DEAD_LETTERS: LogLimit = LogLimit::new(100, MINUTE);

impl Dispatcher {
    pub(super) fn take_replays(&mut self, jobs: Vec<ReplayJob>) {
        for job in jobs {
            self.replays.add(job);
        }
    }

    /// Begins to prepare the next batch of a replay, unless one is on its way, or there is none.
    pub(super) fn prepare_replay(&mut self) {
        if self.preparing.is_some() || self.replays.is_empty() {
            return;
        }
        while let Some((job, limit)) = self.replays.next(Instant::now()) {
            if self.ports.directory.controller(job.controller).is_none() {
                // Deleted, or not known here yet: then it is announced again.
                self.replays.end(job);
                continue;
            }
            let doomed = self.replays.doomed(job.replay);
            let bytes = self.batches.bytes / BYTES_PART;
            let (source, extractor) = (self.ports.replays.clone(), self.actors.extractor.clone());
            self.preparing = Some(Preparing::start(job, source, extractor, limit, bytes, doomed));
            return;
        }
    }

    /// Returns whether a batch of a replay waits for its turn.
    pub(super) fn is_replay_ready(&mut self) -> bool {
        self.preparing.as_mut().is_some_and(Preparing::is_ready)
    }

    /// Gives the batch that is ready its turn.
    pub(super) async fn replay(&mut self, stopping: &mut watch::Receiver<bool>) {
        let Some((job, prepared)) = self.preparing.take().and_then(Preparing::take) else {
            return;
        };
        let began = Instant::now();
        match prepared {
            Prepared::Batch {
                tried,
                extracted,
                replayed,
            } => {
                self.tell_begin(&replayed.step);
                let step = replayed.step;
                let result = self.resolve_replayed(extracted, replayed).await;
                self.settle_replayed(step, &tried, began, result, stopping).await;
            }
            Prepared::Fallen { step, tried, fault } => {
                self.tell_begin(&step);
                self.settle_replayed(step, &tried, began, Err(fault.into()), stopping)
                    .await;
            }
            Prepared::Doomed { step, tried, event } => {
                let result = self.bury_replayed(step, event).await;
                self.settle_replayed(step, &tried, began, result, stopping).await;
            }
            Prepared::Ended => self.replays.end(job),
            Prepared::Unreadable(error) => self.cannot_read(job, error).await,
        }
        self.replays.ran(began.elapsed());
    }

    fn tell_begin(&mut self, step: &ReplayStep) {
        if self.replays.begins(step.job.replay) {
            tracing::info!(
                target: "conduit::supervision",
                shard = self.shard, replay_id = %step.job.replay, controller = %step.job.controller,
                from = step.from.map(tracing::field::display), "a replay begins, or goes on"
            );
        }
    }

    /// Handles an unreadable replay. Live events do not wait for it: if the store is away, they find out by themselves.
    async fn cannot_read(&mut self, job: ReplayJob, error: StoreError) {
        tracing::debug!(
            target: "conduit::supervision",
            shard = self.shard, replay_id = %job.replay, %error, "a replay cannot be read"
        );
        self.replays.rest_for(job.controller, UNREADABLE_FOR, Instant::now());
        if let StoreError::Failed(cause) = error
            && matches!(self.diagnose(job.controller, Timestamp::now()).await, Diagnosis::Event)
            && self.ports.replays.fail(job.replay, &cause).await.is_ok()
        {
            self.replays.end(job);
        }
    }

    async fn resolve_replayed(&mut self, extracted: Vec<ExtractedEvent>, replayed: Replayed) -> Result<(), Failure> {
        let job = ResolveJob {
            groups: vec![(replayed.step.job.controller, Sequence(0), extracted)],
            cache_is_valid: std::mem::replace(&mut self.cache_is_valid, true),
            replayed: Some(replayed),
            traced: false,
        };
        let resolved = self.actors.resolver.ask(ResolverJob::Resolve(job)).await??;
        Ok(self.actors.logger.ask(resolved).await??)
    }

    async fn settle_replayed(
        &mut self,
        step: ReplayStep,
        tried: &[PriorOutcome],
        began: Instant,
        result: Result<(), Failure>,
        stopping: &mut watch::Receiver<bool>,
    ) {
        let replay = step.job.replay;
        let failure = match result {
            Ok(()) => {
                self.replays.committed(replay, tried.len(), began.elapsed());
                return self.go_on();
            }
            Err(failure) => failure,
        };
        self.cache_is_valid = false;
        match failure {
            Failure::Poison(cause) => self.suspect_replayed(step, tried, &cause),
            Failure::Refused(cause) => match self.diagnose(step.job.controller, Timestamp::now()).await {
                Diagnosis::Event => self.suspect_replayed(step, tried, &cause),
                Diagnosis::Stream(..) | Diagnosis::Conflict => {
                    self.replays
                        .rest_for(step.job.controller, UNREADABLE_FOR, Instant::now());
                }
                Diagnosis::Store(cause) => self.wait(&cause, stopping).await,
            },
            Failure::Away(cause) => self.wait(&cause, stopping).await,
            Failure::Conflict => tracing::debug!(
                target: "conduit::supervision",
                shard = self.shard, replay_id = %replay, "conflict: reading the replay again"
            ),
        }
    }

    fn suspect_replayed(&mut self, step: ReplayStep, tried: &[PriorOutcome], cause: &str) {
        if let Some(line) = FALLS.admit() {
            tracing::warn!(
                target: "conduit::supervision",
                shard = self.shard, replay_id = %step.job.replay, through = %step.through, events = tried.len(), cause,
                left_out = line.left_out(),
                "a batch of a replay failed: bisecting these events"
            );
        }
        self.replays.failed(step.job, tried, cause, Instant::now());
    }

    /// Makes an event a dead letter, again or for the first time.
    async fn bury_replayed(&mut self, step: ReplayStep, event: JournaledEvent) -> Result<(), Failure> {
        let (attempts, cause) = self.replays.falls(step.job.replay);
        if let Some(line) = DEAD_LETTERS.admit() {
            tracing::error!(
                target: "conduit::supervision",
                shard = self.shard, replay_id = %step.job.replay, event_id = %event.event.id, attempts, cause,
                left_out = line.left_out(),
                "poison event isolated in a replay: it is a dead letter (outcome failed), its neighbours go on"
            );
        }
        let batch = ResolvedBatch {
            events: vec![dead_letter(event, self.ports.directory.as_ref(), attempts, &cause)],
            replay: Some(step),
            ..ResolvedBatch::default()
        };
        Ok(self.actors.logger.ask(batch).await??)
    }

    /// Waits until there is something to do, but no longer than `nap`; whether that is over.
    pub(super) async fn nap(&mut self, nap: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
        let wait = self.replays.wait(Instant::now()).filter(|_| self.preparing.is_none());
        let nap = wait.map_or(nap, |wait| wait.min(nap));
        tokio::select! {
            biased;
            () = self.backlogs.changed(self.shard) => false,
            () = until_ready(&mut self.preparing) => false,
            () = pause(nap, stopping) => true,
        }
    }
}
