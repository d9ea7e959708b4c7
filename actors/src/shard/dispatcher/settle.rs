//! The results of a batch, and the meaning of a failure.

use tokio::sync::watch;
use tokio::time::Instant;

use super::diagnosis::Diagnosis;
use super::failure::{Cause, Failure};
use super::work::{AttemptedBatch, Group};
use super::{Dispatcher, pause};
use crate::codes::EventCode;
use crate::event::{JournaledEvent, Notice, Outcome};
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::log_limit::{LogLimit, MINUTE};
use crate::ports::{Checkpoint, Directory, TracedBatch};
use crate::stages::{ExtractedEvent, Finding, ResolvedBatch, ResolvedEvent, shown_if_harmless};

/// The store forgot what it had confirmed. To go on from where it stands would skip the events between: they are released
/// here, and only a start reads them from the journal again.
const BEHIND: &str = "the database is behind the journal: it lacks commits that it had confirmed, as after a fail-over to \
                      a replica that was not synchronous; start this node again, and it takes up what the journal still \
                      has, or restore a newer database";

/// Conflicts in a row that are tried again at once.
const CONFLICTS_AT_ONCE: u32 = 10;

static SUSPECTS: LogLimit = LogLimit::new(50, MINUTE);
static DEAD_LETTERS: LogLimit = LogLimit::new(100, MINUTE);
static WAITS: LogLimit = LogLimit::new(50, MINUTE);
static STALLS: LogLimit = LogLimit::new(50, MINUTE);
static GOING_ON: LogLimit = LogLimit::new(50, MINUTE);

impl Dispatcher {
    /// Makes the one event of a group a dead letter. It goes to the logger alone: no other stage sees it again.
    pub(super) async fn bury(&mut self, mut group: Group, stopping: &mut watch::Receiver<bool>) {
        let cause = self.causes.get(&group.controller).cloned();
        if let Some(cause) = cause.as_ref().filter(|cause| cause.is_of_store)
            && self.is_spared(&group, &cause.text).await
        {
            self.isolation.try_again(group.controller);
            return;
        }
        group.events.truncate(1);
        let tried = AttemptedBatch::of(std::slice::from_ref(&group), true);
        let checkpoints = vec![group.checkpoint()];
        let Some(journaled) = group.events.pop() else {
            return;
        };
        let (controller, id, sequence) = (group.controller, journaled.event.id, journaled.sequence.0);
        let cause = cause.map_or_else(|| "unknown".to_owned(), |cause| cause.text);
        let attempts = self.options.max_attempts;
        let event = dead_letter(journaled, self.ports.directory.as_ref(), attempts, &cause);
        let batch = ResolvedBatch {
            events: vec![event],
            checkpoints,
            ..ResolvedBatch::default()
        };
        let result = match self.actors.logger.ask(batch).await {
            Ok(done) => done.map_err(Failure::from),
            Err(fault) => Err(fault.into()),
        };
        match result {
            Err(Failure::Poison(why) | Failure::Refused(why)) => {
                self.cache_is_valid = false;
                self.isolation.try_again(controller);
                self.stall(
                    controller,
                    &format!("the dead letter of event {id} cannot be written: {why}"),
                );
            }
            result => {
                if result.is_ok()
                    && let Some(line) = DEAD_LETTERS.admit()
                {
                    tracing::error!(
                        target: "conduit::supervision",
                        shard = self.shard, %controller, event_id = %id, sequence, attempts, cause,
                        left_out = line.left_out(),
                        "poison event isolated: it becomes a dead letter (outcome failed), its neighbours go on"
                    );
                }
                self.settle(tried, result, stopping).await;
            }
        }
    }

    /// Returns whether an event that the store refused alone is not yet a dead letter.
    async fn is_spared(&mut self, group: &Group, cause: &str) -> bool {
        if self.neighbours_pass(group).await == Some(false) {
            let cause = format!("different events fail in the same way: {cause}");
            self.stall(group.controller, &cause);
            return true;
        }
        // A condition that the neighbours share with it may have ended just before they were tried.
        self.passes(group).await
    }

    pub(super) async fn settle(
        &mut self,
        mut tried: AttemptedBatch,
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
                    Failure::Poison(text) => self.suspect(
                        &tried,
                        &Cause {
                            text,
                            is_of_store: false,
                        },
                    ),
                    Failure::Refused(text) => self.refused(&tried, text, stopping).await,
                    Failure::Away(cause) => self.wait(&cause, stopping).await,
                    Failure::Conflict => self.read_checkpoints_again(&tried, stopping).await,
                }
            }
        }
    }

    fn committed(&mut self, tried: &AttemptedBatch) {
        for checkpoint in &tried.checkpoints {
            self.pass(checkpoint.controller, checkpoint.through);
        }
        for (controller, received_at) in &tried.last_received {
            self.ports.dedup.advance(*controller, *received_at);
            self.recent.insert(*controller);
        }
        self.progress.committed(tried.events);
        self.conflicts_in_a_row = 0;
        self.go_on();
    }

    /// Handles a batch whose data the store called faulty.
    async fn refused(&mut self, tried: &AttemptedBatch, text: String, stopping: &mut watch::Receiver<bool>) {
        let Some((controller, received_at)) = tried.last_received.first().copied() else {
            return;
        };
        match self.diagnose(controller, received_at).await {
            Diagnosis::Event => self.suspect(
                tried,
                &Cause {
                    text,
                    is_of_store: true,
                },
            ),
            Diagnosis::Stream(controller, cause) => self.stall(controller, &cause),
            Diagnosis::Store(cause) => self.wait(&cause, stopping).await,
            Diagnosis::Conflict => self.read_checkpoints_again(tried, stopping).await,
        }
    }

    /// Lets one controller's events wait, while those of others go on.
    pub(super) fn stall(&mut self, controller: ControllerId, cause: &str) {
        if !self.turns.has(&controller) {
            // The stream went to another node while its batch was under way.
            return;
        }
        let did = self
            .ports
            .directory
            .controller(controller)
            .map(|found| found.did.clone());
        let whose = did.as_ref().map_or_else(|| controller.to_string(), ToString::to_string);
        let policy = self.retry_policy();
        let text = format!("the events of {whose} wait, those of others go on: {cause}");
        let tries = self
            .stalls
            .add(controller, text, Instant::now(), |nth| policy.backoff(nth));
        self.progress.stalled(self.stalls.len(), self.stalls.longest());
        if tries == 1
            && let Some(line) = STALLS.admit()
        {
            tracing::error!(
                target: "conduit::supervision",
                shard = self.shard, %controller, cause, left_out = line.left_out(),
                "the events of one controller wait; those of others go on"
            );
        }
    }

    pub(super) fn end_stall(&mut self, controller: ControllerId) {
        if self.stalls.end(controller) {
            self.progress.stalled(self.stalls.len(), self.stalls.longest());
            if let Some(line) = GOING_ON.admit() {
                tracing::info!(
                    target: "conduit::supervision",
                    shard = self.shard, %controller, left_out = line.left_out(),
                    "the events of one controller go on"
                );
            }
        }
    }

    /// Goes on after an outage.
    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.tries_in_vain) > 0 {
            self.progress.going_on();
            if let Some(line) = GOING_ON.admit() {
                tracing::info!(
                    target: "conduit::supervision",
                    shard = self.shard, left_out = line.left_out(), "the pipeline goes on"
                );
            }
        }
    }

    fn pass(&mut self, controller: ControllerId, through: Sequence) {
        self.ports.journal.release(controller, through);
        self.turns.committed(controller, through);
        self.isolation.committed(controller, through);
        self.end_stall(controller);
        if !self.isolation.is_suspect(&controller) {
            self.causes.remove(&controller);
        }
    }

    fn suspect(&mut self, tried: &AttemptedBatch, cause: &Cause) {
        let alone = tried.checkpoints.len() == 1 && tried.isolated;
        let still_here = |checkpoint: &&Checkpoint| self.turns.has(&checkpoint.controller);
        for checkpoint in tried.checkpoints.iter().filter(still_here) {
            if let Some(line) = SUSPECTS.admit() {
                tracing::warn!(
                    target: "conduit::supervision",
                    shard = self.shard, controller = %checkpoint.controller,
                    from = checkpoint.from.next().0, through = checkpoint.through.0, cause = cause.text,
                    left_out = line.left_out(),
                    "a batch failed: bisecting these events, apart from other controllers'"
                );
            }
            self.isolation
                .failed(checkpoint.controller, checkpoint.from, checkpoint.through, alone);
            self.causes.insert(checkpoint.controller, cause.clone());
        }
    }

    pub(super) async fn wait(&mut self, cause: &str, stopping: &mut watch::Receiver<bool>) {
        if self.tries_in_vain == 0
            && let Some(line) = WAITS.admit()
        {
            tracing::warn!(
                target: "conduit::supervision",
                shard = self.shard, cause, left_out = line.left_out(),
                "the pipeline waits; accepted events stay in the journal"
            );
        }
        self.progress.waiting(cause);
        self.tries_in_vain = self.tries_in_vain.saturating_add(1);
        let began = Instant::now();
        pause(self.retry_policy().backoff(self.tries_in_vain), stopping).await;
        self.progress.blocked_by_outage(began.elapsed());
    }

    /// Reads the checkpoints again: another writer was first, and the store knows the position of the streams.
    async fn read_checkpoints_again(&mut self, tried: &AttemptedBatch, stopping: &mut watch::Receiver<bool>) {
        self.conflicts_in_a_row = self.conflicts_in_a_row.saturating_add(1);
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
        if self.conflicts_in_a_row > CONFLICTS_AT_ONCE {
            let cause = format!("{} commits in a row met another writer", self.conflicts_in_a_row);
            return self.wait(&cause, stopping).await;
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
    let reasons = vec![Notice::new("", EventCode::ProcessingFailed, message)];
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
