//! Replays of rejected and failed events under the mapping as it stands now.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerDid, ReplayId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::cursor::Cursors;
use super::json;
use super::paging::Items;
use crate::app::{Error, Noun, Principal, Services, replays};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::{self, Page, ReplayFilter, ReplayRow, ReplayStatus};

/// A replay.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replay {
    /// Its id.
    replay_id: ReplayId,
    /// The controller whose events it runs again.
    did: ControllerDid,
    /// Which of them.
    filter: ReplayFilter,
    /// How far it has come.
    status: ReplayStatus,
    /// Events that matched when it began.
    matching: u64,
    /// Finished events among them.
    done: u64,
    /// Events that were processed.
    processed: u64,
    /// those that repeat another event,
    duplicate: u64,
    /// those that were rejected again,
    rejected: u64,
    /// those that failed again,
    failed: u64,
    /// and those left as they were: their payload is gone, or another replay was first.
    skipped: u64,
    /// When it began.
    started_at: Timestamp,
    /// When it ended.
    ended_at: Option<Timestamp>,
}

/// The result of a replay's filter.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayEstimate {
    /// Events that match.
    matching: u64,
    /// Events among them whose payload still exists.
    replayable: u64,
    /// When the oldest of these was received.
    oldest: Option<Timestamp>,
    /// And the newest.
    newest: Option<Timestamp>,
}

impl Replay {
    /// Returns `None` if the controller is gone.
    fn new(services: &Services, row: ReplayRow) -> Option<Self> {
        let done = row.done();
        Some(Self {
            replay_id: row.id,
            did: services.directory.did(row.controller)?,
            filter: row.filter,
            status: row.status,
            // Events that were in flight at the start may have come to match since.
            matching: row.matching.max(done),
            done,
            processed: row.processed,
            duplicate: row.duplicate,
            rejected: row.rejected,
            failed: row.failed,
            skipped: row.skipped,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

impl From<store::ReplayEstimate> for ReplayEstimate {
    fn from(estimate: store::ReplayEstimate) -> Self {
        Self {
            matching: estimate.matching,
            replayable: estimate.replayable,
            oldest: estimate.oldest.map(|event| event.received_at()),
            newest: estimate.newest.map(|event| event.received_at()),
        }
    }
}

/// Answers `POST /api/v1/events/replay`: starts a replay or, with `estimate=true`, returns the events that it would
/// find.
pub(super) async fn create(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "estimate"])?;
    let (_, controller) = principal.one(&services, query.get("did"))?;
    let only_estimate = query.flag("estimate")?;
    let filter = read(&body)?;
    if only_estimate {
        let estimate = replays::estimate(&principal, &services, controller, &filter).await?;
        return Ok(HttpResponse::Ok().json(ReplayEstimate::from(estimate)));
    }
    accepted(
        &services,
        replays::create(&principal, &services, controller, filter).await?,
    )
}

/// Reads a filter; an empty body is one that says nothing.
fn read(body: &[u8]) -> Result<ReplayFilter, Problem> {
    let filter: ReplayFilter = match body {
        [] => ReplayFilter::default(),
        body => json::read(body)?,
    };
    replays::check(&filter)?;
    Ok(filter)
}

fn accepted(services: &Services, row: ReplayRow) -> Result<HttpResponse, Problem> {
    let location = format!("/api/v1/replays/{}", row.id);
    let replay = Replay::new(services, row).ok_or(Error::NotFound(Noun::Controller))?;
    Ok(HttpResponse::Accepted()
        .insert_header((LOCATION, location))
        .json(replay))
}

/// Answers `POST /api/v1/events/{eventId}/replay`.
pub(super) async fn create_for_event(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let named = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    accepted(
        &services,
        replays::create_for_event(&principal, &services, named, &id).await?,
    )
}

/// Answers `GET /api/v1/replays`, newest first.
pub(super) async fn list(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor"])?;
    let controller = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    let cursors = Cursors::of_query("replays", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<ReplayId>(&query)?);
    let page = Page {
        after,
        limit: limit + 1,
    };
    let rows = replays::list(&principal, &services, controller, page).await?;
    let found: Vec<Replay> = rows.into_iter().filter_map(|row| Replay::new(&services, row)).collect();
    Ok(HttpResponse::Ok().json(Items::page(found, limit, |replay| cursors.write(&replay.replay_id))))
}

/// Answers `GET /api/v1/replays/{replayId}`.
pub(super) async fn get(
    principal: Principal,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let row = replays::load(&principal, &services, &id).await?;
    let replay = Replay::new(&services, row).ok_or(Error::NotFound(Noun::Replay))?;
    Ok(HttpResponse::Ok().json(replay))
}

/// Answers `POST /api/v1/replays/{replayId}/cancel`: finished events keep their new outcomes. An ended replay does not
/// change.
pub(super) async fn cancel(
    principal: Principal,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    replays::cancel(&principal, &services, &id).await?;
    get(principal, services, id).await
}
