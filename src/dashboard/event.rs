//! One event: its way through the stages, and why it ended as it did.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::{Notice, Status};
use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;

use super::fields::Fields;
use super::guard::{Posted, Session};
use super::page::{self, Section, Shell};
use super::words::{Badge, Icon, Time, class_word, duration, short};
use crate::http::App;
use crate::http::events::{self, Shown, ShownOutcome};
use crate::http::problem::Problem;
use crate::http::replays;

struct Stage {
    word: &'static str,
    meaning: &'static str,
    class: &'static str,
    icon: Icon,
    at: Option<Time>,
    took: String,
}

/// One of several outcomes.
struct Earlier {
    badge: Badge,
    at: Time,
    why: String,
    version: Option<u64>,
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
    event: Shown,
    badge: Badge,
    integration: Option<String>,
    stages: Vec<Stage>,
    reasons: Vec<Reason>,
    warnings: Vec<Reason>,
    chips: Vec<Chip>,
    subject: Option<String>,
    triggered: Time,
    received: Time,
    can_edit: bool,
    can_replay: bool,
    is_replayed: bool,
    history: Vec<Earlier>,
}

/// `GET /events/{id}`
pub(super) async fn get(
    session: Session,
    app: Data<App>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event = events::find(&session.principal, &app, &id).await?;
    let integration = app.store.integration(event.integration_id).await?;
    let spec = integration.as_ref().map(|row| &row.spec);
    let reason = |notice: &Notice| Reason {
        line: spec.and_then(|spec| line(spec, &event.event, &notice.field)),
        notice: notice.clone(),
    };
    let taxonomy = app.directory.taxonomy();
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
        // What is processed or a repeat changes no more; the others may be replayed.
        shell: if matches!(event.status, Status::Processed | Status::Duplicate) {
            shell
        } else {
            shell.live("/live")
        },
        can_replay: matches!(event.status, Status::Rejected | Status::Failed),
        is_replayed: Fields::read(request.query_string().as_bytes()).get("said") == Some("replayed"),
        history: history(&event),
        badge: Badge(event.status),
        stages: stages(&event),
        reasons: event.reasons.iter().map(reason).collect(),
        warnings: event.warnings.iter().map(reason).collect(),
        chips: event.categories.iter().map(chip).collect(),
        subject: event.subject.as_deref().map(short),
        triggered: Time(event.triggered_at),
        received: Time(event.received_at),
        can_edit: integration.is_some(),
        integration: integration.map(|row| row.spec.name),
        event,
    })
}

/// `POST /events/{id}/replay`: under the mapping as it stands now.
pub(super) async fn replay(posted: Posted, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let principal = &posted.session.principal;
    let own = principal.some(&app, None)?.map(|(_, id)| id);
    replays::of_event(principal, &app, own, &id).await?;
    let Ok(id) = id.parse::<EventId>() else {
        return Err(Problem::not_found("event"));
    };
    Ok(page::redirect(&format!("/events/{id}?said=replayed")))
}

/// Its outcomes, if it was replayed, the latest first.
fn history(event: &Shown) -> Vec<Earlier> {
    let all = event.history.as_deref().unwrap_or_default();
    if all.len() < 2 {
        return Vec::new();
    }
    let earlier = |outcome: &ShownOutcome| Earlier {
        badge: Badge(outcome.status),
        at: Time(outcome.at),
        why: outcome
            .reasons
            .first()
            .map(|reason| reason.message.clone())
            .unwrap_or_default(),
        version: outcome.mapping_version,
    };
    all.iter().rev().map(earlier).collect()
}

/// Where in the mapping's editor a pointer into an event is mapped; the event type, if no field is.
fn line(spec: &IntegrationSpec, event_type: &str, pointer: &str) -> Option<String> {
    let index = spec.events.iter().position(|event| event.name == event_type)?;
    let path = path_of(pointer);
    let field = spec.events[index].fields.iter().position(|field| field.path == path);
    Some(match field {
        Some(field) => format!("event-{index}-field-{field}"),
        None => format!("event-{index}"),
    })
}

/// The path that a mapping has for a JSON Pointer (RFC 6901): numbers are elements.
fn path_of(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str("[]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
        }
    }
    path
}

fn stages(event: &Shown) -> Vec<Stage> {
    let times = &event.stages;
    let (received, journaled) = (event.received_at, times.journaled_at);
    let mut before = received;
    let mut stage = |word, meaning, icon, at: Option<Timestamp>| {
        let took = at.map(|at| duration(at.as_millis() - before.as_millis()));
        before = at.unwrap_or(before);
        Stage {
            word,
            meaning,
            class: if at.is_some() { "done" } else { "" },
            icon: Icon(icon),
            at: at.map(Time),
            took: took.unwrap_or_default(),
        }
    };
    let mut stages = vec![
        stage(
            "Received",
            "Both credentials and the envelope were right.",
            "inbox",
            Some(received),
        ),
        stage(
            "Durable",
            "Sealed and synced in the journal: answered with 200.",
            "shield",
            Some(journaled),
        ),
        stage(
            "Extracted",
            "Personal data found by the mapping.",
            "spark",
            times.extracted_at,
        ),
        stage(
            "Resolved",
            "The data subject was found by keyed hashes.",
            "subjects",
            times.resolved_at,
        ),
    ];
    if event.status != Status::Received {
        // What ended early has not passed the stages in between.
        stages.retain(|stage| stage.at.is_some());
    }
    let meaning = match event.status {
        Status::Received => "Waits for the pipeline.",
        Status::Processed => "Its activity is in the log.",
        Status::Duplicate => "A repeat within the dedup window: dropped.",
        Status::Rejected => "It does not fit the mapping. Its payload is kept, sealed.",
        Status::Failed => "It kept failing for a fault of ours. Its payload is kept, sealed.",
    };
    let mut last = stage(Badge(event.status).word(), meaning, "check", times.logged_at);
    last.icon = Badge(event.status).icon();
    if matches!(event.status, Status::Rejected | Status::Failed) {
        last.class = if event.status == Status::Rejected {
            "is-rejected"
        } else {
            "is-failed"
        };
    }
    stages.push(last);
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_line_in_the_mapping() {
        let spec = serde_json::json!({"name": "Shop", "events": [
            {"name": "other"},
            {"name": "order", "fields": [{"path": "email"}, {"path": "items[].sku"}, {"path": "a/b.c~d"}]}]});
        let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
        for (pointer, expected) in [
            ("/email", Some("event-1-field-0")),
            ("/items/12/sku", Some("event-1-field-1")),
            ("/a~1b/c~0d", Some("event-1-field-2")),
            ("/elsewhere", Some("event-1")),
            ("", Some("event-1")),
        ] {
            assert_eq!(line(&spec, "order", pointer).as_deref(), expected);
        }
        assert_eq!(line(&spec, "unknown", "/email"), None);
    }
}
