//! The result of a trial, as it is shown.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::dry_run::Resolution;
use crate::event::{Notice, Status};
use crate::ids::{EventId, EventType, Timestamp};

/// The difference between two mappings, over the events that were examined.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Events that were examined.
    pub examined: u64,
    /// Their outcomes under the live mapping.
    pub live: Statuses,
    /// And under the draft.
    pub draft: Statuses,
    /// Events for which that differs.
    pub changes: Changes,
    /// By event type, with those that a mapping does not know.
    pub events: Vec<EventRow>,
    /// Why events are rejected or fail.
    pub reasons: Vec<NoticeRow>,
    /// Their warnings.
    pub warnings: Vec<NoticeRow>,
    /// Events that fit, and have a right value for a field.
    pub fields: Vec<FieldRow>,
    /// Events that fit, and have personal data of a category.
    pub categories: Vec<CategoryRow>,
    /// Events by how their data subjects differ.
    pub subjects: Subjects,
    /// Events for which something differs, newest first, those with another status before the others.
    pub samples: Vec<Sample>,
    /// Whether there were more rows of a kind than are shown.
    pub truncated: bool,
}

/// Events by their outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[allow(missing_docs)] // As in `Status`.
#[schemars(rename = "TrialStatuses")]
pub struct Statuses {
    pub processed: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub failed: u64,
}

/// Events by the change of their outcome under the draft.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // As in `Status`.
#[schemars(rename = "TrialChanges")]
pub struct Changes {
    pub now_processed: u64,
    pub now_duplicate: u64,
    pub now_rejected: u64,
    pub now_failed: u64,
    pub unchanged: u64,
}

/// One event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrialEvent")]
pub struct EventRow {
    /// Its name, as far as it may be shown.
    pub event: EventType,
    /// Events of it.
    pub examined: u64,
    /// Whether the live mapping knows it.
    pub live_knows: bool,
    /// Whether the draft does.
    pub draft_knows: bool,
    /// Their outcomes under the live mapping.
    pub live: Statuses,
    /// And under the draft.
    pub draft: Statuses,
}

/// A reason or a warning: how many events have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TrialNotice")]
pub struct NoticeRow {
    /// The events' type.
    pub event: EventType,
    /// JSON Pointer to the field, with `*` for each number in it: elements count together.
    pub field: String,
    /// Stable, for programs.
    pub code: String,
    /// Events under the live mapping.
    pub live: u64,
    /// Events under the draft.
    pub draft: u64,
}

/// A mapped field: how many events that fit have a right value for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TrialField")]
pub struct FieldRow {
    /// The events' type.
    pub event: EventType,
    /// The field's path.
    pub path: Arc<str>,
    /// The category that it is mapped to.
    pub category: Option<Arc<str>>,
    /// Events under the live mapping.
    pub live: u64,
    /// Events under the draft.
    pub draft: u64,
}

/// A category: how many events that fit have personal data of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TrialCategory")]
pub struct CategoryRow {
    /// Its key.
    pub category: Arc<str>,
    /// Events under the live mapping.
    pub live: u64,
    /// Events under the draft.
    pub draft: u64,
}

/// Events by how the data subject differs that they would concern.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrialSubjects")]
pub struct Subjects {
    /// The same under both.
    pub same: u64,
    /// Another one that is known.
    pub other: u64,
    /// Somebody new, where the live mapping finds one that is known.
    pub new: u64,
    /// Somebody, where the live mapping finds nobody.
    pub gained: u64,
    /// Nobody, where the live mapping finds somebody.
    pub lost: u64,
    /// Several, whom the draft would merge.
    pub would_merge: u64,
    /// Nobody under both.
    pub nobody: u64,
}

/// An event for which something differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrialSample")]
pub struct Sample {
    /// Its id.
    pub event_id: EventId,
    /// Its type, as far as it may be shown.
    pub event: EventType,
    /// When it was received.
    pub received_at: Timestamp,
    /// Paths of fields for which the draft finds a value, or a category, that the live mapping does not.
    pub fields_gained: Vec<Arc<str>>,
    /// And the other way round.
    pub fields_lost: Vec<Arc<str>>,
    /// Its result under the live mapping.
    pub live: SampleSide,
    /// Its result under the draft.
    pub draft: SampleSide,
}

/// The result of a sample under one mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrialSide")]
pub struct SampleSide {
    /// Its outcome.
    pub status: Status,
    /// Why, if it is rejected or fails.
    pub reasons: Vec<Notice>,
    /// The examined event that it repeats.
    pub duplicate_of: Option<EventId>,
    /// Whom it would concern, if it fits.
    pub subject: Option<Resolution>,
    /// The other people that it would name, if it fits.
    pub other_subjects: Vec<Resolution>,
}
