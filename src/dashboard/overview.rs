//! The overview: how much, what became of it, and what needs somebody.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, Timestamp};

use super::attention::{self, Item};
use super::chart::{Chart, Span};
use super::fields::Fields;
use super::filters;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Badge, Icon, Number, duration};
use crate::app::Services;
use crate::app::readiness::{self, Readiness};
use crate::app::statistics::{self, Sums};
use crate::http::problem::Problem;

struct Tile {
    word: &'static str,
    class: &'static str,
    icon: Icon,
    count: Number,
    note: String,
    href: &'static str,
}

struct Choice {
    span: Span,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    is_operator: bool,
    tiles: Vec<Tile>,
    choices: Vec<Choice>,
    chart: Chart,
    sums: [Number; 4],
    attention: Vec<Item>,
    readiness: Option<Readiness>,
    has_integrations: bool,
    has_controllers: bool,
}

/// Answers `GET /overview`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let span = fields.get("range").and_then(Span::read).unwrap_or(Span::Day);
    let controller = session.principal.some(&services, None)?.map(|(_, id)| id);
    let now = Timestamp::now();
    let history = statistics::history(
        &session.principal,
        &services,
        controller,
        span.resolution(),
        span.from(now),
    )
    .await?;
    let chart = Chart::new(span, now, &history);
    let sums = statistics::sums(&session.principal, &services, controller).await?;
    let is_operator = session.is_operator();
    let readiness = match is_operator {
        true => Some(readiness::readiness(&services)),
        false => None,
    };
    page::render(&Overview {
        shell: Shell::new(&request, &session, Section::Overview, "Overview").live("/live"),
        tiles: tiles(&sums, oldest(&services, controller)),
        choices: Span::ALL
            .into_iter()
            .map(|choice| Choice {
                span: choice,
                is_current: choice == span,
            })
            .collect(),
        sums: chart.sums().into_array().map(Number),
        chart,
        attention: attention::items(&session.principal, &services, controller, readiness.as_ref()).await?,
        readiness,
        has_integrations: services.directory.has_integrations(controller),
        has_controllers: !services.directory.is_empty(),
        is_operator,
    })
}

/// Returns the age of the oldest event in flight here. Returns `None` without one.
fn oldest(services: &Services, controller: Option<ControllerId>) -> Option<i64> {
    let received = match controller {
        None => services.journal.oldest_in_flight(),
        Some(controller) => {
            let released = services.journal.position(controller).released;
            let head = services.journal.read(controller, released, 1, 0).ok()?.pop();
            head.map(|head| head.event.id.received_at())
        }
    };
    Some(Timestamp::now().as_millis() - received?.as_millis())
}

fn tiles(sums: &Sums, oldest: Option<i64>) -> Vec<Tile> {
    let outcome = |status: Status, count: u64| Tile {
        word: Badge(status).word(),
        class: status.as_str(),
        icon: Badge(status).icon(),
        count: Number(count),
        note: share(count, sums.accepted),
        href: match status {
            Status::Received => "/events?status=received",
            Status::Processed => "/events?status=processed",
            Status::Duplicate => "/events?status=duplicate",
            Status::Rejected => "/events?status=rejected",
            Status::Failed => "/events?status=failed",
        },
    };
    let accepted = Tile {
        word: "Accepted",
        class: "accepted",
        icon: Icon("inbox"),
        count: Number(sums.accepted),
        note: "in all".to_owned(),
        href: "/events",
    };
    let note = oldest.map(|millis| format!("oldest {}", duration(millis)));
    let in_flight = Tile {
        note: note.unwrap_or_else(|| "nothing waits".to_owned()),
        ..outcome(Status::Received, sums.in_flight)
    };
    vec![
        accepted,
        outcome(Status::Processed, sums.processed),
        outcome(Status::Duplicate, sums.duplicate),
        outcome(Status::Rejected, sums.rejected),
        outcome(Status::Failed, sums.failed),
        in_flight,
    ]
}

#[allow(clippy::cast_precision_loss)] // A percentage.
fn share(count: u64, of: u64) -> String {
    match (count, of) {
        (_, 0) | (0, _) => "none".to_owned(),
        _ => match count as f64 / of as f64 * 100.0 {
            percent if percent < 0.1 => "under 0.1 %".to_owned(),
            percent => format!("{percent:.1} %"),
        },
    }
}
