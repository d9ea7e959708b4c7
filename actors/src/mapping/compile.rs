//! From what an owner wrote to what the extractor walks.

use std::sync::Arc;

use super::check::{self, MappingFault};
use super::compiled::{DedupDefaults, Mapping};
use super::spec::IntegrationSpec;
use crate::ids::EventType;
use crate::taxonomy::Taxonomy;

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
