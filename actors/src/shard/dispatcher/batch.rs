//! A batch on its way through the stages.

use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Dispatcher;
use super::failure::Failure;
use super::work::{AttemptedBatch, Extracted, Group, Work};
use crate::event::JournaledEvent;
use crate::ids::{ControllerId, Sequence};
use crate::ports::{BatchTrace, Checkpoint, Stretch};
use crate::stages::{ExtractedEvent, ResolveJob, ResolvedBatch, ResolverJob};

impl Dispatcher {
    pub(super) async fn extract(&self, groups: Vec<Group>, isolated: bool) -> Extracted {
        let mut tried = AttemptedBatch::of(&groups, isolated);
        tried.trace = self.begin_trace(&groups);
        let began = SystemTime::now();
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
        tried.note("extract", Stretch::since(began));
        Extracted { tried, result }
    }

    /// Begins a trace if the request of any event is traced. Returns `None` otherwise.
    fn begin_trace(&self, groups: &[Group]) -> Option<BatchTrace> {
        let mut events = groups
            .iter()
            .flat_map(|group| &group.events)
            .map(|event| event.event.id);
        let traced = self.ports.traces.as_ref()?.traced(&mut events);
        (!traced.is_empty()).then(|| BatchTrace {
            began: SystemTime::now(),
            traced,
            stages: Vec::new(),
        })
    }

    /// Takes a batch through the stages behind extraction; the next one, if it was extracted meanwhile.
    pub(super) async fn process(
        &mut self,
        batch: Extracted,
        stopping: &mut watch::Receiver<bool>,
    ) -> Option<Extracted> {
        let Extracted { mut tried, result } = batch;
        self.progress.working(tried.events);
        let resolved = match result {
            Ok(groups) => self.resolve(groups, &mut tried).await,
            Err(fault) => Err(fault.into()),
        };
        let (committed, ahead) = match resolved {
            Ok(resolved) => {
                let began = SystemTime::now();
                let (committed, ended, ahead) = self.commit_and_go_ahead(resolved, &tried).await;
                tried.note("log", Stretch { began, ended });
                (committed, ahead)
            }
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
        tried: &mut AttemptedBatch,
    ) -> Result<ResolvedBatch, Failure> {
        let job = ResolveJob {
            groups,
            cache_is_valid: std::mem::replace(&mut self.cache_is_valid, true),
            replayed: None,
            traced: tried.trace.is_some(),
        };
        let began = SystemTime::now();
        let resolved = self.actors.resolver.ask(ResolverJob::Resolve(job)).await;
        tried.note("resolve", Stretch::since(began));
        let resolved = resolved??;
        for claim in &resolved.claims {
            tried.note("claim", *claim);
        }
        Ok(resolved)
    }

    async fn commit_and_go_ahead(
        &mut self,
        resolved: ResolvedBatch,
        tried: &AttemptedBatch,
    ) -> (Result<(), Failure>, SystemTime, Option<Extracted>) {
        let logger = self.actors.logger.clone();
        let commit = async {
            let outcome = logger.ask(resolved).await.map_err(Failure::from);
            outcome.and_then(|done| Ok(done?))
        };
        if tried.isolated || self.isolation.suspects().next().is_some() {
            return (commit.await, SystemTime::now(), None);
        }
        let commit = async { (commit.await, Instant::now(), SystemTime::now()) };
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
        let go_ahead = async { (go_ahead.await, Instant::now()) };
        let ((outcome, committed, ended), (ahead, ready)) = futures_util::future::join(commit, go_ahead).await;
        self.committing.clear();
        if ahead.is_some() {
            // Nothing, if it was the commit that ended first.
            self.progress
                .blocked_by_commit(committed.saturating_duration_since(ready));
        }
        (outcome, ended, ahead)
    }
}
