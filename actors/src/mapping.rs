//! Field mappings: the meaning of the fields of a tenant's events.
//!
//! A mapping is checked as a whole when it is saved. [`Mapping::compile`] lists every fault at once, each by a JSON
//! Pointer into the sent body. The extractor walks the compiled mapping.

mod check;
mod doubts;
mod path;
mod received;
mod sample;
mod spec;
pub mod suggest;

use std::collections::HashMap;
use std::sync::Arc;

pub use check::MappingFault;
pub use doubts::{doubts, whose};
pub use path::{Path, PathStep};
pub use received::{Received, ReceivedField};
pub use spec::{DedupKeyKind, DedupSpec, EventSpec, FieldSpec, FieldType, IntegrationSpec, Role};

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
    events: HashMap<EventType, EventMapping>,
}

/// One event type of a mapping.
#[derive(Debug)]
pub struct EventMapping {
    pub(crate) fields: Vec<FieldMapping>,
    pub(crate) default_region: Option<Arc<str>>,
    pub(crate) taxonomy: Arc<Taxonomy>,
    purpose: Option<Arc<str>>,
    legal_basis: Option<LegalBasis>,
    dedup_key: DedupKeyKind,
    dedup_window_seconds: u32,
    says_more: bool,
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
    /// Checks and compiles a mapping.
    ///
    /// # Errors
    /// Every fault, in the order of the text.
    pub fn compile(
        spec: &IntegrationSpec,
        taxonomy: &Arc<Taxonomy>,
        defaults: DedupDefaults,
    ) -> Result<Self, Vec<MappingFault>> {
        check::compile(spec, taxonomy, defaults).map(|events| Self { events })
    }

    /// Compiles a mapping that is to be saved. Also refuses faults that former versions did not refuse, and that saved
    /// mappings may therefore have.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_new(
        spec: &IntegrationSpec,
        taxonomy: &Arc<Taxonomy>,
        defaults: DedupDefaults,
    ) -> Result<Self, Vec<MappingFault>> {
        let mut faults = check::new_faults(spec);
        match Self::compile(spec, taxonomy, defaults) {
            Ok(mapping) if faults.is_empty() => Ok(mapping),
            compiled => {
                faults.extend(compiled.err().unwrap_or_default());
                Err(faults)
            }
        }
    }

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

    /// Returns the message about an unknown event type. `shown` is the part of it that may be shown.
    #[must_use]
    pub fn unknown_event_message(&self, event_type: &EventType, shown: &EventType) -> String {
        let mut known: Vec<&str> = self.events.keys().map(EventType::as_str).collect();
        known.sort_unstable();
        let nearest = check::nearest(event_type.as_str(), known.iter().copied());
        let hint = nearest
            .map(|name| format!("; did you mean {name}?"))
            .unwrap_or_default();
        format!("the integration has no event {shown}{hint}: add it to the mapping, then replay this event")
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

#[cfg(test)]
mod tests;
