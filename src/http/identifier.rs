//! An identifier of a person in a request's body: hashed as the pipeline hashes it, and neither stored nor logged.

use conduit_actors::event::LinkHash;
use conduit_actors::ids::ControllerId;
use conduit_actors::links::LinkKey;
use conduit_actors::personal::Personal;
use conduit_actors::ports::Directory as _;
use conduit_actors::taxonomy::NormaliseContext;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problem;
use super::state::App;

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
    /// For categories whose values count within a processor only: which. Without it, those of all integrations that the
    /// controller has.
    pub(crate) data_processor_id: Option<String>,
    /// Region (ISO 3166-1 alpha-2) for a telephone number without a country code.
    pub(crate) default_region: Option<String>,
}

impl Identifier {
    /// The value's hashes, one for each version that the controller's link key has had; none for a value that links nobody,
    /// such as a shared one. `at` is the JSON Pointer of the identifier.
    pub(crate) async fn hashes(&self, app: &App, controller: ControllerId, at: &str) -> Result<Vec<LinkHash>, Problem> {
        let invalid = |field: &str, message: &str| {
            Problem::bad_request("lookup_invalid", message.to_owned())
                .with_error(&format!("{at}/{field}"), message.to_owned())
        };
        let category = app
            .directory
            .taxonomy()
            .get(&self.category)
            .filter(|category| category.links())
            .ok_or_else(|| {
                let message = "must be a category whose values are linked: see GET /api/v1/taxonomy";
                invalid("category", message)
            })?;
        let processors = match &self.data_processor_id {
            None if category.normalise.is_scoped() => processors(app, controller)?,
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
            let links = |value: &Personal<String>| !app.directory.taxonomy().is_blocked(category, value.expose());
            if let Some(value) = normalised.value.filter(links) {
                // Today's spelling, and that of links that an earlier build made.
                values.extend(std::iter::once(value).chain(normalised.earlier));
            }
        }
        let owner = app
            .directory
            .controller(controller)
            .ok_or_else(|| Problem::not_found("controller"))?;
        let versions = 1..=owner.link_key.version();
        Ok(versions
            .map(|version| LinkKey::derive(app.keyring.master(), controller, version))
            .flat_map(|key| values.iter().map(move |value| key.link(&category.key, value.expose())))
            .collect())
    }
}

/// The processors of the integrations that the controller has.
fn processors(app: &App, controller: ControllerId) -> Result<Vec<String>, Problem> {
    let integrations = app.directory.summaries(Some(controller));
    if integrations.len() > MAX_PROCESSORS {
        let detail = "counts within a processor only, and the controller has more than 1,000: say which it is";
        return Err(Problem::bad_request("lookup_invalid", detail));
    }
    Ok(integrations.iter().map(|row| row.processor.to_string()).collect())
}
