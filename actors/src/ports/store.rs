//! The store, as far as the pipeline needs it: links to read, and one transaction per batch to write.

use std::sync::Arc;

use async_trait::async_trait;

use crate::event::{Activity, AuditHash, LinkHash, MappedDigest, OutcomeRecord};
use crate::ids::{ControllerId, EventId, Sequence, SubjectId, Timestamp};
use crate::ports::ReplayStep;

/// Why the store did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first: the batch was resolved against outdated data. Nothing was written; resolve again and
    /// commit again.
    #[error("another writer was there first")]
    Conflict,
    /// The database is away, busy or full. Nothing was written; wait and try again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database gave an impossible answer: a fault in the schema, the data or this program.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// A link that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLink {
    /// The keyed hash that was looked up.
    pub hash: LinkHash,
    /// The subject it belongs to now, merges followed to their end.
    pub subject: SubjectId,
    /// When that subject was first seen: the older one survives a merge.
    pub subject_first_seen_at: Timestamp,
}

/// Why a link is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retirement {
    /// Its value identifies nobody: it is switched off.
    Placeholder,
    /// Its value has another spelling today, under which it is stored as well.
    Respelt,
}

impl Retirement {
    /// Returns the status as in SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Respelt => "respelt",
        }
    }
}

/// A link of an earlier build that counts no more towards the values that a subject may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredLink {
    /// The keyed hash.
    pub hash: LinkHash,
    /// The category of the identifier.
    pub category: Arc<str>,
    /// Why.
    pub because: Retirement,
}

/// A subject to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubject {
    /// Its id.
    pub id: SubjectId,
    /// Whose subject it is.
    pub controller: ControllerId,
    /// `triggeredAt` of the event that created it.
    pub first_seen_at: Timestamp,
}

/// A link to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// Whose link it is.
    pub controller: ControllerId,
    /// The keyed hash.
    pub hash: LinkHash,
    /// The subject that it leads to.
    pub subject: SubjectId,
    /// The category of the identifier.
    pub category: Arc<str>,
    /// Strong links lead to one subject each; weak ones to any number.
    pub strong: bool,
    /// The version of the link key.
    pub key_version: u32,
    /// `triggeredAt` of the event that brought it; the earliest wins.
    pub first_seen_at: Timestamp,
}

/// Two subjects found to be one. Links and activities stay where they are and are read through
/// the merge, so that undoing it is deleting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Whose subjects they are.
    pub controller: ControllerId,
    /// The subject that is now read as `into`.
    pub from: SubjectId,
    /// The subject that survives.
    pub into: SubjectId,
    /// When it was found.
    pub at: Timestamp,
    /// The event that showed it.
    pub event: EventId,
    /// The strong links that the event carried and that led to different subjects: hash and category.
    pub evidence: Vec<(LinkHash, Arc<str>)>,
}

/// The most identifiers of a category that a growing subject may hold, the subjects merged into it included. The commit
/// is a [`StoreError::Conflict`] if the subject holds more by then or was merged itself: another writer was first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// Whose subject it is.
    pub controller: ControllerId,
    /// The subject, which this batch does not merge into another.
    pub subject: SubjectId,
    /// The category.
    pub category: Arc<str>,
    /// How many distinct strong links it may have.
    pub max: u32,
}

/// The end of a controller's audit chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The last activity's sequence; 0 before the first.
    pub sequence: Sequence,
    /// Its hash; zeros before the first.
    pub hash: AuditHash,
}

impl ChainHead {
    /// The head of a chain without activities.
    pub const EMPTY: Self = Self {
        sequence: Sequence(0),
        hash: AuditHash([0; 32]),
    };
}

/// Moves a stream's checkpoint. The commit is a [`StoreError::Conflict`] unless it stands at `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose stream.
    pub controller: ControllerId,
    /// Where the checkpoint must stand.
    pub from: Sequence,
    /// Where it goes.
    pub through: Sequence,
}

/// Everything that one batch changes, to be committed in one transaction or not at all.
#[derive(Debug, Default)]
pub struct BatchEffects {
    /// Subjects to create.
    pub subjects: Vec<NewSubject>,
    /// Links to attach. A strong one that another subject holds already is a conflict.
    pub links: Vec<NewLink>,
    /// Merges. A merge whose `from` or `into` is merged already is a conflict.
    pub merges: Vec<Merge>,
    /// Conditions on existing subjects, once all effects are written.
    pub ceilings: Vec<Ceiling>,
    /// Audit records, in the order in which each controller's are to be chained. The store fills in their places in the
    /// chain, because only the store knows the records before them.
    pub activities: Vec<Activity>,
    /// One per event of the batch.
    pub outcomes: Vec<OutcomeRecord>,
    /// One per controller in the batch; none in a batch of a replay.
    pub checkpoints: Vec<Checkpoint>,
    /// Set in a batch of a replay. Its events have outcomes already, which the outcomes of this batch replace.
    pub replay: Option<ReplayStep>,
    /// Set in a rehearsal: the store does all that a commit does, and then takes it back.
    pub is_rehearsal: bool,
}

/// The store behind the pipeline.
#[async_trait]
pub trait PipelineStore: Send + Sync + 'static {
    /// Returns the subjects to which these hashes of each controller lead, with merges followed. A weak hash may lead to
    /// many: at most `fan_out` are returned for each hash. One answer for many controllers: a batch may have events of
    /// hundreds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError>;

    /// Returns the same for one controller.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn links(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<KnownLink>, StoreError> {
        let found = self.links_among(&[(controller, hashes.to_vec())], fan_out).await?;
        Ok(found.into_iter().map(|(_, link)| link).collect())
    }

    /// Returns the number of distinct strong links of each of these subjects per category, including subjects merged
    /// into them and excluding retired links.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError>;

    /// Retires links that are there; those that are not are passed over. May be repeated.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn retire_links(&self, controller: ControllerId, links: &[RetiredLink]) -> Result<(), StoreError>;

    /// Returns the digests of the mapped fields of these events, where they are known.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError>;

    /// Commits a batch, all or nothing, fully synced. Events of controllers that are deleted by now leave nothing.
    ///
    /// A batch of a replay is a [`StoreError::Conflict`] unless the replay stands where the step begins and belongs to
    /// this node, and each event is still rejected or failed. So its effects happen once, even with other replays.
    ///
    /// Chains the activities of each controller behind its head, at a moment when no other writer can move the head. So
    /// writers of one chain have no conflict. Sequences and hashes in `effects` are filled in, and are valid only if
    /// this succeeds.
    ///
    /// A rehearsal writes the same rows as a commit, in the same statements, and is then rolled back. So its answer
    /// shows the result of a commit, and none of its rows stays.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written, except for [`StoreError::Unavailable`] when the commit's own
    /// answer was lost. Then the checkpoint shows the result, and a second try is a [`StoreError::Conflict`].
    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError>;

    /// Returns the committed checkpoint of a controller's stream.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError>;
}
