//! The page while the database is away: the available data, and the missing parts.

use actix_web::http::{Method, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::Status;
use conduit_actors::ids::IntegrationId;

use super::filters;
use super::guard::{self, Session};
use super::page::{self, Section, Shell, segment};
use super::words::{Icon, Time};
use crate::app::List as _;
use crate::app::Services;
use crate::app::events::Event as EventView;
use crate::app::events::Events;
use crate::app::readiness::Away;
use crate::app::readiness::{self, Readiness};
use crate::counts::counted;
use crate::store::EventFilter;

/// Events in flight that are shown.
const EVENTS: usize = 20;
/// Controllers and integrations that are shown.
const NAMES: usize = 50;
/// When to try again, in seconds.
const RETRY_AFTER: &str = "5";

/// A page that cannot be shown in full.
struct Partial {
    section: Section,
    title: &'static str,
    /// The parts that it would have shown.
    missing: &'static str,
    /// Whether there is anything of the page without the database.
    has_something: bool,
}

impl Partial {
    /// Returns the page at an address, or `None` if it needs no database or reports the outage itself.
    fn at(path: &str) -> Option<Self> {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let (section, title, missing) = match first {
            "overview" => (
                Section::Overview,
                "Overview",
                "the totals, the chart, and rejected events and credentials that need attention",
            ),
            "events" => (Section::Events, "Events", "the events with an outcome"),
            "integrations" => (
                Section::Integrations,
                "Integrations",
                "the names, mappings and credentials of integrations",
            ),
            "subjects" => (Section::Subjects, "Data subjects", "the data subjects"),
            "activities" => (Section::Activities, "Activity log", "the activities"),
            "controllers" => (
                Section::Controllers,
                "Controllers",
                "the names, totals and credentials of controllers",
            ),
            _ => return None,
        };
        Some(Self {
            section,
            title,
            missing,
            has_something: path.trim_matches('/') == first,
        })
    }
}

struct Pending {
    event: EventView,
    received: Time,
}

struct Controller {
    did: String,
    segment: String,
}

struct Integration {
    id: IntegrationId,
    processor: String,
    did: String,
}

#[derive(Template)]
#[template(path = "away.html")]
struct Page {
    shell: Shell,
    title: &'static str,
    missing: &'static str,
    here: String,
    /// `None` if the database answers, but not the question of this page.
    away: Option<(Time, String)>,
    acceptance: String,
    /// How many there are, in words.
    in_flight: String,
    pending: Vec<Pending>,
    controllers: Option<Vec<Controller>>,
    integrations: Option<Vec<Integration>>,
    readiness: Option<Readiness>,
}

/// Describes the fate of events that are sent now. The absence of the database alone refuses none.
pub(super) fn acceptance(readiness: &Readiness) -> String {
    let refused = readiness.checks.iter().find(|check| check.status == "unavailable");
    match refused {
        Some(check) => format!(
            "Events are refused now: {} is unavailable ({}).",
            check.name, check.detail
        ),
        None => "Events are accepted and wait in the journal.".to_owned(),
    }
}

/// Returns the page to show instead of the requested one, if the database is known to be away and the page needs it. A
/// visitor without a session is redirected by the page itself.
pub(super) async fn instead(request: &HttpRequest) -> Option<HttpResponse> {
    let services = request.app_data::<Data<Services>>()?;
    let away = services.database.away()?;
    // An event in flight has a page of its own, which needs the journal only.
    if request.path().starts_with("/events/") {
        return None;
    }
    of(request, services, Some(away)).await
}

/// Returns the page to show instead of one for which the database did not answer.
pub(super) async fn after_all(request: &HttpRequest) -> Option<HttpResponse> {
    let services = request.app_data::<Data<Services>>()?;
    of(request, services, services.database.away()).await
}

async fn of(request: &HttpRequest, services: &Data<Services>, away: Option<Away>) -> Option<HttpResponse> {
    if request.method() != Method::GET || !guard::is_html_wanted(request) {
        return None;
    }
    let partial = Partial::at(request.path())?;
    let session = guard::signed_in(request).ok()?;
    let controller = session.principal.some(services, None).ok()?.map(|(_, id)| id);
    let readiness = readiness::readiness(services);
    let filter = EventFilter {
        controller,
        // These are in the journal alone.
        status: Some(Status::Received),
        ..EventFilter::default()
    };
    let pending = match Events::new(&session.principal, Data::clone(services).into_inner(), filter) {
        Ok(events) => events.page(None, EVENTS).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let pending = pending.into_iter().map(|event| Pending {
        received: Time(event.received_at),
        event,
    });
    let here = request
        .uri()
        .path_and_query()
        .map_or("/overview", |found| found.as_str());
    let page = Page {
        shell: Shell::new(request, &session, partial.section, partial.title),
        title: partial.title,
        missing: partial.missing,
        here: here.to_owned(),
        away: away.map(|away| (Time(away.since), away.cause)),
        acceptance: acceptance(&readiness),
        in_flight: counted(services.in_flight(controller), "event in flight", "events in flight"),
        pending: pending.collect(),
        controllers: (partial.section == Section::Controllers).then(|| controllers(services, &session)),
        integrations: (partial.section == Section::Integrations).then(|| integrations(services, &session)),
        readiness: session.is_operator().then_some(readiness),
    };
    let mut response = if partial.has_something {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
    page::render_as(response, &page).ok()
}

fn controllers(services: &Services, session: &Session) -> Vec<Controller> {
    let seen = services.directory.controllers().into_iter();
    let mut seen: Vec<_> = seen
        .filter(|found| session.principal.sees(services, found.id))
        .collect();
    seen.sort_by(|a, b| a.did.cmp(&b.did));
    let known = seen.into_iter().take(NAMES).map(|found| Controller {
        did: found.did.to_string(),
        segment: segment(found.did.as_str()),
    });
    known.collect()
}

fn integrations(services: &Services, session: &Session) -> Vec<Integration> {
    let seen = services.directory.integrations().into_iter();
    let mut seen: Vec<_> = seen
        .filter(|found| session.principal.sees(services, found.controller.id))
        .collect();
    seen.sort_by_key(|found| std::cmp::Reverse(found.id));
    let known = seen.into_iter().take(NAMES).map(|found| Integration {
        id: found.id,
        processor: found.processor.to_string(),
        did: found.controller.did.to_string(),
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::readiness::Check;

    #[test]
    fn pages_say_what_they_lack() {
        for (path, title, has_something) in [
            ("/overview", "Overview", true),
            ("/events", "Events", true),
            ("/integrations/new", "Integrations", false),
            ("/subjects/did:conduit:1", "Data subjects", false),
        ] {
            let partial = Partial::at(path).unwrap();
            assert_eq!((partial.title, partial.has_something), (title, has_something), "{path}");
        }
        for path in ["/", "/supervision", "/sign-in", "/assets/style.css", "/live"] {
            assert!(Partial::at(path).is_none(), "{path}");
        }
    }

    #[test]
    fn nobody_is_told_that_events_are_accepted_while_they_are_not() {
        let mut readiness = Readiness {
            status: "degraded",
            checks: vec![Check {
                name: "database",
                status: "degraded",
                detail: "away".to_owned(),
            }],
        };
        assert!(acceptance(&readiness).contains("accepted"));
        readiness.checks.push(Check {
            name: "journal",
            status: "unavailable",
            detail: "full".to_owned(),
        });
        assert_eq!(
            acceptance(&readiness),
            "Events are refused now: journal is unavailable (full)."
        );
    }
}
