//! Distinguishes a fault of one event from a fault of the database.
//!
//! A store that calls the data faulty may mean one event, or all events: a table is missing, a privilege was revoked, a
//! file is damaged. A fault of all events is an outage, and must not turn them into dead letters.
//!
//! So a refused batch is followed by a *rehearsal*: made-up rows of the same controller go through the same statements
//! on the same tables, and are rolled back.
//!
//! | the store accepts made-up rows | the fault is | next |
//! |---|---|---|
//! | of this controller | in one of the events | bisection |
//! | of another controller only | in the rows of this controller | its stream waits, the others go on |
//! | of no controller | in the database | the shard waits |
//!
//! An event that bisection leaves alone becomes a dead letter under two conditions. One of the next events of its
//! stream passes its own rehearsal, or there is none. And the event fails once more after that.

use std::sync::Arc;

use super::Dispatcher;
use super::failure::Failure;
use super::work::Group;
use crate::codes::EventCode;
use crate::event::{
    AcceptedEvent, Activity, AuditHash, DedupKey, LinkHash, MappedDigest, Notice, Outcome, OutcomeRecord, StageTimes,
};
use crate::ids::{
    ActivityId, ControllerId, EventId, EventType, IntegrationId, ProcessorId, Sequence, SubjectId, Timestamp,
};
use crate::personal::Personal;
use crate::ports::{BatchEffects, Ceiling, Checkpoint, Merge, NewLink, NewSubject, StoreError};
use crate::stages::{Finding, ResolveJob, ResolverJob};

/// Events behind a suspect that are rehearsed, at most.
const NEIGHBOURS: usize = 8;

/// Other controllers for which a rehearsal is tried, at most.
const OTHERS: usize = 2;

/// Whose fault it is.
pub(super) enum Diagnosis {
    /// One of the events of the batch is at fault.
    Event,
    /// The store refuses whatever is of this controller.
    Stream(ControllerId, String),
    /// The store refuses everything.
    Store(String),
    /// The rows of the controller moved meanwhile: nothing can be said.
    Conflict,
}

impl Dispatcher {
    /// Finds out whose fault it is that the store refused events of this controller, received at about this time.
    pub(super) async fn diagnose(&self, controller: ControllerId, received_at: Timestamp) -> Diagnosis {
        let cause = match self.rehearse_made_up(controller, received_at).await {
            Ok(()) => return Diagnosis::Event,
            Err(StoreError::Conflict) => return Diagnosis::Conflict,
            Err(error @ StoreError::Unavailable(_)) => return Diagnosis::Store(error.to_string()),
            Err(error @ StoreError::Failed(_)) => error.to_string(),
        };
        let others = self.turns.controllers().chain(self.recent.iter().copied());
        let others = others.filter(|other| *other != controller && !self.stalls.has(other));
        for other in others.take(OTHERS) {
            if self.rehearse_made_up(other, Timestamp::now()).await.is_ok() {
                return Diagnosis::Stream(controller, cause);
            }
        }
        Diagnosis::Store(cause)
    }

    /// Does everything that the pipeline asks of the store, with made-up rows that are taken back.
    async fn rehearse_made_up(&self, controller: ControllerId, received_at: Timestamp) -> Result<(), StoreError> {
        let store = &self.ports.store;
        let checkpoint = store.checkpoint(controller).await?;
        let mut effects = made_up(controller, received_at, checkpoint);
        let hashes: Vec<LinkHash> = effects.links.iter().map(|link| link.hash).collect();
        store.links(controller, &hashes, 1).await?;
        let subjects: Vec<SubjectId> = effects.subjects.iter().map(|subject| subject.id).collect();
        store.strong_link_counts(controller, &subjects).await?;
        let events: Vec<EventId> = effects.outcomes.iter().map(|outcome| outcome.event.id).collect();
        store.mapped_digests(controller, &events).await?;
        store.commit(&mut effects).await
    }

    /// Returns whether one of the events behind the first of this group passes, or `None` if there are no such events.
    pub(super) async fn neighbours_pass(&mut self, group: &Group) -> Option<bool> {
        let first = group.events.first()?.sequence;
        let (journal, bytes) = (Arc::clone(&self.ports.journal), self.batches.bytes);
        let neighbours = journal.read(group.controller, first, NEIGHBOURS, bytes).ok()?;
        if neighbours.is_empty() {
            return None;
        }
        for neighbour in neighbours {
            if self.rehearse(group.with(neighbour)).await.is_ok() {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Returns whether the first event of this group passes now.
    pub(super) async fn passes(&mut self, group: &Group) -> bool {
        match group.events.first().cloned() {
            Some(event) => self.rehearse(group.with(event)).await.is_ok(),
            None => false,
        }
    }

    /// Takes events through all stages and has the store take everything back.
    async fn rehearse(&mut self, group: Group) -> Result<(), Failure> {
        let mut extracted = self.actors.extractor.ask(group.events).await?;
        for event in &mut extracted {
            // A claim could not be taken back.
            if let Finding::Fits(fitting) = &mut event.finding {
                fitting.claim = None;
            }
        }
        let job = ResolveJob {
            groups: vec![(group.controller, group.checkpoint, extracted)],
            cache_is_valid: false,
            replayed: None,
            traced: false,
        };
        // The resolver must not keep what it learns now, because it is rolled back.
        self.cache_is_valid = false;
        let mut resolved = self.actors.resolver.ask(ResolverJob::Resolve(job)).await??;
        resolved.is_rehearsal = true;
        Ok(self.actors.logger.ask(resolved).await??)
    }
}

/// Returns rows for every table that a batch writes to, of an event received at this time.
fn made_up(controller: ControllerId, received_at: Timestamp, checkpoint: Sequence) -> BatchEffects {
    let processed = EventId::first_at(received_at);
    let [kept, merged] = [SubjectId::generate(), SubjectId::generate()];
    let subject = |id| NewSubject {
        id,
        controller,
        first_seen_at: received_at,
    };
    let link = |subject: SubjectId, strong| NewLink {
        controller,
        // Two subjects never have the same DID, so no subject has this hash.
        hash: LinkHash(*subject.did().as_bytes()),
        subject,
        category: Arc::from("rehearsal"),
        strong,
        key_version: 1,
        first_seen_at: received_at,
    };
    let links = vec![link(kept, true), link(merged, false)];
    let merge = Merge {
        controller,
        from: merged,
        into: kept,
        at: received_at,
        event: processed,
        evidence: links
            .iter()
            .map(|link| (link.hash, Arc::clone(&link.category)))
            .collect(),
    };
    let reasons = vec![Notice::new("", EventCode::ProcessingFailed, "a rehearsal")];
    let outcome = |number: u64, id, outcome| {
        let sequence = Sequence(checkpoint.0 + number);
        outcome_of(controller, id, sequence, received_at, outcome)
    };
    let outcomes = vec![
        OutcomeRecord {
            other_subjects: vec![merged],
            ..outcome(1, processed, Outcome::Processed { subject: Some(kept) })
        },
        outcome(2, EventId::generate(), Outcome::Failed { reasons }),
    ];
    BatchEffects {
        subjects: vec![subject(kept), subject(merged)],
        links,
        merges: vec![merge],
        ceilings: vec![Ceiling {
            controller,
            subject: kept,
            category: Arc::from("rehearsal"),
            max: 8,
        }],
        activities: vec![activity_of(&outcomes[0], kept, merged)],
        outcomes,
        checkpoints: vec![Checkpoint {
            controller,
            from: checkpoint,
            through: Sequence(checkpoint.0 + 2),
        }],
        replay: None,
        is_rehearsal: true,
    }
}

fn outcome_of(
    controller: ControllerId,
    id: EventId,
    sequence: Sequence,
    at: Timestamp,
    outcome: Outcome,
) -> OutcomeRecord {
    let event_type = EventType::rehearsal();
    OutcomeRecord {
        event: AcceptedEvent {
            id,
            controller,
            integration: IntegrationId::generate(),
            event_type: event_type.clone(),
            triggered_at: at,
            body: Personal::new("{}".into()),
        },
        sequence,
        processor: None,
        shown_event_type: event_type,
        outcome,
        warnings: Vec::new(),
        categories: vec![Arc::from("rehearsal")],
        dedup: Some((DedupKey([0; 16]), 1)),
        mapped_digest: Some(MappedDigest([0; 16])),
        other_subjects: Vec::new(),
        mapping_version: None,
        stages: StageTimes {
            journaled_at: at,
            extracted_at: Some(at),
            resolved_at: Some(at),
            logged_at: at,
        },
    }
}

fn activity_of(record: &OutcomeRecord, subject: SubjectId, other: SubjectId) -> Activity {
    let event = &record.event;
    Activity {
        id: ActivityId::generate(),
        controller: event.controller,
        sequence: Sequence(0),
        event: event.id,
        subject: Some(subject),
        other_subjects: vec![other],
        integration: event.integration,
        processor: ProcessorId::rehearsal(),
        event_type: event.event_type.clone(),
        purpose: None,
        legal_basis: None,
        categories: record.categories.clone(),
        triggered_at: event.triggered_at,
        logged_at: event.triggered_at,
        previous_hash: AuditHash([0; 32]),
        hash: AuditHash([0; 32]),
    }
}
