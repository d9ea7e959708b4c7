//! A draft of an integration, which is tried before it is saved.

use std::sync::Arc;

use conduit_actors::mapping::{IntegrationSpec, Mapping};
use conduit_actors::ports::Integration;

use super::{Error, Services};

/// A draft whose mapping is right.
pub(crate) struct Draft {
    /// The integration as it would be.
    pub(crate) integration: Arc<Integration>,
    /// The spec of the draft.
    pub(crate) spec: IntegrationSpec,
}

impl Draft {
    /// Compiles a draft of a saved integration.
    ///
    /// # Errors
    /// [`Error::Mapping`]
    pub(crate) fn new(services: &Services, saved: &Integration, spec: IntegrationSpec) -> Result<Self, Error> {
        let directory = &services.directory;
        let mapping = Mapping::compile_new(&spec, directory.taxonomy(), directory.dedup_defaults())?;
        Ok(Self {
            integration: with_mapping(saved, mapping),
            spec,
        })
    }

    /// Refuses a draft for another data processor, which could not be saved.
    ///
    /// # Errors
    /// [`Error::ProcessorFixed`]
    pub(crate) fn check_processor(&self, saved: &Integration) -> Result<(), Error> {
        let named = self.spec.data_processor_id.as_deref();
        if named.is_some_and(|named| named != saved.processor.as_str()) {
            return Err(Error::ProcessorFixed);
        }
        Ok(())
    }
}

/// Returns the integration under another mapping.
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
