//! An event on its way: the accepted event, and its outcome.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::EventCode;
use crate::ids::{
    ActivityId, ControllerId, EventId, EventType, IntegrationId, ProcessorId, Sequence, SubjectId, Timestamp,
};
use crate::personal::Personal;
use crate::receipt::Draft;

/// An event that passed authentication and envelope validation, on its way to the journal.
#[derive(Debug, Clone)]
pub struct ValidEvent {
    /// Whose event it is.
    pub controller: ControllerId,
    /// The integration whose credentials it came with.
    pub integration: IntegrationId,
    /// The envelope's `event`.
    pub event_type: EventType,
    /// The envelope's `triggeredAt`.
    pub triggered_at: Timestamp,
    /// The request body, byte for byte: a JSON object without duplicate keys.
    pub body: Personal<Bytes>,
    /// The draft of its receipt, if it has one.
    pub receipt: Option<Draft>,
}

/// An event that the journal has on stable storage. It ends in exactly one [`Outcome`].
#[derive(Debug, Clone)]
pub struct AcceptedEvent {
    /// Made by the journal; carries the receive time.
    pub id: EventId,
    /// Whose event it is.
    pub controller: ControllerId,
    /// The integration whose credentials it came with.
    pub integration: IntegrationId,
    /// The envelope's `event`.
    pub event_type: EventType,
    /// The envelope's `triggeredAt`.
    pub triggered_at: Timestamp,
    /// The request body, byte for byte: a JSON object without duplicate keys.
    pub body: Personal<Bytes>,
}

/// An accepted event as the journal hands it out.
#[derive(Debug, Clone)]
pub struct JournaledEvent {
    /// Its place in the controller's stream.
    pub sequence: Sequence,
    /// When its commit batch was written.
    pub journaled_at: Timestamp,
    /// The event.
    pub event: AcceptedEvent,
}

/// How far an event has come, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, not processed yet.
    Received,
    /// Its activity is in the log.
    Processed,
    /// A repeat of an earlier event within the dedup window.
    Duplicate,
    /// The tenant's mapping does not fit it.
    Rejected,
    /// It kept failing for a fault of ours: a dead letter.
    Failed,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 5] = [
        Self::Received,
        Self::Processed,
        Self::Duplicate,
        Self::Rejected,
        Self::Failed,
    ];

    /// The statuses of events that have an outcome.
    pub const OUTCOMES: [Self; 4] = [Self::Processed, Self::Duplicate, Self::Rejected, Self::Failed];

    /// Returns the status as in JSON, SQL and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// Something to say about one field of an event. Never holds the field's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// JSON Pointer (RFC 6901) to the field; empty for the whole event.
    pub field: String,
    /// Stable, for programs: `required_missing`, `invalid_email`, …
    pub code: String,
    /// For people: the fault, and how to fix it.
    pub message: String,
}

impl Notice {
    /// Creates a notice about one field of an event.
    pub fn new(field: impl Into<String>, code: EventCode, message: impl Into<String>) -> Self {
        Self::of_request(field, code.as_str(), message)
    }

    /// Creates a notice about a place in a request, with a code of its own list: the API's, or that of mappings.
    pub fn of_request(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: pointer.into(),
            code: code.into(),
            message: message.into(),
        }
    }
}

/// Where an accepted event ended. Exactly one for each, and it cannot be dropped unnoticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "every accepted event ends in exactly one outcome"]
pub enum Outcome {
    /// Logged as an activity of this subject, or of none if it identifies nobody.
    Processed {
        /// The subject it concerns.
        subject: Option<SubjectId>,
    },
    /// Dropped as a repeat.
    Duplicate {
        /// The first event of the window.
        of: EventId,
    },
    /// Does not fit the mapping.
    Rejected {
        /// Why, field by field; never empty.
        reasons: Vec<Notice>,
    },
    /// Dead letter.
    Failed {
        /// The faults, without personal data; never empty.
        reasons: Vec<Notice>,
    },
}

impl Outcome {
    /// Returns the status that the outcome gives the event.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Processed { .. } => Status::Processed,
            Self::Duplicate { .. } => Status::Duplicate,
            Self::Rejected { .. } => Status::Rejected,
            Self::Failed { .. } => Status::Failed,
        }
    }
}

/// When an event passed each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// On stable storage.
    pub journaled_at: Timestamp,
    /// Personal data extracted.
    pub extracted_at: Option<Timestamp>,
    /// Subject resolved.
    pub resolved_at: Option<Timestamp>,
    /// Outcome written.
    pub logged_at: Timestamp,
}

/// An event with its outcome, ready to be stored.
#[derive(Debug, Clone)]
pub struct OutcomeRecord {
    /// The event, as accepted.
    pub event: AcceptedEvent,
    /// Its place in the journal stream.
    pub sequence: Sequence,
    /// The processor it came from; unknown if its integration is gone.
    pub processor: Option<ProcessorId>,
    /// The event's type, if it may be shown: a type of the mapping, or a text that looks like a type name. Otherwise a
    /// stand-in, since the text may be personal data in the wrong place.
    pub shown_event_type: EventType,
    /// The outcome.
    pub outcome: Outcome,
    /// Optional fields dropped, and the like.
    pub warnings: Vec<Notice>,
    /// The categories found, sorted, each once.
    pub categories: Vec<Arc<str>>,
    /// The other people that it names, each once; empty unless it was processed.
    pub other_subjects: Vec<SubjectId>,
    /// The claim that it made on the dedup window, key and length in seconds; none where no window applies.
    pub dedup: Option<(DedupKey, u32)>,
    /// The digest of its mapped fields, for comparing repeats. `None` if it adds nothing to its claim.
    pub mapped_digest: Option<MappedDigest>,
    /// The version of the integration whose mapping decided; none if that is gone.
    pub mapping_version: Option<u64>,
    /// When it passed each stage.
    pub stages: StageTimes,
}

/// A keyed digest that is equal for events that repeat each other: the first 16 bytes of an
/// HMAC-SHA3-256, see [`crate::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey(pub [u8; 16]);

/// A keyed digest of all mapped fields of an event, see [`crate::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedDigest(pub [u8; 16]);

/// A keyed hash of one identifier of a subject, see [`crate::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkHash(pub [u8; 32]);

/// SHA3-256 of an audit record, chained to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHash(pub [u8; 32]);

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct InvalidHash;

impl std::str::FromStr for AuditHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        crate::hex::parse(text).map(Self).ok_or(InvalidHash)
    }
}

impl std::fmt::Display for AuditHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::hex::Hex(&self.0).fmt(f)
    }
}

/// Why the processing is lawful (GDPR, article 6(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// Article 6(1)(a).
    Consent,
    /// Article 6(1)(b).
    Contract,
    /// Article 6(1)(c).
    LegalObligation,
    /// Article 6(1)(d).
    VitalInterests,
    /// Article 6(1)(e).
    PublicTask,
    /// Article 6(1)(f).
    LegitimateInterests,
}

impl LegalBasis {
    /// All of them, in the article's order.
    pub const ALL: [Self; 6] = [
        Self::Consent,
        Self::Contract,
        Self::LegalObligation,
        Self::VitalInterests,
        Self::PublicTask,
        Self::LegitimateInterests,
    ];

    /// Returns the basis as in JSON, SQL and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::VitalInterests => "vital_interests",
            Self::PublicTask => "public_task",
            Self::LegitimateInterests => "legitimate_interests",
        }
    }
}

/// One line of the audit log: a processing activity, chained to the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: ActivityId,
    /// Whose chain it is in.
    pub controller: ControllerId,
    /// Its place in the chain: from 1, without gaps.
    pub sequence: Sequence,
    /// The event that it records.
    pub event: EventId,
    /// The subject it concerns, if the event identified one.
    pub subject: Option<SubjectId>,
    /// The other people that the event names, each once, in its order.
    pub other_subjects: Vec<SubjectId>,
    /// The integration that the event came through.
    pub integration: IntegrationId,
    /// The processor behind it.
    pub processor: ProcessorId,
    /// The event's type.
    pub event_type: EventType,
    /// The purpose that the mapping declares.
    pub purpose: Option<Arc<str>>,
    /// The legal basis that the mapping declares.
    pub legal_basis: Option<LegalBasis>,
    /// The categories of personal data processed, sorted, each once.
    pub categories: Vec<Arc<str>>,
    /// When it happened at the controller.
    pub triggered_at: Timestamp,
    /// When it was logged.
    pub logged_at: Timestamp,
    /// The hash of the activity before it; all zeros before the first.
    pub previous_hash: AuditHash,
    /// The hash of this one.
    pub hash: AuditHash,
}
