//! The one map from each inner error to what is shown.

use conduit_actors::event::Notice;
use conduit_actors::ingest::{BodyFault, Refusal};
use conduit_actors::limits::Exceeded;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::mapping::MappingFault;
use conduit_actors::ports::{JournalError, StoreError};

use super::{Problem, UNCONFIRMED};
use crate::store::{ChangeError, MAX_RUNNING};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized(_) => Self::authentication_failed(),
            Refusal::CredentialsUnconfirmed => Self::try_again("credentials_unconfirmed", UNCONFIRMED),
            Refusal::Exceeded(exceeded) => exceeded.into(),
            Refusal::Body(fault) => fault.into(),
            Refusal::Envelope(fault) => {
                let first = fault.0.first().map(|notice| notice.message.clone()).unwrap_or_default();
                let code = fault
                    .0
                    .first()
                    .map_or("event_invalid", |notice| envelope_code(&notice.code));
                Self::bad_request(code, first).with_errors(fault.0)
            }
            Refusal::Overloaded => Self::try_again("overloaded", "too many requests wait already: send it again later"),
            Refusal::Interrupted => Self::try_again("internal_error", "the request was interrupted: send it again"),
            Refusal::Journal(error) => error.into(),
        }
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Rate { limits, retry_after } => {
                let detail = format!(
                    "this controller may send {} events a second to this node, and {} at once: wait as long as Retry-After \
                     says, then send more evenly, or ask the operator for a higher limit",
                    limits.events_per_second, limits.burst
                );
                // A whole number of seconds after which one more is taken, not less.
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                Self {
                    retry_after: Some(seconds.max(1)),
                    ..Self::try_again("rate_limit_exceeded", detail)
                }
            }
            Exceeded::Backlog { limits } => Self::try_again(
                "backlog_limit_exceeded",
                format!(
                    "{} events of this controller are accepted and not processed yet, which is its limit: send it again \
                     later, or ask the operator for a higher limit",
                    limits.backlog_events
                ),
            ),
        }
    }
}

/// The envelope's codes are constants; this only gives them back as such.
fn envelope_code(code: &str) -> &'static str {
    const KNOWN: [&str; 10] = [
        "body_empty",
        "json_invalid",
        "json_not_an_object",
        "json_duplicate_key",
        "json_too_deep",
        "event_missing",
        "event_invalid",
        "triggered_at_missing",
        "triggered_at_invalid",
        "triggered_at_in_future",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or("event_invalid")
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Self {
        let (code, detail) = match fault {
            BodyFault::TooLarge => (
                "body_too_large",
                "the body is longer than the limit: send less, or in parts",
            ),
            BodyFault::TimedOut => ("body_timeout", "the body did not arrive in time: send it at once"),
            BodyFault::Incomplete => ("body_incomplete", "the connection ended before the body did"),
            BodyFault::Malformed => (
                "body_malformed",
                "the chunks of the body are not as they should be: check the client",
            ),
            BodyFault::Encoded => ("content_encoding_unsupported", "send the body without Content-Encoding"),
        };
        Self::bad_request(code, detail)
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full { .. } => Self::try_again(
                "journal_full",
                "too many accepted events are not processed yet: send it again later",
            ),
            JournalError::Busy => Self::try_again("overloaded", "too many requests wait already: send it again later"),
            JournalError::Disk(_) | JournalError::Damaged(_) => Self::try_again(
                "journal_unavailable",
                "the event cannot be stored at the moment: send it again later",
            ),
            JournalError::Closed => Self::try_again("shutting_down", "the service is stopping: send it again later"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        static AWAY: LogLimit = LogLimit::new(10, MINUTE);
        static FAILED: LogLimit = LogLimit::new(20, MINUTE);
        match error {
            StoreError::Unavailable(_) | StoreError::Conflict => {
                if let Some(line) = AWAY.admit() {
                    tracing::warn!(%error, left_out = line.left_out(), "a query found the database unavailable");
                }
                Self::unavailable("database_unavailable", "the database does not answer: try again later")
            }
            StoreError::Failed(_) => {
                if let Some(line) = FAILED.admit() {
                    tracing::error!(%error, left_out = line.left_out(), "a query failed");
                }
                Self::internal()
            }
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::not_found("controller or integration"),
            ChangeError::Exists => Self::conflict("already_exists", "the DID or the data processor id is taken"),
            ChangeError::VersionMismatch { current } => Self::conflict(
                "version_mismatch",
                format!("it was changed meanwhile and is at version {current}: read it again, then change that"),
            ),
            ChangeError::Changed => Self::changed_meanwhile(),
            ChangeError::Rotated => Self::conflict(
                "rotated_meanwhile",
                "it was rotated or revoked by somebody else meanwhile, and this call changed nothing: ask who did it, and \
                 see with GET how both versions stand, before you rotate again",
            ),
            ChangeError::TooManyReplays => Self::conflict(
                "too_many_replays",
                format!(
                    "{MAX_RUNNING} replays are running: wait for one to end, cancel one, or name several events in one"
                ),
            ),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<Vec<MappingFault>> for Problem {
    fn from(faults: Vec<MappingFault>) -> Self {
        let errors: Vec<_> = faults
            .iter()
            .map(|f| Notice::of_request(&f.pointer, f.code, &f.message))
            .collect();
        let detail = format!("the mapping has {} faults; errors names them all", errors.len());
        Self::bad_request("mapping_invalid", detail).with_errors(errors)
    }
}
