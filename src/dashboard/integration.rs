//! One integration: its webhook URL, its mapping, its credentials.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::LegalBasis;
use conduit_actors::mapping::{Role, doubts};

use super::confirmation::Confirmation;
use super::credentials;
use super::editor::draft::kind_word;
use super::fields::Fields;
use super::filters;
use super::forms::SessionForm;
use super::guard::Session;
use super::page::{self, Section, Shell, segment};
use super::words::{Icon, Time, basis_word};
use crate::app::Services;
use crate::app::controllers::previous_until;
use crate::app::integrations;
use crate::http::problem::Problem;
use crate::store::IntegrationRow;

struct FieldLine {
    path: String,
    kind: &'static str,
    required: bool,
    pii: Option<String>,
    is_other: bool,
    label: String,
}

struct EventBox {
    name: String,
    purpose: Option<String>,
    basis: &'static str,
    fields: Vec<FieldLine>,
}

#[derive(Template)]
#[template(path = "integration.html")]
struct Integration {
    shell: Shell,
    row: IntegrationRow,
    did: String,
    did_segment: String,
    url: String,
    curl: String,
    events: Vec<EventBox>,
    previous_until: Option<Time>,
    state: String,
    created: Time,
    updated: Time,
    was_saved: bool,
    doubts: Vec<String>,
    confirmation: Confirmation,
}

async fn page_of(
    session: &Session,
    services: &Services,
    id: &str,
    request: &HttpRequest,
    refused: Option<Confirmation>,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&session.principal, services, id).await?;
    let taxonomy = services.directory.taxonomy();
    let events = row.spec.events.iter().map(|event| EventBox {
        name: event.name.clone(),
        purpose: event.purpose.clone(),
        basis: event.legal_basis.map_or("", |basis: LegalBasis| basis_word(basis)),
        fields: event
            .fields
            .iter()
            .map(|field| FieldLine {
                path: field.path.clone(),
                kind: kind_word(field.field_type),
                required: field.required,
                label: field
                    .pii
                    .as_deref()
                    .and_then(|key| taxonomy.get(key))
                    .map_or_else(String::new, |category| category.label.clone()),
                pii: field.pii.clone(),
                is_other: field.role == Some(Role::Other),
            })
            .collect(),
    });
    page::render(&Integration {
        shell: Shell::new(request, session, Section::Integrations, row.spec.name.clone()),
        url: integrations::webhook_url(services, &did, &row),
        curl: credentials::curl(services, &did, &row, "Bearer $API_KEY")
            .replace("'Authorization: Bearer $API_KEY'", "\"Authorization: Bearer $API_KEY\""),
        events: events.collect(),
        previous_until: previous_until(&row.api_key).map(Time),
        state: credentials::state(&row.api_key.current),
        created: Time(row.created_at),
        updated: Time(row.updated_at),
        was_saved: Fields::read(request.query_string().as_bytes()).get("said") == Some("saved"),
        doubts: doubts(&row.spec, taxonomy)
            .into_iter()
            .map(|doubt| doubt.message)
            .collect(),
        did_segment: segment(did.as_str()),
        did: did.to_string(),
        confirmation: refused.unwrap_or_else(|| Confirmation::of(&row.spec.name)),
        row,
    })
}

/// Answers `GET /integrations/{id}`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    page_of(&session, &services, &id, &request, None).await
}

/// Answers `POST /integrations/{id}/delete`: requires the name, so that no integration is deleted by mistake.
pub(super) async fn delete(
    posted: SessionForm,
    services: Data<Services>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&posted.session.principal, &services, &id).await?;
    if let Err(refused) = Confirmation::read(&row.spec.name, &posted.fields) {
        return page_of(&posted.session, &services, &id, &request, Some(refused)).await;
    }
    integrations::delete(&posted.session.principal, &services, (&did, &row), None).await?;
    Ok(page::redirect("/integrations?said=deleted"))
}
