//! Why a use case did not do as it was asked.

use std::fmt;

use conduit_actors::envelope::EnvelopeFault;
use conduit_actors::event::Notice;
use conduit_actors::ingest::BodyFault;
use conduit_actors::mapping::MappingFault;
use conduit_actors::ports::{JournalError, StoreError};

use crate::code::Code;
use crate::store::ChangeError;

/// A thing that callers name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noun {
    Controller,
    Event,
    Integration,
    Replay,
    Subject,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Controller => "controller",
            Self::Event => "event",
            Self::Integration => "integration",
            Self::Replay => "replay",
            Self::Subject => "subject",
        })
    }
}

/// An input that has faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The kind of fault.
    pub(crate) code: Code,
    /// The fault and how to fix it, for people.
    pub(crate) detail: String,
    /// The faults of single fields, each with a JSON Pointer (RFC 6901).
    pub(crate) faults: Vec<Notice>,
}

/// Why a use case did not do as it was asked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such thing, or the principal may not see it.
    #[error("there is no such {0}")]
    NotFound(Noun),
    /// The use case is the operator's alone.
    #[error("this call needs the operator's token")]
    Forbidden,
    /// The database is away for so long that credentials cannot be confirmed.
    #[error("credentials cannot be confirmed")]
    Unconfirmed,
    /// The input has faults.
    #[error("{}", .0.detail)]
    Invalid(Refusal),
    /// The mapping has faults.
    #[error("the mapping has {} faults", .0.len())]
    Mapping(Vec<MappingFault>),
    /// The event of a dry run is no event.
    #[error("the event is malformed")]
    Envelope(EnvelopeFault),
    /// The event of a dry run cannot be read.
    #[error("the event cannot be read")]
    Body(BodyFault),
    /// The data processor of an integration cannot be changed.
    #[error("dataProcessorId cannot be changed")]
    ProcessorFixed,
    /// The controller has as many integrations as it may have.
    #[error("this controller has {most} integrations, which is its limit")]
    TooManyIntegrations {
        /// `mappings.max_integrations`
        most: usize,
    },
    /// The mappings of the controller would be larger than they may be.
    #[error("the mappings of this controller may have {most} bytes in all")]
    MappingsTooLarge {
        /// `mappings.max_bytes`
        most: u64,
        /// Bytes of the mapping that is sent.
        sent: u64,
        /// Bytes of the controller's other mappings.
        others: u64,
    },
    /// No previous version of the credential serves any more.
    #[error("there is no previous version that still serves")]
    NothingToRevoke,
    /// The event cannot be replayed, and why.
    #[error("{0}")]
    NotReplayable(String),
    /// A trial of this controller is under way.
    #[error("a trial of this controller is under way")]
    TrialRunning,
    /// As many trials as may run at a time are under way.
    #[error("as many trials as may run at a time are under way")]
    TrialsBusy,
    /// A trial cannot be started.
    #[error("the trial cannot be started")]
    TrialNotStarted,
    /// A DID or a data key cannot be made.
    #[error("{0}")]
    NotMade(&'static str),
    /// Something is wrong inside; the log has more.
    #[error("something is wrong inside")]
    Internal,
    /// The store did not make the change.
    #[error(transparent)]
    Change(ChangeError),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Error {
    /// Returns an error about an input.
    pub(crate) fn invalid(code: Code, detail: impl Into<String>) -> Self {
        Self::Invalid(Refusal {
            code,
            detail: detail.into(),
            faults: Vec::new(),
        })
    }

    /// Returns an error about one field of an input, which is at a JSON Pointer.
    pub(crate) fn invalid_at(code: Code, pointer: &str, detail: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Refusal {
            code,
            detail: detail.into(),
            faults: vec![Notice::of_request(pointer, code, message)],
        })
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => Self::Store(error),
            other => Self::Change(other),
        }
    }
}

impl From<Vec<MappingFault>> for Error {
    fn from(faults: Vec<MappingFault>) -> Self {
        Self::Mapping(faults)
    }
}
