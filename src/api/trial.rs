//! The trial of a draft on accepted events.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ports::Directory as _;
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::draft::SentDraft;
use super::integrations::tag;
use super::json;
use super::sent_integration::SentIntegration;
use crate::app::{Error, Noun, Principal, Services, integrations, trials};
use crate::code::Code;
use crate::http::body::LongBody;
use crate::http::conditional::expected_version;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::ChangeError;

/// Events examined if the request says nothing.
const DEFAULT_EVENTS: usize = 1_000;

/// The body of a trial: the integration as it would be saved, and the number of recent events to examine.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialBody {
    /// The integration as it would be saved, as `PUT` takes it.
    #[schemars(with = "SentIntegration")]
    integration: Value,
    /// How many of its last events to examine: 1,000 if it is left out, `retention.trial_events` at most.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(min = 1, max = 100_000))]
    limit: Option<usize>,
}

impl TrialBody {
    fn limit(&self, most: usize) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_EVENTS.min(most));
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("limit must be a number from 1 to {most} (retention.trial_events)");
        Err(Problem::bad_request(Code::LimitInvalid, &detail).with_error("/limit", detail))
    }
}

/// Answers `POST /api/v1/integrations/custom/{id}/trial`: stores nothing.
pub(crate) async fn run(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, row) = integrations::load_named(&principal, &services, &id, query.get("did")).await?;
    let saved = services.directory.by_id(row.id);
    let saved = saved.ok_or(Error::NotFound(Noun::Integration))?;
    let sent: TrialBody = json::read(&body)?;
    let limit = sent.limit(services.config.get().retention.trial_events)?;
    let integration = serde_json::to_vec(&sent.integration).unwrap_or_default();
    let draft = SentDraft::read(&services, &saved, &integration)?;
    draft.check_processor(&saved)?;
    if expected_version(&request, (row.version, &tag(&row).1), draft.version)?
        .is_some_and(|expected| expected != row.version)
    {
        return Err(Error::Change(ChangeError::VersionMismatch { current: row.version }).into());
    }
    let integration = draft.draft.integration;
    let report = trials::run(&principal, services.into_inner(), &saved, &row, integration, limit).await?;
    Ok(HttpResponse::Ok().json(report))
}
