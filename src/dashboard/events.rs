//! The events: newest first, filtered by the address, live.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::ids::{EventId, IntegrationId, Timestamp};
use url::form_urlencoded::Serializer;

use super::fields::Fields;
use super::filters;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Badge, Icon, Time, short};
use crate::app::List as _;
use crate::app::events::Event as EventView;
use crate::app::events::Events as List;
use crate::app::{self, Services};
use crate::code::Code;
use crate::directory::Summary;
use crate::http::problem::Problem;
use crate::http::query::read_status;
use crate::store::{ControllerRow, EventFilter, Page};

const PAGE: usize = 50;
/// Names offered in a filter, at most. Where there are more controllers, one may be typed (`controller_field.html`).
pub(super) const MAX_OFFERED: usize = 200;

/// The parameters of the address.
#[derive(Default, Clone)]
pub(super) struct EventQuery {
    pub(super) status: String,
    pub(super) did: String,
    pub(super) integration: String,
    pub(super) event: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl EventQuery {
    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Self {
            status: text("status"),
            did: text("did"),
            integration: text("integration"),
            event: text("event"),
            from: as_field(&text("from")),
            to: as_field(&text("to")),
        }
    }

    fn is_filtered(&self) -> bool {
        [
            &self.status,
            &self.did,
            &self.integration,
            &self.event,
            &self.from,
            &self.to,
        ]
        .iter()
        .any(|text| !text.is_empty())
    }

    /// Returns the address with these parameters, another status, and a cursor.
    fn address(&self, status: &str, cursor: Option<EventId>) -> String {
        let mut query = Serializer::new(String::new());
        let pairs = [
            ("status", status),
            ("did", &self.did),
            ("integration", &self.integration),
            ("event", &self.event),
            ("from", &self.from),
            ("to", &self.to),
        ];
        query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        if let Some(cursor) = cursor {
            query.append_pair("cursor", &cursor.to_string());
        }
        match query.finish() {
            query if query.is_empty() => "/events".to_owned(),
            query => format!("/events?{query}"),
        }
    }
}

/// Returns a moment as a browser's field can show it: in UTC, without seconds if they are zero.
pub(super) fn as_field(text: &str) -> String {
    let found = read_moment(text).map(|time| time.to_string());
    let shown = found.as_deref().unwrap_or(text);
    let length = if shown.get(16..19) == Some(":00") { 16 } else { 19 };
    shown.get(..length).unwrap_or(shown).to_owned()
}

/// Reads a moment from a browser's field, as UTC, or in full. Returns `None` for an empty field.
pub(super) fn moment(text: &str) -> Result<Option<Timestamp>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = read_moment(text);
    found
        .map(Some)
        .ok_or_else(|| Problem::bad_request(Code::ParameterInvalid, "write times as 2026-04-06T10:30, in UTC"))
}

/// Reads the end of a span from a browser's field. Events shown with this moment are within the span, so the rest of
/// its second or minute is too.
pub(super) fn last_moment(text: &str) -> Result<Option<Timestamp>, Problem> {
    let rest = match text.strip_suffix(" UTC").unwrap_or(text).len() {
        16 => 59_999,
        19 => 999,
        _ => 0,
    };
    let begins = moment(text)?;
    Ok(begins.map(|time| Timestamp::from_millis(time.as_millis() + rest)))
}

fn read_moment(text: &str) -> Option<Timestamp> {
    let shown = text.strip_suffix(" UTC").unwrap_or(text);
    let full = match shown.len() {
        16 => format!("{shown}:00Z"),
        19 => format!("{shown}Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&full)
}

struct Choice {
    word: &'static str,
    href: String,
    is_current: bool,
}

struct EventItem {
    event: EventView,
    badge: Badge,
    received: Time,
    /// Its name; none if it is gone.
    integration: Option<String>,
    subject: Option<String>,
    why: Option<String>,
}

/// Something that can be chosen.
pub(super) struct Offer {
    pub(super) value: String,
    pub(super) word: String,
    pub(super) is_chosen: bool,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    shell: Shell,
    is_operator: bool,
    asked: EventQuery,
    choices: Vec<Choice>,
    controllers: Vec<Offer>,
    integrations: Vec<Offer>,
    lines: Vec<EventItem>,
    is_first: bool,
    newest: String,
    older: Option<String>,
    has_integrations: bool,
}

/// Answers `GET /events`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let asked = EventQuery::read(&fields);
    let did = (!asked.did.is_empty()).then_some(asked.did.as_str());
    let controller = session.principal.some(&services, did)?.map(|(_, id)| id);
    let status = match asked.status.as_str() {
        "" => None,
        text => Some(read_status(text)?),
    };
    let wrong = |_| Problem::bad_request(Code::ParameterInvalid, "this is not the id of an integration");
    let integration = Some(asked.integration.as_str()).filter(|text| !text.is_empty());
    let filter = EventFilter {
        controller,
        status,
        integration: integration.map(|text| text.parse().map_err(wrong)).transpose()?,
        event_type: Some(asked.event.clone()).filter(|text| !text.is_empty()),
        from: moment(&asked.from)?,
        to: last_moment(&asked.to)?,
        ..EventFilter::default()
    };
    let wrong = |_| {
        Problem::bad_request(
            Code::ParameterInvalid,
            "this page of the list does not exist: start with the newest",
        )
    };
    let after: Option<EventId> = fields
        .text("cursor")
        .map(|text| text.parse().map_err(wrong))
        .transpose()?;
    let list = List::new(&session.principal, Data::clone(&services).into_inner(), filter)?;
    let mut found = list.page(after, PAGE + 1).await?;
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().map(|event| event.event_id);
    let own = match controller {
        Some(controller) => services.directory.summaries(controller),
        None => Vec::new(),
    };
    let names = names(&services, found.iter().map(|event| event.integration_id));
    let live = match did {
        Some(did) => format!(
            "/live?{}",
            Serializer::new(String::new()).append_pair("did", did).finish()
        ),
        None => "/live".to_owned(),
    };
    let shell = Shell::new(&request, &session, Section::Events, "Events");
    page::render(&Events {
        shell: if after.is_none() { shell.live(live) } else { shell },
        is_operator: session.is_operator(),
        choices: choices(&asked),
        controllers: controllers(&services, &session, &asked.did).await?,
        integrations: offers(&own, &asked.integration),
        has_integrations: !own.is_empty() || session.is_operator(),
        lines: found.into_iter().map(|event| line(event, &names)).collect(),
        is_first: after.is_none(),
        newest: asked.address(&asked.status, None),
        older: last
            .filter(|_| has_more)
            .map(|last| asked.address(&asked.status, Some(last))),
        asked,
    })
}

fn choices(asked: &EventQuery) -> Vec<Choice> {
    let all = [
        ("", "All"),
        ("processed", "Processed"),
        ("rejected", "Rejected"),
        ("failed", "Failed"),
        ("duplicate", "Duplicate"),
        ("received", "In flight"),
    ];
    all.into_iter()
        .map(|(status, word)| Choice {
            word,
            href: asked.address(status, None),
            is_current: asked.status == status,
        })
        .collect()
}

pub(super) fn offers(own: &[Arc<Summary>], chosen: &str) -> Vec<Offer> {
    let offer = |summary: &Arc<Summary>| Offer {
        value: summary.id.to_string(),
        word: summary.name.clone(),
        is_chosen: summary.id.to_string() == chosen,
    };
    own.iter().take(MAX_OFFERED).map(offer).collect()
}

/// Returns the controllers that an operator may choose from, and none for others.
pub(super) async fn controllers(services: &Services, session: &Session, chosen: &str) -> Result<Vec<Offer>, Problem> {
    if !session.is_operator() {
        return Ok(Vec::new());
    }
    let page = Page {
        after: None,
        limit: MAX_OFFERED,
    };
    let mut rows = app::controllers::list(&session.principal, services, page).await?;
    // The chosen one is always among them, or the field would say another.
    if !chosen.is_empty() && !rows.iter().any(|row| row.did.as_str() == chosen) {
        rows.extend(app::controllers::load(&session.principal, services, chosen).await.ok());
    }
    let offer = |row: &ControllerRow| Offer {
        value: row.did.to_string(),
        word: row.name.clone(),
        is_chosen: row.did.as_str() == chosen,
    };
    Ok(rows.iter().map(offer).collect())
}

/// Returns the names of integrations, of those that are not gone.
pub(super) fn names(
    services: &Services,
    wanted: impl Iterator<Item = IntegrationId>,
) -> HashMap<IntegrationId, String> {
    let named = wanted.filter_map(|id| Some((id, services.directory.summary(id)?.name.clone())));
    named.collect()
}

fn line(event: EventView, names: &HashMap<IntegrationId, String>) -> EventItem {
    EventItem {
        badge: Badge(event.status),
        received: Time(event.received_at),
        integration: names.get(&event.integration_id).cloned(),
        subject: event.subject.as_deref().map(short),
        why: why(&event),
        event,
    }
}

/// Describes in a few words why it ended so, or its first warning. Returns `None` if there is neither.
fn why(event: &EventView) -> Option<String> {
    let (notices, start) = if event.reasons.is_empty() {
        (&event.warnings, "Warning: ")
    } else {
        (&event.reasons, "")
    };
    let first = &notices.first()?.message;
    Some(match notices.len() - 1 {
        0 => format!("{start}{first}"),
        more => format!("{start}{first} (and {more} more)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_taken_as_it_is_shown_and_as_a_field_gives_it() {
        let expected = Timestamp::parse_rfc3339("2026-04-06T10:30:00Z");
        for text in [
            "2026-04-06T10:30",
            "2026-04-06T10:30:00",
            "2026-04-06 10:30:00 UTC",
            "2026-04-06T12:30:00+02:00",
        ] {
            assert_eq!(moment(text).unwrap(), expected, "{text}");
            assert_eq!(as_field(text), "2026-04-06T10:30", "{text}");
        }
        assert_eq!(as_field("2026-04-06 10:30:07 UTC"), "2026-04-06T10:30:07");
        assert!(moment("yesterday").is_err() && moment("").unwrap().is_none());
        assert_eq!(as_field("yesterday"), "yesterday");
    }

    #[test]
    fn the_end_of_a_span_takes_in_what_was_shown_with_it() {
        for (text, expected) in [
            ("2026-04-06T10:30", "2026-04-06T10:30:59.999Z"),
            ("2026-04-06T10:30:07", "2026-04-06T10:30:07.999Z"),
            ("2026-04-06 10:30:07 UTC", "2026-04-06T10:30:07.999Z"),
            ("2026-04-06T10:30:07.250Z", "2026-04-06T10:30:07.250Z"),
        ] {
            assert_eq!(last_moment(text).unwrap(), Timestamp::parse_rfc3339(expected), "{text}");
        }
        assert!(last_moment("").unwrap().is_none());
    }
}
