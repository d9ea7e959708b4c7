//! The integrations.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::ids::IntegrationId;
use url::form_urlencoded::Serializer;

use super::events::{Offer, controllers};
use super::fields::Fields;
use super::filters;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Icon, Time};
use crate::app::controllers::previous_until;
use crate::app::{Principal, Services, events};
use crate::directory::Summary;
use crate::http::problem::Problem;
use crate::store::{EventFilter, Page};

const PAGE: usize = 50;

struct IntegrationItem {
    row: Arc<Summary>,
    did: String,
    last: Option<Time>,
    has_old_key: bool,
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct Integrations {
    shell: Shell,
    is_operator: bool,
    did: String,
    controllers: Vec<Offer>,
    lines: Vec<IntegrationItem>,
    more: Option<String>,
    has_controllers: bool,
    was_deleted: bool,
}

/// Answers `GET /integrations`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let did = fields.text("did").unwrap_or_default();
    let controller = session
        .principal
        .some(&services, (!did.is_empty()).then_some(did))?
        .map(|(_, id)| id);
    let after: Option<IntegrationId> = fields.text("cursor").and_then(|text| text.parse().ok());
    let page = Page { after, limit: PAGE + 1 };
    let mut shown = services.directory.summaries_page(controller, page);
    let has_more = shown.len() > PAGE;
    shown.truncate(PAGE);
    let more = shown.last().filter(|_| has_more).map(|last| {
        let query = Serializer::new(String::new())
            .append_pair("did", did)
            .append_pair("cursor", &last.id.to_string())
            .finish();
        format!("/integrations?{query}")
    });
    let mut lines = Vec::with_capacity(shown.len());
    for row in shown {
        lines.push(line(&session.principal, &services, row).await?);
    }
    page::render(&Integrations {
        shell: Shell::new(&request, &session, Section::Integrations, "Integrations"),
        is_operator: session.is_operator(),
        controllers: controllers(&services, &session, did).await?,
        did: did.to_owned(),
        lines,
        more,
        has_controllers: !services.directory.is_empty(),
        was_deleted: fields.get("said") == Some("deleted"),
    })
}

async fn line(principal: &Principal, services: &Services, row: Arc<Summary>) -> Result<IntegrationItem, Problem> {
    let filter = EventFilter {
        controller: Some(row.controller),
        integration: Some(row.id),
        ..EventFilter::default()
    };
    let newest = Page { after: None, limit: 1 };
    let last = events::with_outcome(principal, services, &filter, newest).await?.pop();
    Ok(IntegrationItem {
        did: services
            .directory
            .did(row.controller)
            .map(|did| did.to_string())
            .unwrap_or_default(),
        last: last.map(|event| Time(event.id.received_at())),
        has_old_key: previous_until(&row.api_key).is_some(),
        row,
    })
}
