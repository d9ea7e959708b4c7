//! From types to column values, for every database.

use conduit_actors::event::{Notice, Outcome, OutcomeRecord, Status};
use conduit_actors::hex::Hex;
use conduit_actors::ids::{ControllerId, EventId, SubjectId};
use conduit_actors::limits::LimitOverrides;
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{Credential, Merge, StoreError};
use conduit_actors::random_keys::RandomKeyMap;

/// Returns the columns of a credential: current, previous, until when.
pub(super) fn credential(credential: &Credential) -> (&[u8], Option<&[u8]>, Option<i64>) {
    let previous = credential.previous.as_ref();
    (
        &credential.current.as_bytes()[..],
        previous.map(|(hash, _)| &hash.as_bytes()[..]),
        previous.map(|(_, until)| until.as_millis()),
    )
}

/// Returns the columns of limits: rate, burst, backlog.
pub(super) fn limits(overrides: &LimitOverrides) -> [Option<i64>; 3] {
    [
        overrides.events_per_second.map(i64::from),
        overrides.burst.map(i64::from),
        overrides.backlog_events.map(u64::cast_signed),
    ]
}

pub(super) fn spec_json(spec: &IntegrationSpec) -> Result<String, StoreError> {
    serde_json::to_string(spec).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Returns notices as JSON. Returns `None` if there are none.
pub(super) fn notices(notices: &[Notice]) -> Option<String> {
    if notices.is_empty() {
        None
    } else {
        serde_json::to_string(notices).ok()
    }
}

/// Returns the parts of an outcome beside its status: reasons, the first event, the subject.
pub(super) fn outcome(outcome: &Outcome) -> (Option<String>, Option<EventId>, Option<SubjectId>) {
    match outcome {
        Outcome::Processed { subject } => (None, None, *subject),
        Outcome::Duplicate { of } => (None, Some(*of), None),
        Outcome::Rejected { reasons } | Outcome::Failed { reasons } => (notices(reasons), None, None),
    }
}

/// Returns ids of subjects, one after the other. Returns `None` if there are none.
pub(super) fn subjects(subjects: &[SubjectId]) -> Option<Vec<u8>> {
    let bytes = || subjects.iter().flat_map(|subject| *subject.as_bytes()).collect();
    (!subjects.is_empty()).then(bytes)
}

/// How often each outcome occurs, by controller.
pub(super) type Counts = RandomKeyMap<ControllerId, PerOutcome<i64>>;

/// Returns the counts that a batch adds to the totals.
pub(super) fn counts(outcomes: &[OutcomeRecord]) -> Counts {
    let mut counts = Counts::default();
    for record in outcomes {
        let own: &mut PerOutcome<i64> = counts.entry(record.event.controller).or_default();
        if let Some(count) = own.get_mut(record.outcome.status()) {
            *count += 1;
        }
    }
    counts
}

/// Returns the changes that a batch of a replay makes to the totals of its controller. Its events had these statuses
/// `before`.
pub(super) fn counts_replaced(
    controller: ControllerId,
    outcomes: &[OutcomeRecord],
    before: &[(EventId, Status)],
) -> Counts {
    let mut counts = counts(outcomes);
    let own = counts.entry(controller).or_default();
    for (_, status) in before {
        if let Some(count) = own.get_mut(*status) {
            *count -= 1;
        }
    }
    counts
}

/// Returns the events with a final outcome, which will not be replayed again.
pub(super) fn needless_payloads(outcomes: &[OutcomeRecord]) -> impl Iterator<Item = EventId> {
    let is_final = |record: &&OutcomeRecord| !super::REPLAYABLE.contains(&record.outcome.status());
    outcomes.iter().filter(is_final).map(|record| record.event.id)
}

/// Returns a merge's evidence as JSON: [[hash in hexadecimal, category], …].
pub(super) fn evidence(merge: &Merge) -> Result<String, StoreError> {
    let evidence: Vec<(String, &str)> = merge
        .evidence
        .iter()
        .map(|(hash, category)| (Hex(&hash.0).to_string(), &**category))
        .collect();
    serde_json::to_string(&evidence).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Returns an error unless as many rows of a table were written as were given. A trigger or a rule of somebody else's may keep
/// rows out without an error.
pub(super) fn all_written(table: &'static str, written: u64, given: usize) -> Result<(), StoreError> {
    if written == given as u64 {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "{written} of {given} rows of {table} were written, without an error: look for triggers or rules on that table"
    )))
}
