//! The five actors, and their messages.
//!
//! Before the answer, one request at a time: [`AuthActor`] passes authenticated requests to [`ValidatorActor`], which
//! passes valid events to the journal, whose reply answers the sender. After it, one batch at a time, the shard's
//! dispatcher asks [`PiiExtractorActor`], [`SubjectResolverActor`] and [`ActivityLoggerActor`] in turn.

mod activity_logger_actor;
mod auth_actor;
mod pii_extractor_actor;
mod subject_resolver_actor;
mod validator_actor;

use std::sync::Arc;

pub use activity_logger_actor::{ActivityLogger, ActivityLoggerActor};
pub use auth_actor::{Auth, AuthActor, Authenticator};
pub use pii_extractor_actor::{PiiExtractor, PiiExtractorActor, shown_if_harmless};
pub(crate) use subject_resolver_actor::duplicate_differs;
pub use subject_resolver_actor::{Replayed, ResolveJob, ResolverJob, SubjectResolver, SubjectResolverActor};
pub use validator_actor::{ValidateJob, Validator, ValidatorActor};

use crate::event::{JournaledEvent, LegalBasis, LinkHash, MappedDigest, Notice, Outcome};
use crate::identity::LinkCandidate;
use crate::ids::{EventType, SubjectId, Timestamp};
use crate::ports::{
    Ceiling, Checkpoint, Claim, DedupError, Integration, Merge, NewLink, NewSubject, ReplayStep, RetiredLink,
    StoreError, Stretch,
};

/// Why a stage could not do its part of a batch, short of a panic. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The store did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dedup window is away.
    #[error(transparent)]
    Dedup(#[from] DedupError),
}

/// An event after extraction.
#[derive(Debug)]
pub struct ExtractedEvent {
    /// The event, as journaled.
    pub journaled: JournaledEvent,
    /// Its integration, if that still exists.
    pub integration: Option<Arc<Integration>>,
    /// Its type, as far as it may be shown; see [`crate::event::OutcomeRecord::shown_event_type`].
    pub shown_event_type: EventType,
    /// The finding.
    pub finding: Finding,
    /// The categories found, sorted, each once.
    pub categories: Vec<Arc<str>>,
    /// Optional fields dropped, and the like.
    pub warnings: Vec<Notice>,
    /// When it was extracted.
    pub extracted_at: Timestamp,
}

/// Whether an event fits its mapping.
#[derive(Debug)]
pub enum Finding {
    /// It does.
    Fits(Fitting),
    /// It does not; the reasons are never empty.
    Rejected(Vec<Notice>),
    /// It kept failing; the reasons are never empty.
    Failed(Vec<Notice>),
}

impl Finding {
    /// Returns the hashes of its identifiers, if it fits.
    pub fn links(&self) -> impl Iterator<Item = LinkHash> + '_ {
        let fitting = match self {
            Self::Fits(fitting) => Some(fitting),
            Self::Rejected(_) | Self::Failed(_) => None,
        };
        let links = fitting.into_iter().flat_map(Fitting::all_links);
        links.flat_map(LinkCandidate::hashes)
    }
}

/// The content of an event that fits its mapping.
#[derive(Debug)]
pub struct Fitting {
    /// Its identifiers, hashed.
    pub links: Vec<LinkCandidate>,
    /// Links that earlier builds may have made of values that link nothing today.
    pub refused: Vec<RetiredLink>,
    /// The links of each other person that it names.
    pub others: Vec<Vec<LinkCandidate>>,
    /// Its claim on the dedup window, if one applies.
    pub claim: Option<Claim>,
    /// The digest of its mapped fields. `None` if it adds nothing to its claim, or there is none.
    pub mapped_digest: Option<MappedDigest>,
    /// The purpose that the mapping declares.
    pub purpose: Option<Arc<str>>,
    /// The legal basis that the mapping declares.
    pub legal_basis: Option<LegalBasis>,
}

impl Fitting {
    /// Returns the identifiers of all people that it names.
    pub fn all_links(&self) -> impl Iterator<Item = &LinkCandidate> + '_ {
        self.links.iter().chain(self.others.iter().flatten())
    }

    /// Returns the identifiers of each person that it names, the data subject first.
    pub fn people(&self) -> impl Iterator<Item = &[LinkCandidate]> + '_ {
        std::iter::once(&self.links).chain(&self.others).map(Vec::as_slice)
    }
}

/// An event after resolution.
#[derive(Debug)]
pub struct ResolvedEvent {
    /// The event, as extracted.
    pub extracted: ExtractedEvent,
    /// The outcome.
    pub outcome: Outcome,
    /// The other people that it names, each once; empty unless it is processed.
    pub other_subjects: Vec<SubjectId>,
    /// When its subject was resolved; none if it got no further than extraction.
    pub resolved_at: Option<Timestamp>,
}

/// A batch after resolution: its effects to commit, without the audit records.
#[derive(Debug, Default)]
pub struct ResolvedBatch {
    /// The events, in the batch's order.
    pub events: Vec<ResolvedEvent>,
    /// Subjects to create.
    pub subjects: Vec<NewSubject>,
    /// Links to attach.
    pub links: Vec<NewLink>,
    /// Merges found.
    pub merges: Vec<Merge>,
    /// The limits of the subjects that grew.
    pub ceilings: Vec<Ceiling>,
    /// How far the batch takes each controller's stream.
    pub checkpoints: Vec<Checkpoint>,
    /// How far it takes a replay, if it is a batch of one.
    pub replay: Option<ReplayStep>,
    /// When the dedup window was asked, if the batch is traced.
    pub claims: Vec<Stretch>,
    /// Whether the store is to take everything back: see [`crate::ports::BatchEffects::is_rehearsal`].
    pub is_rehearsal: bool,
}
