//! What comes of a batch, and what a failure means.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::batch::{Group, Tried};
use super::{Dispatcher, pause};
use crate::event::{JournaledEvent, Notice, Outcome};
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::ports::{Directory, StoreError, TracedBatch};
use crate::stages::{ExtractedEvent, Finding, ResolvedBatch, ResolvedEvent, StageError, shown_if_harmless};
use crate::supervisor::{Fault, RestartPolicy};

/// The store forgot what it had confirmed. To go on from where it stands would skip the events between: they are released
/// here, and only a start reads them from the journal again.
const BEHIND: &str = "the database is behind the journal: it lacks commits that it had confirmed, as after a fail-over to \
                      a replica that was not synchronous; start this node again, and it takes up what the journal still \
                      has, or restore a newer database";

pub(super) enum Failure {
    Poison(String),
    Away(String),
    Conflict,
}

impl Failure {
    const fn word(&self) -> &'static str {
        match self {
            Self::Poison(_) => "poison",
            Self::Away(_) => "outage",
            Self::Conflict => "conflict",
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(cause) => Self::Poison(cause),
            Fault::Full | Fault::Gone => Self::Away(fault.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        StageError::from(error).into()
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Store(StoreError::Conflict) => Self::Conflict,
            StageError::Store(StoreError::Failed(_)) => Self::Poison(error.to_string()),
            StageError::Store(StoreError::Unavailable(_)) | StageError::Dedup(_) => Self::Away(error.to_string()),
        }
    }
}

impl Dispatcher {
    /// Makes the one event of a group a dead letter. It goes to the logger alone: no other stage sees it again.
    pub(super) async fn bury(&mut self, mut group: Group, stopping: &mut watch::Receiver<bool>) {
        group.events.truncate(1);
        let tried = Tried::of(std::slice::from_ref(&group), true);
        let checkpoints = vec![group.checkpoint()];
        let Some(journaled) = group.events.pop() else {
            return;
        };
        let cause = self
            .causes
            .get(&group.controller)
            .cloned()
            .unwrap_or_else(|| "unknown".to_owned());
        tracing::error!(
            target: "conduit::supervision",
            shard = self.shard, controller = %group.controller, event_id = %journaled.event.id,
            sequence = journaled.sequence.0, attempts = self.options.max_attempts, cause,
            "poison event isolated: it becomes a dead letter (outcome failed), its neighbours go on"
        );
        let event = dead_letter(
            journaled,
            self.ports.directory.as_ref(),
            self.options.max_attempts,
            &cause,
        );
        let batch = ResolvedBatch {
            events: vec![event],
            checkpoints,
            ..ResolvedBatch::default()
        };
        let result = match self.actors.logger.ask(batch).await {
            Ok(done) => done.map_err(Failure::from),
            Err(fault) => Err(fault.into()),
        };
        self.settle(tried, result, stopping).await;
    }

    pub(super) async fn settle(
        &mut self,
        mut tried: Tried,
        result: Result<(), Failure>,
        stopping: &mut watch::Receiver<bool>,
    ) {
        if let (Some(traces), Some(trace)) = (&self.ports.traces, tried.trace.take()) {
            traces.ended(TracedBatch {
                shard: self.shard,
                events: tried.events,
                trace,
                failure: result.as_ref().err().map(Failure::word),
            });
        }
        match result {
            Ok(()) => self.committed(&tried),
            Err(failure) => {
                self.cache_is_valid = false;
                match failure {
                    Failure::Poison(cause) => self.suspect(&tried, &cause),
                    Failure::Away(cause) => self.wait(&cause, stopping).await,
                    Failure::Conflict => self.read_checkpoints_again(&tried, stopping).await,
                }
            }
        }
    }

    fn committed(&mut self, tried: &Tried) {
        for checkpoint in &tried.checkpoints {
            self.pass(checkpoint.controller, checkpoint.through);
        }
        for (controller, received_at) in &tried.last_received {
            self.ports.dedup.advance(*controller, *received_at);
            self.recent.insert(*controller, ());
        }
        self.progress.committed(tried.events);
        self.go_on();
    }

    /// What was away is back.
    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.tries_in_vain) > 0 {
            tracing::info!(target: "conduit::supervision", shard = self.shard, "the pipeline goes on");
            self.progress.going_on();
        }
    }

    fn pass(&mut self, controller: ControllerId, through: Sequence) {
        self.ports.journal.release(controller, through);
        self.turns.committed(controller, through);
        self.isolation.committed(controller, through);
        if !self.isolation.is_suspect(&controller) {
            self.causes.remove(&controller);
        }
    }

    fn suspect(&mut self, tried: &Tried, cause: &str) {
        let alone = tried.checkpoints.len() == 1 && tried.isolated;
        for checkpoint in &tried.checkpoints {
            tracing::warn!(
                target: "conduit::supervision",
                shard = self.shard, controller = %checkpoint.controller,
                from = checkpoint.from.next().0, through = checkpoint.through.0, cause,
                "a batch failed: bisecting these events, apart from other controllers'"
            );
            self.isolation
                .failed(checkpoint.controller, checkpoint.from, checkpoint.through, alone);
            self.causes.insert(checkpoint.controller, cause.to_owned());
        }
    }

    pub(super) async fn wait(&mut self, cause: &str, stopping: &mut watch::Receiver<bool>) {
        if self.tries_in_vain == 0 {
            tracing::warn!(
                target: "conduit::supervision",
                shard = self.shard, cause,
                "the pipeline waits; events are still accepted and stay in the journal"
            );
        }
        self.progress.waiting(cause);
        self.tries_in_vain = self.tries_in_vain.saturating_add(1);
        let policy = RestartPolicy {
            backoff_initial: Duration::from_millis(50),
            backoff_max: self.options.retry_max,
            ..self.options.restart
        };
        let began = Instant::now();
        pause(policy.backoff(self.tries_in_vain), stopping).await;
        self.progress.blocked_by_outage(began.elapsed());
    }

    /// Another writer was there first; the store knows how far the streams are.
    async fn read_checkpoints_again(&mut self, tried: &Tried, stopping: &mut watch::Receiver<bool>) {
        let mut is_behind = false;
        for checkpoint in &tried.checkpoints {
            match self.ports.store.checkpoint(checkpoint.controller).await {
                Ok(committed) if committed > checkpoint.from => self.pass(checkpoint.controller, committed),
                Ok(committed) => {
                    let exists = self.ports.directory.controller(checkpoint.controller).is_some();
                    is_behind |= committed < checkpoint.from && exists;
                }
                Err(error) => return self.wait(&error.to_string(), stopping).await,
            }
        }
        if is_behind {
            return self.wait(BEHIND, stopping).await;
        }
        tracing::debug!(target: "conduit::supervision", shard = self.shard, "conflict: resolving the batch again");
    }
}

pub(super) fn dead_letter(
    journaled: JournaledEvent,
    directory: &dyn Directory,
    attempts: u32,
    cause: &str,
) -> ResolvedEvent {
    let message = format!("processing failed {attempts} times; the last cause was: {cause}");
    let reasons = vec![Notice::new("", "processing_failed", message)];
    let integration = directory.by_id(journaled.event.integration);
    let known = integration
        .as_ref()
        .is_some_and(|found| found.mapping.event(&journaled.event.event_type).is_some());
    let shown_event_type = if known {
        journaled.event.event_type.clone()
    } else {
        shown_if_harmless(&journaled.event.event_type)
    };
    let extracted = ExtractedEvent {
        journaled,
        integration,
        shown_event_type,
        finding: Finding::Failed(reasons.clone()),
        categories: Vec::new(),
        warnings: Vec::new(),
        extracted_at: Timestamp::now(),
    };
    ResolvedEvent {
        extracted,
        outcome: Outcome::Failed { reasons },
        other_subjects: Vec::new(),
        resolved_at: None,
    }
}
