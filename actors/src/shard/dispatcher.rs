//! The dispatcher of one shard: composes batches, takes them through the stages, and decides what a failure means.
//!
//! A batch is read from the journal anew each time it is tried, so nothing is kept that a crash or a panic
//! could lose. What a failure means:
//!
//! | failure | meaning | next |
//! |---|---|---|
//! | a panic, or a store that calls the data faulty | one of the events may be poison | [`Isolation`] |
//! | store or dedup window away | nobody's fault in the batch | the same events again, after a backoff |
//! | conflict | another node, or a commit whose answer was lost | checkpoints are read again, then at once |
//! | journal unreadable | one stream cannot go on | it waits; the others go on |
//!
//! While a batch is being committed, the next one is read and extracted: *ahead*. It builds on checkpoints that are not
//! committed yet; if the commit comes to nothing, it is dropped. Resolution waits for the commit, since it asks the store.

mod compose;
mod courtesy;
mod progress;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use courtesy::Courtesy;
pub(super) use progress::Progress;
pub use progress::{DispatcherReport, Waiting};

use super::isolation::Isolation;
use super::turns::Turns;
use super::{Actors, Backlogs, PipelineOptions, Ports};
use crate::event::{JournaledEvent, Notice, Outcome};
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::ports::{Checkpoint, StoreError};
use crate::stages::{
    ExtractedEvent, Finding, ResolveJob, ResolvedBatch, ResolvedEvent, ResolverJob, StageError, shown_if_harmless,
};
use crate::supervisor::{Fault, RestartPolicy};

/// How long an unreadable stream waits before it is tried again.
const STALLED_FOR: Duration = Duration::from_secs(5);
/// How often an idle dispatcher looks up, to let dedup claims expire.
const IDLE_TICK: Duration = Duration::from_secs(10);
/// No request takes longer than this from its receive time to the journal.
const SETTLED_AFTER_MS: i64 = 120_000;

/// The events of one controller in a batch, behind its checkpoint, in stream order.
struct Group {
    controller: ControllerId,
    checkpoint: Sequence,
    events: Vec<JournaledEvent>,
}

impl Group {
    fn through(&self) -> Sequence {
        self.events.last().map_or(self.checkpoint, |event| event.sequence)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            controller: self.controller,
            from: self.checkpoint,
            through: self.through(),
        }
    }
}

/// What was tried, for when it comes to nothing.
struct Tried {
    checkpoints: Vec<Checkpoint>,
    last_received: Vec<(ControllerId, Timestamp)>,
    events: usize,
    isolated: bool,
}

impl Tried {
    fn of(groups: &[Group], isolated: bool) -> Self {
        let last_received = |group: &Group| Some((group.controller, group.events.last()?.event.id.received_at()));
        Self {
            checkpoints: groups.iter().map(Group::checkpoint).collect(),
            last_received: groups.iter().filter_map(last_received).collect(),
            events: groups.iter().map(|group| group.events.len()).sum(),
            isolated,
        }
    }
}

enum Work {
    Batch { groups: Vec<Group>, isolated: bool },
    Ahead(Extracted),
    DeadLetter(Group),
    Nothing,
}

/// A batch behind the first stage, or what kept it there.
struct Extracted {
    tried: Tried,
    result: Result<Vec<(ControllerId, Sequence, Vec<ExtractedEvent>)>, Fault>,
}

enum Failure {
    Poison(String),
    Away(String),
    Conflict,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(cause) => Self::Poison(cause),
            Fault::Full | Fault::Gone => Self::Away(fault.to_string()),
        }
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

/// See the module's docs.
pub(super) struct Dispatcher {
    shard: usize,
    options: PipelineOptions,
    ports: Ports,
    actors: Actors,
    backlogs: Arc<Backlogs>,
    progress: Arc<Progress>,
    senders: Arc<AtomicUsize>,
    courtesy: Courtesy,
    turns: Turns,
    isolation: Isolation,
    causes: HashMap<ControllerId, String>,
    stalled: HashMap<ControllerId, Instant>,
    /// Controllers whose dedup claims may still have to expire.
    recent: HashMap<ControllerId, ()>,
    /// How far the batch that is being committed takes each stream.
    committing: HashMap<ControllerId, Sequence>,
    suspects_turn: bool,
    cache_is_valid: bool,
    tries_in_vain: u32,
}

impl Dispatcher {
    pub(super) fn new(
        shard: usize,
        options: PipelineOptions,
        ports: Ports,
        actors: Actors,
        backlogs: Arc<Backlogs>,
        progress: Arc<Progress>,
        senders: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            shard,
            options,
            ports,
            actors,
            backlogs,
            progress,
            senders,
            courtesy: Courtesy::new(options.core_wait, options.senders_tolerated),
            turns: Turns::default(),
            isolation: Isolation::new(options.max_attempts),
            causes: HashMap::new(),
            stalled: HashMap::new(),
            recent: HashMap::new(),
            committing: HashMap::new(),
            suspects_turn: false,
            cache_is_valid: true,
            tries_in_vain: 0,
        }
    }

    /// Works until told to stop; ends between two batches.
    pub(super) async fn run(mut self, stopping: &mut watch::Receiver<bool>) {
        let mut ahead = None;
        while !*stopping.borrow() {
            self.take_backlog();
            let work = ahead.take().map_or_else(|| self.compose(), Work::Ahead);
            self.courtesy.begin();
            match work {
                Work::Batch { groups, isolated } => {
                    let extracted = self.extract(groups, isolated).await;
                    ahead = self.process(extracted, stopping).await;
                }
                Work::Ahead(extracted) => ahead = self.process(extracted, stopping).await,
                Work::DeadLetter(group) => self.bury(group, stopping).await,
                Work::Nothing => self.idle(stopping).await,
            }
            if let Some(rest) = self.courtesy.rest(self.senders.load(Ordering::Relaxed)) {
                pause(rest, stopping).await;
            }
            self.progress
                .backlog(self.turns.backlog(), self.isolation.suspects().count());
        }
        self.actors.stop();
    }

    fn take_backlog(&mut self) {
        for (controller, last) in self.backlogs.take(self.shard) {
            let journal = &self.ports.journal;
            self.turns
                .grown(controller, last, || journal.position(controller).released);
        }
    }

    async fn idle(&mut self, stopping: &mut watch::Receiver<bool>) {
        self.progress.idle();
        let nap = if self.stalled.is_empty() {
            IDLE_TICK
        } else {
            STALLED_FOR
        };
        tokio::select! {
            () = self.backlogs.changed(self.shard) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep(nap) => self.expire_claims(),
        }
    }

    /// A stream that is idle is passed by time alone.
    fn expire_claims(&mut self) {
        let settled = Timestamp::from_millis(Timestamp::now().as_millis() - SETTLED_AFTER_MS);
        for controller in std::mem::take(&mut self.recent).into_keys() {
            self.ports.dedup.advance(controller, settled);
            self.recent.insert(controller, ());
        }
        self.recent
            .retain(|controller, ()| self.ports.directory.controller(*controller).is_some());
    }

    fn forget(&mut self, controller: ControllerId) {
        self.turns.remove(controller);
        self.isolation.forget(controller);
        self.causes.remove(&controller);
        self.recent.remove(&controller);
        self.ports.dedup.forget(controller);
    }

    async fn extract(&self, groups: Vec<Group>, isolated: bool) -> Extracted {
        let tried = Tried::of(&groups, isolated);
        let shape: Vec<_> = groups
            .iter()
            .map(|g| (g.controller, g.checkpoint, g.events.len()))
            .collect();
        let events: Vec<JournaledEvent> = groups.into_iter().flat_map(|group| group.events).collect();
        let result = self.actors.extractor.ask(events).await.map(|events| {
            let mut events = events.into_iter();
            let group =
                |(controller, checkpoint, length)| (controller, checkpoint, events.by_ref().take(length).collect());
            shape.into_iter().map(group).collect()
        });
        Extracted { tried, result }
    }

    /// Takes a batch through the stages behind extraction; the next one, if it was extracted meanwhile.
    async fn process(&mut self, batch: Extracted, stopping: &mut watch::Receiver<bool>) -> Option<Extracted> {
        let Extracted { tried, result } = batch;
        self.progress.working(tried.events);
        let resolved = match result {
            Ok(groups) => self.resolve(groups).await,
            Err(fault) => Err(fault.into()),
        };
        let (committed, ahead) = match resolved {
            Ok(resolved) => self.commit_and_go_ahead(resolved, &tried).await,
            Err(failure) => (Err(failure), None),
        };
        let ahead = ahead.filter(|_| committed.is_ok());
        self.settle(tried, committed, stopping).await;
        ahead
    }

    async fn look_ahead(&self, extracted: &Extracted) {
        let Ok(groups) = &extracted.result else { return };
        let hashes = |events: &[ExtractedEvent]| events.iter().flat_map(|event| event.finding.links()).collect();
        let wanted = groups
            .iter()
            .map(|(controller, _, events)| (*controller, hashes(events)))
            .collect();
        // If it comes to nothing, the resolver asks again when it needs the answer, and then it matters.
        let _ = self.actors.resolver.ask(ResolverJob::LookAhead(wanted)).await;
    }

    async fn resolve(
        &mut self,
        groups: Vec<(ControllerId, Sequence, Vec<ExtractedEvent>)>,
    ) -> Result<ResolvedBatch, Failure> {
        let job = ResolveJob {
            groups,
            cache_is_valid: std::mem::replace(&mut self.cache_is_valid, true),
        };
        Ok(self.actors.resolver.ask(ResolverJob::Resolve(job)).await??)
    }

    async fn commit_and_go_ahead(
        &mut self,
        resolved: ResolvedBatch,
        tried: &Tried,
    ) -> (Result<(), Failure>, Option<Extracted>) {
        let logger = self.actors.logger.clone();
        let commit = async { Ok(logger.ask(resolved).await??) };
        if tried.isolated || self.isolation.suspects().next().is_some() {
            return (commit.await, None);
        }
        let reached = |checkpoint: &Checkpoint| (checkpoint.controller, checkpoint.through);
        self.committing = tried.checkpoints.iter().map(reached).collect();
        let go_ahead = async {
            self.take_backlog();
            match self.compose_shared() {
                Work::Batch { groups, isolated } => {
                    let extracted = self.extract(groups, isolated).await;
                    self.look_ahead(&extracted).await;
                    Some(extracted)
                }
                _ => None,
            }
        };
        let outcome = futures_util::future::join(commit, go_ahead).await;
        self.committing.clear();
        outcome
    }

    /// Makes the one event of a group a dead letter. It goes to the logger alone: no other stage sees it again.
    async fn bury(&mut self, mut group: Group, stopping: &mut watch::Receiver<bool>) {
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

    async fn settle(&mut self, tried: Tried, result: Result<(), Failure>, stopping: &mut watch::Receiver<bool>) {
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
        if std::mem::take(&mut self.tries_in_vain) > 0 {
            tracing::info!(target: "conduit::supervision", shard = self.shard, "the pipeline goes on");
        }
        self.progress.committed(tried.events);
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

    async fn wait(&mut self, cause: &str, stopping: &mut watch::Receiver<bool>) {
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
        pause(policy.backoff(self.tries_in_vain), stopping).await;
    }

    /// Another writer was there first; the store knows how far the streams are.
    async fn read_checkpoints_again(&mut self, tried: &Tried, stopping: &mut watch::Receiver<bool>) {
        for checkpoint in &tried.checkpoints {
            match self.ports.store.checkpoint(checkpoint.controller).await {
                Ok(committed) if committed > checkpoint.from => self.pass(checkpoint.controller, committed),
                Ok(_) => {}
                Err(error) => return self.wait(&error.to_string(), stopping).await,
            }
        }
        tracing::debug!(target: "conduit::supervision", shard = self.shard, "conflict: resolving the batch again");
    }
}

/// Sleeps, unless told to stop.
async fn pause(length: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

fn dead_letter(
    journaled: JournaledEvent,
    directory: &dyn crate::ports::Directory,
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
        resolved_at: None,
    }
}
