//! A draft of an integration, sent to be tried before it is saved.

use std::sync::Arc;

use conduit_actors::mapping::{IntegrationSpec, Mapping};
use conduit_actors::ports::Integration;

use super::integrations::read;
use super::problem::Problem;
use super::state::App;

/// Where a draft is in what is sent with it.
const PLACE: &str = "/integration";

/// A draft whose mapping is right.
pub(crate) struct Draft {
    /// The integration as it would be.
    pub(crate) integration: Arc<Integration>,
    /// As it was sent.
    pub(crate) spec: IntegrationSpec,
    /// The version that the draft is meant to replace, if it says so.
    pub(crate) version: Option<u64>,
}

impl Draft {
    /// Reads what was sent as `integration`, a body for `PUT` as it is written. Faults have pointers from where that is.
    pub(crate) fn read(app: &App, saved: &Integration, sent: &[u8]) -> Result<Self, Problem> {
        let (spec, version) = read(sent).map_err(|problem| problem.below(PLACE))?;
        let compiled = Mapping::compile_new(&spec, app.directory.taxonomy(), app.directory.dedup_defaults());
        let mapping = compiled.map_err(|faults| Problem::from(faults).below(PLACE))?;
        Ok(Self {
            integration: with_mapping(saved, mapping),
            spec,
            version,
        })
    }

    /// Refuses a draft for another data processor, which could not be saved.
    pub(crate) fn check_processor(&self, saved: &Integration) -> Result<(), Problem> {
        let named = self.spec.data_processor_id.as_deref();
        if named.is_some_and(|named| named != saved.processor.as_str()) {
            return Err(Problem::processor_fixed().below(PLACE));
        }
        Ok(())
    }
}

/// The same integration under another mapping.
pub(crate) fn with_mapping(saved: &Integration, mapping: Mapping) -> Arc<Integration> {
    Arc::new(Integration {
        id: saved.id,
        controller: Arc::clone(&saved.controller),
        processor: saved.processor.clone(),
        api_key: saved.api_key.clone(),
        mapping: Arc::new(mapping),
        version: saved.version,
    })
}
