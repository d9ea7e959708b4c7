//! The dry run of an event under an integration's mapping, or under a draft of one.

use std::sync::Arc;

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::dry_run::{DryRun, Resolution};
use conduit_actors::event::{Notice, Status};
use conduit_actors::extract::FieldTrace;
use conduit_actors::ids::EventId;
use conduit_actors::json;
use conduit_actors::mapping::{FieldType, Received};
use conduit_actors::ports::{Directory as _, Integration};
use conduit_actors::taxonomy::Class;
use schemars::JsonSchema;
use serde::Serialize;

use super::draft::SentDraft;
use crate::app::dry_runs::{self, masked, verdict};
use crate::app::{Error, Noun, Principal, Services, integrations};
use crate::code::Code;
use crate::http::body::LongBody;
use crate::http::problem::Problem;
use crate::http::query::Query;

/// The outcome that an event would have.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DryRun")]
pub(super) struct DryRunView {
    /// Its status then.
    status: Status,
    /// Its type, if that may be shown.
    event: String,
    /// The fields of its mapping, in the mapping's order.
    fields: Vec<DryRunField>,
    /// Why it would be rejected, or fail.
    reasons: Vec<Notice>,
    /// Warnings, such as values that would be dropped.
    warnings: Vec<Notice>,
    /// The categories of personal data in it, sorted, each once.
    categories: Vec<Arc<str>>,
    /// The event that it would repeat, as far as this node knows.
    duplicate_of: Option<EventId>,
    /// Whom it would concern; null if it would not come so far.
    subject: Option<Resolution>,
    /// The other people that it would name.
    other_subjects: Vec<Resolution>,
    /// The field names of the event, with similar fields of the mapping.
    received: Received,
}

/// The result of a dry run for one field.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DryRunField {
    /// Its path in the mapping.
    path: String,
    /// Its type in the mapping.
    #[serde(rename = "type")]
    field_type: FieldType,
    /// Whether an event without it is rejected.
    required: bool,
    /// Whether the event has a value for it, right or wrong.
    found: bool,
    /// Whether every value found is right.
    validated: bool,
    /// The values as they would be hashed, masked. Empty for a category that is never stored.
    normalised: Vec<String>,
    /// Its category of personal data; null if it has none.
    category: Option<String>,
    /// The identifying power of the category.
    class: Option<Class>,
    /// Whether a value of it may link the event to a data subject.
    links: bool,
    /// Why it would have the event rejected.
    reasons: Vec<Notice>,
    /// Why its value would be dropped, and the like.
    warnings: Vec<Notice>,
}

impl From<FieldTrace> for DryRunField {
    fn from(trace: FieldTrace) -> Self {
        let found = trace.extraction;
        Self {
            path: trace.path,
            field_type: trace.field_type,
            required: trace.required,
            found: trace.places > 0,
            validated: trace.places > 0 && found.mapped.expose().len() == trace.places,
            normalised: found.values.iter().map(|value| masked(value.value.expose())).collect(),
            category: trace.category.as_ref().map(|category| category.key.to_string()),
            class: trace.category.map(|category| category.class),
            links: found.values.iter().any(|value| value.linkable),
            reasons: found.reasons,
            warnings: found.warnings,
        }
    }
}

/// Answers `POST /api/v1/integrations/custom/{id}/test`: stores nothing.
pub(crate) async fn test(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
    body: LongBody,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "draft"])?;
    let (_, row) = integrations::load_named(&principal, &services, &id, query.get("did")).await?;
    let saved = services
        .directory
        .by_id(row.id)
        .ok_or(Error::NotFound(Noun::Integration))?;
    let run = match query.get("draft") {
        None | Some("false") => dry_runs::run(&principal, &services, &saved, body.bytes()).await?,
        Some("true") => {
            let (integration, event) = draft(&services, &saved, &body)?;
            let run = dry_runs::run(&principal, &services, &integration, event).await;
            run.map_err(|error| Problem::from(error).below("/event"))?
        }
        Some(_) => {
            let detail = "draft must be true or false";
            return Err(Problem::bad_request(Code::ParameterInvalid, detail));
        }
    };
    Ok(HttpResponse::Ok().json(view(run)))
}

/// Reads the body with `draft=true`, `{"integration": …, "event": …}`. Returns the integration as its draft would make
/// it, and the event as it was written, because the endpoint would see it so.
fn draft(services: &Services, saved: &Integration, body: &[u8]) -> Result<(Arc<Integration>, Bytes), Problem> {
    let wrong = |detail: &str| Problem::bad_request(Code::BodyInvalid, detail);
    let members = json::members(body).map_err(|fault| super::json::fault_of(&fault))?;
    let members = members.ok_or_else(|| wrong("send one object: {\"integration\": …, \"event\": …}"))?;
    if members
        .iter()
        .any(|member| !matches!(&*member.name, "integration" | "event"))
    {
        return Err(wrong("unknown field; a draft's dry run takes integration and event"));
    }
    let only = |name: &str| {
        let mut found = members.iter().filter(|member| member.name == name);
        match (found.next(), found.next()) {
            (Some(member), None) => Ok(member.value.as_bytes()),
            (None, _) => Err(wrong(&format!("missing field `{name}`"))),
            (Some(_), Some(_)) => Err(wrong(&format!("{name} is there twice: send it once"))),
        }
    };
    let sent = SentDraft::read(services, saved, only("integration")?)?;
    Ok((sent.draft.integration, Bytes::copy_from_slice(only("event")?)))
}

fn view(run: DryRun) -> DryRunView {
    let (status, reasons) = verdict(&run);
    let reasons = reasons.to_vec();
    let extracted = run.extracted;
    DryRunView {
        status,
        event: extracted.shown_event_type.to_string(),
        fields: run.fields.into_iter().map(DryRunField::from).collect(),
        reasons,
        warnings: extracted.warnings,
        categories: extracted.categories,
        duplicate_of: run.duplicate_of,
        subject: run.resolution,
        other_subjects: run.others,
        received: run.received,
    }
}
