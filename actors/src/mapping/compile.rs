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

    /// The same for one that is to be saved: also what was not refused at all times, and may therefore be in those that were
    /// saved before.
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

    /// What to say about an event type that is not here. `shown` is as much of it as may be said.
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
