//! A mapping that is checked, as the extractor walks it.

use std::collections::HashMap;
use std::sync::Arc;

use super::path::Path;
use super::spec::{DedupKeyKind, FieldType, Role};
use crate::event::LegalBasis;
use crate::ids::EventType;
use crate::taxonomy::{Category, Taxonomy};

/// The dedup settings of events without settings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupDefaults {
    /// The window, in seconds; 0 is off.
    pub window_seconds: u32,
}

/// A mapping, checked and compiled.
#[derive(Debug)]
pub struct Mapping {
    pub(super) events: HashMap<EventType, EventMapping>,
}

/// One event type of a mapping.
#[derive(Debug)]
pub struct EventMapping {
    pub(crate) fields: Vec<FieldMapping>,
    pub(crate) default_region: Option<Arc<str>>,
    pub(crate) taxonomy: Arc<Taxonomy>,
    pub(super) purpose: Option<Arc<str>>,
    pub(super) legal_basis: Option<LegalBasis>,
    pub(super) dedup_key: DedupKeyKind,
    pub(super) dedup_window_seconds: u32,
    pub(super) says_more: bool,
}

/// One field of an event.
#[derive(Debug)]
pub(crate) struct FieldMapping {
    pub(crate) path: Path,
    pub(crate) field_type: FieldType,
    pub(crate) required: bool,
    pub(crate) category: Option<Arc<Category>>,
    pub(crate) role: Role,
}

impl Mapping {
    /// Returns the taxonomy of its compilation. Returns `None` for a mapping without events.
    #[must_use]
    pub fn taxonomy(&self) -> Option<&Arc<Taxonomy>> {
        self.events.values().next().map(|event| &event.taxonomy)
    }

    /// Returns the mapping of an event type. Returns `None` for an unknown one.
    #[must_use]
    pub fn event(&self, event_type: &EventType) -> Option<&EventMapping> {
        self.events.get(event_type)
    }
}

impl EventMapping {
    /// Returns the purpose of the processing.
    #[must_use]
    pub const fn purpose(&self) -> Option<&Arc<str>> {
        self.purpose.as_ref()
    }

    /// Returns the legal basis of the processing.
    #[must_use]
    pub const fn legal_basis(&self) -> Option<LegalBasis> {
        self.legal_basis
    }

    /// Returns the values that two events must share to be repeats.
    #[must_use]
    pub const fn dedup_key(&self) -> DedupKeyKind {
        self.dedup_key
    }

    /// Returns whether it has fields that are no personal data.
    pub(crate) fn says_more(&self) -> bool {
        self.says_more
    }

    /// Returns the window after the first event, in seconds; 0 is off.
    #[must_use]
    pub const fn dedup_window_seconds(&self) -> u32 {
        self.dedup_window_seconds
    }
}
