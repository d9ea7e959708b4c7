//! An identifier of a person in a request's body: hashed as the pipeline hashes it, and neither stored nor logged.

use conduit_actors::event::LinkHash;
use conduit_actors::ids::ControllerId;
use conduit_actors::links::LinkKey;
use conduit_actors::personal::Personal;
use conduit_actors::ports::Directory as _;
use conduit_actors::taxonomy::NormaliseContext;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Error, Noun, Services};
use crate::code::Code;

/// Processors that an identifier is looked for at, at most.
const MAX_PROCESSORS: usize = 1000;

/// Whom to look up.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Identifier {
    /// A category whose values are linked: see `GET /api/v1/taxonomy`.
    pub(crate) category: String,
    /// The identifier. It is hashed, and neither stored nor logged.
    #[schemars(with = "String")]
    pub(crate) value: Personal<String>,
    /// The processor, for categories whose values count within one processor only. Without it, the processors of all
    /// integrations of the controller.
    pub(crate) data_processor_id: Option<String>,
    /// Region (ISO 3166-1 alpha-2) for a telephone number without a country code.
    pub(crate) default_region: Option<String>,
}

impl Identifier {
    /// Returns the value's hashes, one for each version of the controller's link key. A placeholder
    /// and the like have no hashes. `at` is the JSON Pointer of the identifier.
    pub(crate) async fn hashes(
        &self,
        services: &Services,
        controller: ControllerId,
        at: &str,
    ) -> Result<Vec<LinkHash>, Error> {
        let invalid = |field: &str, message: &str| {
            Error::invalid_at(Code::LookupInvalid, &format!("{at}/{field}"), message, message)
        };
        let category = services
            .directory
            .taxonomy()
            .get(&self.category)
            .filter(|category| category.links())
            .ok_or_else(|| {
                let message = "must be a category whose values are linked: see GET /api/v1/taxonomy";
                invalid("category", message)
            })?;
        let processors = match &self.data_processor_id {
            None if category.normalise.is_scoped() => processors(services, controller)?,
            asked => vec![asked.clone().unwrap_or_default()],
        };
        let mut values = Vec::new();
        for processor in &processors {
            let context = NormaliseContext {
                processor,
                default_region: self.default_region.as_deref(),
            };
            let normalised = category.normalise.normalise(self.value.expose(), &context);
            let normalised = normalised.map_err(|error| invalid("value", error.message))?;
            let links = |value: &Personal<String>| !services.directory.taxonomy().is_blocked(category, value.expose());
            if let Some(value) = normalised.value.filter(links) {
                // Today's spelling, and that of links that an earlier build made.
                values.extend(std::iter::once(value).chain(normalised.earlier));
            }
        }
        let owner = services
            .directory
            .controller(controller)
            .ok_or(Error::NotFound(Noun::Controller))?;
        let versions = 1..=owner.link_key.version();
        Ok(versions
            .map(|version| LinkKey::derive(services.keyring.master(), controller, version))
            .flat_map(|key| values.iter().map(move |value| key.link(&category.key, value.expose())))
            .collect())
    }
}

/// Returns the processors of the controller's integrations.
fn processors(services: &Services, controller: ControllerId) -> Result<Vec<String>, Error> {
    let integrations = services.directory.summaries(controller);
    if integrations.len() > MAX_PROCESSORS {
        let detail = "counts within a processor only, and the controller has more than 1,000: say which it is";
        return Err(Error::invalid(Code::LookupInvalid, detail));
    }
    Ok(integrations.iter().map(|row| row.processor.to_string()).collect())
}
