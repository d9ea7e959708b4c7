//! One event: its way through the stages, and why it ended as it did.

mod stages;

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::{Notice, Status};
use conduit_actors::ids::EventId;
use conduit_actors::mapping::{FieldSpec, IntegrationSpec, Path};
use conduit_actors::ports::StoreError;

use super::fields::Fields;
use super::filters;
use super::forms::SessionForm;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Badge, Icon, Time, class_word, short};
use crate::app::events::{self, Event as EventView, EventOutcome};
use crate::app::replays;
use crate::app::{Error, Noun, Principal, Services, integrations};
use crate::http::problem::Problem;
use crate::store::IntegrationRow;
use stages::{Replayed, Stage};

/// One of several outcomes.
struct Earlier {
    badge: Badge,
    at: Time,
    why: String,
    version: Option<u64>,
    is_replay: bool,
}

struct Reason {
    notice: Notice,
    /// The line of the mapping that it comes from.
    line: Option<String>,
}

struct Chip {
    key: String,
    label: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    shell: Shell,
    event: EventView,
    badge: Badge,
    /// `None` if it is gone, or the database is away.
    integration: Option<String>,
    stages: Vec<Stage>,
    reasons: Vec<Reason>,
    warnings: Vec<Reason>,
    chips: Vec<Chip>,
    /// The text in place of categories.
    no_category: &'static str,
    subject: Option<String>,
    /// The other people that it names: short, and whole.
    others: Vec<(String, String)>,
    triggered: Time,
    received: Time,
    can_edit: bool,
    can_replay: bool,
    is_replayed: bool,
    history: Vec<Earlier>,
}

/// Answers `GET /events/{id}`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (event, integration) = find(&session.principal, &services, &id).await?;
    let spec = integration.as_ref().map(|row| &row.spec);
    let reason = |notice: &Notice| Reason {
        line: spec.and_then(|spec| line(spec, &event.event, &notice.field)),
        notice: notice.clone(),
    };
    let taxonomy = services.directory.taxonomy();
    let chip = |key: &String| {
        let category = taxonomy.get(key);
        Chip {
            key: key.clone(),
            label: category.map_or_else(String::new, |category| category.label.clone()),
            class: category.map_or("", |category| class_word(category.class)),
        }
    };
    let shell = Shell::new(&request, &session, Section::Events, event.event.clone());
    page::render(&Page {
        // A processed event or a repeat does not change any more; others may be replayed.
        shell: if matches!(event.status, Status::Processed | Status::Duplicate) {
            shell
        } else {
            shell.live("/live")
        },
        // Without its integration there is no mapping to run it under.
        can_replay: integration.is_some() && matches!(event.status, Status::Rejected | Status::Failed),
        is_replayed: Fields::read(request.query_string().as_bytes()).get("said") == Some("replayed"),
        history: history(&event),
        badge: Badge(event.status),
        stages: stages::stages(&event, replayed(&session.principal, &services, &event).await?.as_ref()),
        no_category: no_category(&event),
        reasons: event.reasons.iter().map(reason).collect(),
        warnings: event.warnings.iter().map(reason).collect(),
        chips: event.categories.iter().map(chip).collect(),
        subject: event.subject.as_deref().map(short),
        others: event
            .other_subjects
            .iter()
            .map(|did| (short(did), did.clone()))
            .collect(),
        triggered: Time(event.triggered_at),
        received: Time(event.received_at),
        can_edit: integration.is_some(),
        integration: integration.map(|row| row.spec.name),
        event,
    })
}

/// Returns an event and its integration. While the database is known to be away, it is not asked in vain.
async fn find(
    principal: &Principal,
    services: &Services,
    id: &str,
) -> Result<(EventView, Option<IntegrationRow>), Error> {
    if let Some(away) = services.database.away() {
        let event = events::find_in_journal(principal, services, id)?;
        return Ok((event.ok_or(StoreError::Unavailable(away.cause))?, None));
    }
    let event = events::find(principal, services, id).await?;
    let integration = integrations::find(principal, services, event.integration_id).await?;
    Ok((event, integration))
}

/// Answers `POST /events/{id}/replay`: under the current mapping.
pub(super) async fn replay(
    posted: SessionForm,
    services: Data<Services>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let principal = &posted.session.principal;
    let own = principal.some(&services, None)?.map(|(_, id)| id);
    replays::create_for_event(principal, &services, own, &id).await?;
    let Ok(id) = id.parse::<EventId>() else {
        return Err(Error::NotFound(Noun::Event).into());
    };
    Ok(page::redirect(&format!("/events/{id}?said=replayed")))
}

/// Returns the replay of its last outcome. Returns `None` if that is no replay's.
async fn replayed(principal: &Principal, services: &Services, event: &EventView) -> Result<Option<Replayed>, Problem> {
    let Some((last, id)) = event
        .history
        .as_deref()
        .and_then(<[_]>::last)
        .and_then(|last| Some((last, last.replay_id?)))
    else {
        return Ok(None);
    };
    let replay = replays::load(principal, services, &id.to_string()).await;
    let replay = match replay {
        Err(Error::NotFound(_)) => None,
        found => Some(found?),
    };
    Ok(Some(Replayed {
        at: replay.map(|replay| replay.started_at),
        mapping_version: last.mapping_version,
    }))
}

/// Returns why there is no category, as far as it is known.
fn no_category(event: &EventView) -> &'static str {
    match (event.status, event.stages.extracted_at) {
        (Status::Received, _) => "Not known yet: the event waits for the pipeline.",
        (Status::Rejected, _) => "None: a rejected event is not processed further.",
        (_, Some(_)) => "No category of personal data was found in the event.",
        (_, None) => "None: the event ended before personal data was extracted.",
    }
}

/// Returns the outcomes of a replayed event, the latest first.
fn history(event: &EventView) -> Vec<Earlier> {
    let all = event.history.as_deref().unwrap_or_default();
    if all.len() < 2 {
        return Vec::new();
    }
    let earlier = |outcome: &EventOutcome| Earlier {
        badge: Badge(outcome.status),
        at: Time(outcome.at),
        why: outcome
            .reasons
            .first()
            .map(|reason| reason.message.clone())
            .unwrap_or_default(),
        version: outcome.mapping_version,
        is_replay: outcome.replay_id.is_some(),
    };
    all.iter().rev().map(earlier).collect()
}

/// Returns the place in the mapping editor of a pointer into an event: the field, or the event type without such a
/// field. Returns `None` for an unknown event type.
fn line(spec: &IntegrationSpec, event_type: &str, pointer: &str) -> Option<String> {
    let index = spec.events.iter().position(|event| event.name == event_type)?;
    let leads = |field: &FieldSpec| Path::parse(&field.path).is_ok_and(|path| path.leads_to(pointer));
    let field = spec.events[index].fields.iter().position(leads);
    Some(match field {
        Some(field) => format!("event-{index}-field-{field}"),
        None => format!("event-{index}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_line_in_the_mapping() {
        let spec = serde_json::json!({"name": "Shop", "events": [
            {"name": "other"},
            {"name": "order", "fields": [{"path": "email"}, {"path": "items[].sku"}, {"path": "a/b.c~d"},
                {"path": "[\"user.email\"]"}]}]});
        let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
        for (pointer, expected) in [
            ("/email", Some("event-1-field-0")),
            ("/items/12/sku", Some("event-1-field-1")),
            ("/items/sku", Some("event-1-field-1")),
            ("/a~1b/c~0d", Some("event-1-field-2")),
            ("/user.email", Some("event-1-field-3")),
            ("/elsewhere", Some("event-1")),
            ("", Some("event-1")),
        ] {
            assert_eq!(line(&spec, "order", pointer).as_deref(), expected);
        }
        assert_eq!(line(&spec, "unknown", "/email"), None);
    }
}
