//! The one map from each inner error to its answer.

use conduit_actors::envelope::EnvelopeFault;
use conduit_actors::event::Notice;
use conduit_actors::ingest::{BodyFault, Refusal};
use conduit_actors::limits::Exceeded;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::mapping::MappingFault;
use conduit_actors::ports::{JournalError, StoreError};

use super::{Problem, UNCONFIRMED};
use crate::app::{self, Error};
use crate::code::Code;
use crate::counts::thousands;
use crate::store::{ChangeError, MAX_RUNNING};

/// The one map from refusals of use cases to their answers.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(noun) => Self::not_found(noun),
            Error::Forbidden => Self::forbidden(),
            Error::Unconfirmed => Self::unavailable(Code::CredentialsUnconfirmed, UNCONFIRMED),
            Error::Invalid(app::Refusal { code, detail, faults }) => {
                Self::bad_request(code, detail).with_errors(faults)
            }
            Error::Mapping(faults) => faults.into(),
            Error::Envelope(fault) => fault.into(),
            Error::Body(fault) => fault.into(),
            Error::ProcessorFixed => {
                let problem = Self::bad_request(Code::DataProcessorIdFixed, "dataProcessorId cannot be changed");
                problem.with_error("/dataProcessorId", "cannot be changed: make another integration")
            }
            Error::TooManyIntegrations { .. } | Error::MappingsTooLarge { .. } => over_a_quota(&error),
            Error::NothingToRevoke => Self::conflict(
                Code::NothingToRevoke,
                "there is no previous one that still serves; \"which\": \"current\" ends the current one at once",
            ),
            Error::NotReplayable(detail) => Self::conflict(Code::NotReplayable, detail),
            Error::TrialRunning => Self::conflict(
                Code::TrialRunning,
                "a trial of this controller is under way: wait for its answer",
            ),
            Error::TrialsBusy => Self::unavailable(
                Code::TrialsBusy,
                "as many trials as may run at a time are under way: try again later",
            ),
            Error::TrialNotStarted => {
                Self::unavailable(Code::TrialsBusy, "the trial cannot be started: try again later")
            }
            Error::NotMade(detail) => Self::try_again(Code::InternalError, detail),
            Error::Internal => Self::internal(),
            Error::Change(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Journal(error) => error.into(),
        }
    }
}

/// Returns the problem of a controller whose mappings are over a limit.
fn over_a_quota(error: &Error) -> Problem {
    match *error {
        Error::MappingsTooLarge { most, sent, others } => {
            let [most, sent, others] = [most, sent, others].map(thousands);
            let detail = format!(
                "the mappings of a controller may have {most} bytes in all: this one has {sent}, the others have {others}; \
                 leave out fields that nobody needs, delete an integration, or ask the operator for a higher \
                 mappings.max_bytes"
            );
            Problem::conflict(Code::MappingsTooLarge, detail)
        }
        Error::TooManyIntegrations { most } => {
            let detail = format!(
                "this controller has {} integrations, which is its limit: delete one that is not used, or ask the operator \
                 for a higher mappings.max_integrations",
                thousands(most as u64)
            );
            Problem::conflict(Code::TooManyIntegrations, detail)
        }
        _ => Problem::internal(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized(_) => Self::authentication_failed(),
            Refusal::CredentialsUnconfirmed => Self::try_again(Code::CredentialsUnconfirmed, UNCONFIRMED),
            Refusal::Exceeded(exceeded) => exceeded.into(),
            Refusal::Body(fault) => fault.into(),
            Refusal::Envelope(fault) => fault.into(),
            Refusal::Overload { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::try_again(
                    Code::AboveCapacity,
                    "more events arrive at this node than it processes, and this controller has its share of the backlog: \
                     send it again later, and fewer at a time",
                )
            },
            Refusal::Overloaded => {
                Self::try_again(Code::Overloaded, "too many requests wait already: send it again later")
            }
            Refusal::Interrupted => Self::try_again(Code::InternalError, "the request was interrupted: send it again"),
            Refusal::Journal(error) => error.into(),
        }
    }
}

impl From<EnvelopeFault> for Problem {
    fn from(fault: EnvelopeFault) -> Self {
        let first = fault.0.first();
        let code = first.map_or(Code::EventInvalid, |notice| envelope_code(&notice.code));
        let detail = first.map(|notice| notice.message.clone()).unwrap_or_default();
        Self::bad_request(code, detail).with_errors(fault.0)
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
                    ..Self::try_again(Code::RateLimitExceeded, detail)
                }
            }
            Exceeded::Backlog { limits } => Self::try_again(
                Code::BacklogLimitExceeded,
                format!(
                    "{} events of this controller are accepted and not processed yet, which is its limit: send it again \
                     later, or ask the operator for a higher limit",
                    limits.backlog_events
                ),
            ),
        }
    }
}

/// Returns the code of a fault in an envelope, whose notices have it as text.
fn envelope_code(text: &str) -> Code {
    let known = Code::ALL.iter().find(|code| code.as_str() == text);
    known.copied().unwrap_or(Code::EventInvalid)
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Self {
        let (code, detail) = match fault {
            BodyFault::TooLarge => (
                Code::BodyTooLarge,
                "the body is longer than the limit: send less, or in parts",
            ),
            BodyFault::TimedOut => (Code::BodyTimeout, "the body did not arrive in time: send it at once"),
            BodyFault::Incomplete => (Code::BodyIncomplete, "the connection ended before the body did"),
            BodyFault::Malformed => (
                Code::BodyMalformed,
                "the chunks of the body are not as they should be: check the client",
            ),
            BodyFault::Encoded => (
                Code::ContentEncodingUnsupported,
                "send the body without Content-Encoding",
            ),
        };
        Self::bad_request(code, detail)
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full { .. } => Self::try_again(
                Code::JournalFull,
                "too many accepted events are not processed yet: send it again later",
            ),
            JournalError::Busy => {
                Self::try_again(Code::Overloaded, "too many requests wait already: send it again later")
            }
            JournalError::Disk(_) | JournalError::Damaged(_) => Self::try_again(
                Code::JournalUnavailable,
                "the event cannot be stored at the moment: send it again later",
            ),
            JournalError::Closed => Self::try_again(Code::ShuttingDown, "the service is stopping: send it again later"),
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
                Self::unavailable(
                    Code::DatabaseUnavailable,
                    "the database does not answer: try again later",
                )
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
            ChangeError::NotFound => Self::missing("controller or integration"),
            ChangeError::Exists => Self::conflict(Code::AlreadyExists, "the DID or the data processor id is taken"),
            ChangeError::VersionMismatch { current } => Self::conflict(
                Code::VersionMismatch,
                format!("it was changed meanwhile and is at version {current}: read it again, then change that"),
            ),
            ChangeError::Changed => Self::changed_meanwhile(),
            ChangeError::Rotated => Self::conflict(
                Code::RotatedMeanwhile,
                "it was rotated or revoked by somebody else meanwhile, and this call changed nothing: ask who did it, and \
                 see with GET how both versions stand, before you rotate again",
            ),
            ChangeError::TooManyReplays => Self::conflict(
                Code::TooManyReplays,
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
        Self::bad_request(Code::MappingInvalid, detail).with_errors(errors)
    }
}
