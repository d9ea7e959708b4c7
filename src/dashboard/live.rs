//! What keeps a page up to date: server-sent events (HTML Living Standard, 9.2) that say no more than that something has
//! changed. The page is then read again, so that there is one way in which things are shown.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerId, Timestamp};
use futures_util::stream;

use super::fields::Fields;
use super::guard::Session;
use super::session::{Sessions, Ticket};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::stats::{self, Sums};

/// How often it is looked whether something has changed, and whether the session goes on.
const LOOK: Duration = Duration::from_secs(1);
/// Looks without news after which a line is sent all the same, so that no proxy takes the connection for dead.
const QUIET_LOOKS: u32 = 15;

/// A place among the pages that are kept up to date, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(places));
        (places.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Watch {
    app: Data<App>,
    ticket: Ticket,
    controller: Option<ControllerId>,
    /// Always has news: gauges that nobody counts.
    is_restless: bool,
    seen: Option<Sums>,
    quiet: u32,
    has_ended: bool,
    _place: Place,
}

/// `GET /live`
pub(super) async fn get(session: Session, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let controller = session.principal.some(&app, fields.text("did"))?.map(|(_, id)| id);
    let place = Place::take(&app.dashboard.live, app.config.dashboard.max_live).ok_or_else(|| {
        let detail = "as many pages are kept up to date as dashboard.max_live allows: load the page again to see news";
        Problem::unavailable("live_full", detail)
    })?;
    let watch = Watch {
        ticket: session.ticket,
        controller,
        is_restless: fields.get("of") == Some("supervision"),
        seen: None,
        quiet: 0,
        has_ended: false,
        app,
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
            self.seen = Some(self.sums().await.unwrap_or(NOTHING));
            return Some((Ok(Bytes::from_static(b"retry: 2000\n\n")), self));
        }
        loop {
            tokio::time::sleep(LOOK).await;
            if self.app.is_stopping() {
                return None;
            }
            if !self.may_see() {
                self.has_ended = true;
                return Some((Ok(Bytes::from_static(b"event: ended\ndata:\n\n")), self));
            }
            self.quiet += 1;
            let sums = self.sums().await;
            if self.is_restless || sums.is_some_and(|sums| self.seen != Some(sums)) {
                self.seen = sums.or(self.seen);
                self.quiet = 0;
                return Some((Ok(Bytes::from_static(b"event: changed\ndata:\n\n")), self));
            }
            if self.quiet >= QUIET_LOOKS {
                self.quiet = 0;
                return Some((Ok(Bytes::from_static(b": nothing new\n\n")), self));
            }
        }
    }

    /// Whether the session goes on; a page that is open alone does not keep it from becoming idle.
    fn may_see(&self) -> bool {
        self.app.dashboard.sessions.is_open(&self.ticket, Timestamp::now())
            && Sessions::principal(&self.app, &self.ticket).is_some()
    }

    /// None while the database is away: there is no news then.
    async fn sums(&self) -> Option<Sums> {
        stats::sums(&self.app, self.controller).await.ok()
    }
}

const NOTHING: Sums = Sums {
    accepted: 0,
    processed: 0,
    duplicate: 0,
    rejected: 0,
    failed: 0,
    in_flight: 0,
};
