//! From types to column values, for every database.

use conduit_actors::event::{Notice, Outcome};
use conduit_actors::ids::{EventId, SubjectId};
use conduit_actors::limits::LimitOverrides;
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::{Credential, Merge, StoreError};

/// The columns of a credential: current, previous, until when.
pub(super) fn credential(credential: &Credential) -> (&[u8], Option<&[u8]>, Option<i64>) {
    let previous = credential.previous.as_ref();
    (
        &credential.current.as_bytes()[..],
        previous.map(|(hash, _)| &hash.as_bytes()[..]),
        previous.map(|(_, until)| until.as_millis()),
    )
}

/// The columns of limits: rate, burst, backlog.
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

/// JSON; none if there are none.
pub(super) fn notices(notices: &[Notice]) -> Option<String> {
    if notices.is_empty() {
        None
    } else {
        serde_json::to_string(notices).ok()
    }
}

/// What an outcome has beside its status: reasons, the first event, the subject.
pub(super) fn outcome(outcome: &Outcome) -> (Option<String>, Option<EventId>, Option<SubjectId>) {
    match outcome {
        Outcome::Processed { subject } => (None, None, *subject),
        Outcome::Duplicate { of } => (None, Some(*of), None),
        Outcome::Rejected { reasons } | Outcome::Failed { reasons } => (notices(reasons), None, None),
    }
}

/// Where an outcome is counted: processed, duplicate, rejected, failed.
pub(super) const fn counted_as(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Processed { .. } => 0,
        Outcome::Duplicate { .. } => 1,
        Outcome::Rejected { .. } => 2,
        Outcome::Failed { .. } => 3,
    }
}

/// A merge's evidence as JSON: [[hash in hexadecimal, category], …].
pub(super) fn evidence(merge: &Merge) -> Result<String, StoreError> {
    let evidence: Vec<(String, &str)> = merge
        .evidence
        .iter()
        .map(|(hash, category)| (hex(&hash.0), &**category))
        .collect();
    serde_json::to_string(&evidence).map_err(|error| StoreError::Failed(error.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
