//! A batch on its way through the stages.

use tokio::sync::watch;

use super::Dispatcher;
use super::settle::Failure;
use crate::event::JournaledEvent;
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::ports::Checkpoint;
use crate::stages::{ExtractedEvent, ResolveJob, ResolvedBatch, ResolverJob};
use crate::supervisor::Fault;

/// The events of one controller in a batch, behind its checkpoint, in stream order.
pub(super) struct Group {
    pub(super) controller: ControllerId,
    pub(super) checkpoint: Sequence,
    pub(super) events: Vec<JournaledEvent>,
}

impl Group {
    pub(super) fn through(&self) -> Sequence {
        self.events.last().map_or(self.checkpoint, |event| event.sequence)
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            controller: self.controller,
            from: self.checkpoint,
            through: self.through(),
        }
    }
}

/// What was tried, for when it comes to nothing.
pub(super) struct Tried {
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) last_received: Vec<(ControllerId, Timestamp)>,
    pub(super) events: usize,
    pub(super) isolated: bool,
}

impl Tried {
    pub(super) fn of(groups: &[Group], isolated: bool) -> Self {
        let last_received = |group: &Group| Some((group.controller, group.events.last()?.event.id.received_at()));
        Self {
            checkpoints: groups.iter().map(Group::checkpoint).collect(),
            last_received: groups.iter().filter_map(last_received).collect(),
            events: groups.iter().map(|group| group.events.len()).sum(),
            isolated,
        }
    }
}

pub(super) enum Work {
    Batch { groups: Vec<Group>, isolated: bool },
    Ahead(Extracted),
    DeadLetter(Group),
    Nothing,
}

/// A batch behind the first stage, or what kept it there.
pub(super) struct Extracted {
    tried: Tried,
    result: Result<Vec<(ControllerId, Sequence, Vec<ExtractedEvent>)>, Fault>,
}

impl Dispatcher {
    pub(super) async fn extract(&self, groups: Vec<Group>, isolated: bool) -> Extracted {
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
    pub(super) async fn process(
        &mut self,
        batch: Extracted,
        stopping: &mut watch::Receiver<bool>,
    ) -> Option<Extracted> {
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
            replayed: None,
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
}
