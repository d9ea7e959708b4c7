//! Live updates: server-sent events (HTML Living Standard, 9.2) that say only that something has changed. The page then
//! reloads, so each fact is rendered in one way.

pub(super) mod places;

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::admission::InFlight;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use futures_util::stream;

use self::places::{Limit, Place};
use super::fields::Fields;
use super::guard::Session;
use super::session::Sessions;
use super::state::State;
use crate::app::Services;
use crate::app::events;
use crate::app::readiness::{self, Check};
use crate::app::statistics::{self, Sums};
use crate::code::Code;
use crate::http::problem::Problem;
use crate::store::{EventFilter, Page};

/// Where the stream is.
pub(super) const PATH: &str = "/live";
/// How often it is looked whether something has changed, and whether the session goes on.
const LOOK: Duration = Duration::from_secs(1);
/// How long the totals may take. Meanwhile events in flight age, and the page should show that.
const PATIENCE: Duration = Duration::from_secs(2);
/// Looks without news after which there is news all the same: charts move on, notices run out, and no proxy takes the
/// connection for dead.
const QUIET_LOOKS: u32 = 15;

/// The data that decides about a change.
#[derive(PartialEq, Eq)]
struct Sight {
    /// None while the database does not say.
    events: Option<Progress>,
    /// How each part is, for those who are shown it.
    parts: Vec<Check>,
    /// Something is in flight: how long it has waited is news at every look.
    is_moving: bool,
}

impl Sight {
    /// Returns whether the page changes by the mere passing of time.
    fn is_restless(&self) -> bool {
        self.is_moving || self.events.is_none() || self.parts.iter().any(|part| part.status != "ready")
    }
}

/// The progress of events. To read it costs the same for any number of controllers.
#[derive(PartialEq, Eq)]
enum Progress {
    /// The sums of one controller.
    Of(Sums),
    /// The events in flight at this node, and the newest event that any node has processed.
    All(InFlight, Option<EventId>),
}

struct Watch {
    services: Data<Services>,
    state: Data<State>,
    session: Session,
    controller: Option<ControllerId>,
    /// Always has news: gauges that nobody counts.
    is_restless: bool,
    seen: Option<Sight>,
    quiet: u32,
    has_ended: bool,
    _place: Place,
}

/// Answers `GET /live`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let controller = session.principal.some(&services, fields.text("did"))?.map(|(_, id)| id);
    let place = state.live.take(session.ticket.id(), &session.principal);
    let place = place.map_err(|taken| {
        let (whose, setting) = match taken {
            Limit::All => ("pages", "max_live"),
            Limit::BySession => ("pages of this session", "max_live_per_session"),
            Limit::ByController => ("pages of this controller", "max_live_per_controller"),
        };
        let detail = format!(
            "the limit dashboard.{setting} of live {whose} is reached: close a live page, or reload this page to see news"
        );
        Problem::unavailable(Code::LiveFull, detail)
    })?;
    let watch = Watch {
        session,
        controller,
        is_restless: fields.get("of") == Some("supervision"),
        seen: None,
        quiet: 0,
        has_ended: false,
        services,
        state,
        _place: place,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies that collect answers before they pass them on are told not to.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(stream::unfold(watch, |watch| watch.next()))))
}

impl Watch {
    /// Waits for the next thing to say.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.has_ended {
            return None;
        }
        // The first line opens the stream for the browser; a lost connection is tried again after two seconds.
        if self.seen.is_none() {
            self.seen = Some(self.look().await);
            return Some((Ok(Bytes::from_static(b"retry: 2000\n\n")), self));
        }
        loop {
            tokio::time::sleep(LOOK).await;
            if self.services.is_stopping() {
                return None;
            }
            if !self.may_see() {
                self.has_ended = true;
                return Some((Ok(Bytes::from_static(b"event: ended\ndata:\n\n")), self));
            }
            self.quiet += 1;
            let sight = self.look().await;
            let is_due = self.is_restless || self.quiet >= QUIET_LOOKS;
            if is_due || sight.is_restless() || self.seen.as_ref() != Some(&sight) {
                self.seen = Some(sight);
                self.quiet = 0;
                return Some((Ok(Bytes::from_static(b"event: changed\ndata:\n\n")), self));
            }
        }
    }

    /// Returns whether the session is active, as far as this node knows. A session that is used elsewhere has a newer
    /// cookie. So the page checks once more before it says that the session has ended.
    fn may_see(&self) -> bool {
        let ticket = &self.session.ticket;
        self.state.sessions.is_open(ticket, Timestamp::now()) && Sessions::principal(&self.services, ticket).is_some()
    }

    async fn look(&self) -> Sight {
        let events = match self.services.database.away() {
            Some(_) => None,
            None => tokio::time::timeout(PATIENCE, self.events()).await.ok().flatten(),
        };
        let journal = &self.services.journal;
        Sight {
            events,
            parts: match self.session.is_operator() {
                true => readiness::parts(&self.services),
                false => Vec::new(),
            },
            is_moving: match self.controller {
                Some(controller) => {
                    let position = journal.position(controller);
                    position.last > position.released
                }
                None => journal.in_flight().events > 0,
            },
        }
    }

    async fn events(&self) -> Option<Progress> {
        let (principal, services) = (&self.session.principal, &self.services);
        if let Some(controller) = self.controller {
            let sums = statistics::sums(principal, services, Some(controller)).await;
            return sums.ok().map(Progress::Of);
        }
        let page = Page { after: None, limit: 1 };
        let newest = events::with_outcome(principal, services, &EventFilter::default(), page).await;
        let newest = newest.ok()?.first().map(|event| event.id);
        Some(Progress::All(services.journal.in_flight(), newest))
    }
}
