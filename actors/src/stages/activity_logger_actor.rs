//! The fifth actor: writes the audit log, and with it everything else that the batch changes.

use std::sync::Arc;

use crate::event::{Activity, AuditHash, Outcome, OutcomeRecord, StageTimes};
use crate::ids::{ActivityId, Sequence, Timestamp};
use crate::ports::{BatchEffects, PipelineStore};
use crate::stages::{Finding, ResolvedBatch, ResolvedEvent, StageError};
use crate::supervisor::{Stage, Supervised};

/// Commits a batch in one transaction.
pub type ActivityLoggerActor = Supervised<ActivityLogger>;

/// The actor's state: the store.
pub struct ActivityLogger {
    store: Arc<dyn PipelineStore>,
}

impl ActivityLogger {
    /// Commits to this store.
    #[must_use]
    pub fn new(store: Arc<dyn PipelineStore>) -> Self {
        Self { store }
    }

    async fn commit(&self, batch: ResolvedBatch) -> Result<(), StageError> {
        let logged_at = Timestamp::now();
        let mut effects = BatchEffects {
            subjects: batch.subjects,
            links: batch.links,
            merges: batch.merges,
            ceilings: batch.ceilings,
            checkpoints: batch.checkpoints,
            replay: batch.replay,
            is_rehearsal: batch.is_rehearsal,
            activities: batch
                .events
                .iter()
                .filter_map(|event| activity(event, logged_at))
                .collect(),
            ..BatchEffects::default()
        };
        effects.outcomes = batch
            .events
            .into_iter()
            .map(|event| outcome_record(event, logged_at))
            .collect();
        Ok(self.store.commit(&mut effects).await?)
    }
}

/// Returns the audit record of a processed event, which the store chains. Returns `None` for other outcomes.
fn activity(event: &ResolvedEvent, logged_at: Timestamp) -> Option<Activity> {
    let (Outcome::Processed { subject }, Finding::Fits(fitting)) = (&event.outcome, &event.extracted.finding) else {
        return None;
    };
    let accepted = &event.extracted.journaled.event;
    Some(Activity {
        id: ActivityId::generate(),
        controller: accepted.controller,
        sequence: Sequence(0),
        event: accepted.id,
        subject: *subject,
        other_subjects: event.other_subjects.clone(),
        integration: accepted.integration,
        processor: event.extracted.integration.as_ref()?.processor.clone(),
        event_type: accepted.event_type.clone(),
        purpose: fitting.purpose.clone(),
        legal_basis: fitting.legal_basis,
        categories: event.extracted.categories.clone(),
        triggered_at: accepted.triggered_at,
        logged_at,
        previous_hash: AuditHash([0; 32]),
        hash: AuditHash([0; 32]),
    })
}

fn outcome_record(event: ResolvedEvent, logged_at: Timestamp) -> OutcomeRecord {
    let ResolvedEvent {
        extracted,
        outcome,
        other_subjects,
        resolved_at,
    } = event;
    let (claim, mapped_digest) = match (&extracted.finding, &outcome) {
        (Finding::Fits(fitting), Outcome::Processed { .. }) => (fitting.claim, fitting.mapped_digest),
        _ => (None, None),
    };
    let gave_up = matches!(extracted.finding, Finding::Failed(_));
    OutcomeRecord {
        sequence: extracted.journaled.sequence,
        processor: extracted
            .integration
            .as_ref()
            .map(|integration| integration.processor.clone()),
        shown_event_type: extracted.shown_event_type,
        outcome,
        warnings: extracted.warnings,
        categories: extracted.categories,
        other_subjects,
        mapped_digest,
        dedup: claim.map(|claim| (claim.key, u32::try_from(claim.window.as_secs()).unwrap_or(u32::MAX))),
        mapping_version: extracted.integration.as_ref().map(|integration| integration.version),
        stages: StageTimes {
            journaled_at: extracted.journaled.journaled_at,
            extracted_at: (!gave_up).then_some(extracted.extracted_at),
            resolved_at,
            logged_at,
        },
        event: extracted.journaled.event,
    }
}

impl Stage for ActivityLogger {
    type Job = ResolvedBatch;
    type Output = Result<(), StageError>;
    const ACTOR: &'static str = "ActivityLoggerActor";

    async fn handle(&mut self, batch: ResolvedBatch) -> Result<(), StageError> {
        crate::fail_point!("ActivityLoggerActor");
        crate::fail_point!(
            "ActivityLoggerActor::event",
            batch.events.iter().any(|event| {
                event.extracted.journaled.event.event_type.as_str() == "poison"
                    && !matches!(event.outcome, Outcome::Failed { .. })
            }),
            |_| panic!("injected")
        );
        self.commit(batch).await
    }
}
