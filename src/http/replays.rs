//! Replays of rejected and failed events under the mapping as it stands now.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{Notice, Status};
use conduit_actors::ids::{ControllerDid, ControllerId, EventId, EventType, ReplayId, Timestamp};
use conduit_actors::ports::ReplayJob;
use schemars::JsonSchema;
use serde::Serialize;

use super::body::Body;
use super::cursor::Cursors;
use super::events;
use super::guard::Principal;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::replays;
use crate::store::{NewReplay, Page, REPLAYABLE, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus};

/// Events that a filter may name, at most.
const MAX_EVENT_IDS: usize = 1_000;

/// A replay.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Replay")]
pub(super) struct Shown {
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
    /// Of them, those that it is done with.
    done: u64,
    /// Of these, those that were processed,
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

/// What a replay would find.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReplayEstimate")]
pub(super) struct Estimate {
    /// Events that match.
    matching: u64,
    /// Of them, those whose payload is still there.
    replayable: u64,
    /// When the oldest of these was received.
    oldest: Option<Timestamp>,
    /// And the newest.
    newest: Option<Timestamp>,
}

fn shown(app: &App, row: ReplayRow) -> Option<Shown> {
    let done = row.done();
    Some(Shown {
        replay_id: row.id,
        did: app.directory.did(row.controller)?,
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

/// `POST /api/v1/events/replay`: begins a replay or, with `estimate=true`, says what it would find.
pub(super) async fn create(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "estimate"])?;
    let (_, controller) = principal.one(&app, query.get("did"))?;
    let only_estimate = query.flag("estimate")?;
    let filter = read(&body)?;
    let estimate = app.store.estimate_replay(controller, &filter).await?;
    if only_estimate {
        return Ok(HttpResponse::Ok().json(Estimate {
            matching: estimate.matching,
            replayable: estimate.replayable,
            oldest: estimate.oldest.map(|event| event.received_at()),
            newest: estimate.newest.map(|event| event.received_at()),
        }));
    }
    accepted(&app, begin(&app, controller, filter, estimate).await?)
}

/// Reads a filter; an empty body is one that says nothing.
fn read(body: &[u8]) -> Result<ReplayFilter, Problem> {
    let filter: ReplayFilter = match body {
        [] => ReplayFilter::default(),
        body => paging::json(body)?,
    };
    let mut faults = Vec::new();
    if filter.status.is_some_and(|status| !REPLAYABLE.contains(&status)) {
        let message = "must be rejected or failed: other events are not replayed";
        faults.push(Notice::of_request("/status", "filter_invalid", message));
    }
    if let Some(Err(error)) = filter.event.as_ref().map(|event| event.parse::<EventType>()) {
        faults.push(Notice::of_request("/event", "filter_invalid", error.to_string()));
    }
    if filter.event_ids.as_ref().is_some_and(|ids| ids.len() > MAX_EVENT_IDS) {
        let message = format!("must name no more than {MAX_EVENT_IDS} events: replay the others by another call");
        faults.push(Notice::of_request("/eventIds", "filter_invalid", message));
    }
    if matches!((filter.from, filter.to), (Some(from), Some(to)) if from >= to) {
        faults.push(Notice::of_request("/to", "filter_invalid", "must be later than from"));
    }
    match faults.first() {
        None => Ok(filter),
        Some(first) => {
            let detail = format!("{}: {}", first.field, first.message);
            Err(Problem::bad_request("filter_invalid", detail).with_errors(faults))
        }
    }
}

async fn begin(
    app: &App,
    controller: ControllerId,
    filter: ReplayFilter,
    estimate: ReplayEstimate,
) -> Result<ReplayRow, Problem> {
    let replay = NewReplay {
        id: ReplayId::generate(),
        controller,
        filter,
        estimate,
        started_at: Timestamp::now(),
        lease: app.config.replay.lease(),
    };
    let row = app.store.create_replay(&replay).await?;
    if row.status == ReplayStatus::Running {
        let replay = row.id;
        app.backlogs.note_replay(ReplayJob { replay, controller });
    }
    Ok(row)
}

fn accepted(app: &App, row: ReplayRow) -> Result<HttpResponse, Problem> {
    let location = format!("/api/v1/replays/{}", row.id);
    let shown = shown(app, row).ok_or_else(|| Problem::not_found("controller"))?;
    Ok(HttpResponse::Accepted().insert_header((LOCATION, location)).json(shown))
}

/// `POST /api/v1/events/{eventId}/replay`
pub(super) async fn create_for_event(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let named = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    accepted(&app, of_event(&principal, &app, named, &id).await?)
}

/// Begins a replay of one event, which may be said to be of a controller.
pub(crate) async fn of_event(
    principal: &Principal,
    app: &App,
    named: Option<ControllerId>,
    id: &str,
) -> Result<ReplayRow, Problem> {
    let missing = || Problem::not_found("event");
    let id: EventId = id.parse().map_err(|_| missing())?;
    let pending = events::is_pending(principal, app, id)?;
    let Some(row) = app.store.event(id).await? else {
        return Err(if pending { in_flight() } else { missing() });
    };
    if named.is_some_and(|controller| controller != row.controller) || !principal.sees(app, row.controller) {
        return Err(missing());
    }
    if !REPLAYABLE.contains(&row.status) {
        return Err(has_outcome(row.status));
    }
    let filter = ReplayFilter::only(id);
    let estimate = app.store.estimate_replay(row.controller, &filter).await?;
    if estimate.replayable == 0 {
        let now = app.store.event(id).await?.ok_or_else(missing)?;
        return Err(if REPLAYABLE.contains(&now.status) {
            payload_gone()
        } else {
            has_outcome(now.status)
        });
    }
    begin(app, row.controller, filter, estimate).await
}

fn in_flight() -> Problem {
    let detail = "the event is received and has no outcome yet: wait for it";
    Problem::conflict("not_replayable", detail)
}

fn has_outcome(status: Status) -> Problem {
    let detail = format!(
        "the event is {}: only rejected and failed events are replayed",
        status.as_str()
    );
    Problem::conflict("not_replayable", detail)
}

fn payload_gone() -> Problem {
    let detail = "the event's payload is gone: send the event again";
    Problem::conflict("not_replayable", detail)
}

/// `GET /api/v1/replays`, newest first.
pub(super) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let cursors = Cursors::of_query("replays", &query);
    let (limit, after) = (query.limit()?, cursors.read_from::<ReplayId>(&query)?);
    let page = Page {
        after,
        limit: limit + 1,
    };
    let rows = app.store.replays(controller, page).await?;
    let found: Vec<Shown> = rows.into_iter().filter_map(|row| shown(&app, row)).collect();
    Ok(HttpResponse::Ok().json(Items::page(found, limit, |replay| cursors.write(&replay.replay_id))))
}

async fn find(principal: &Principal, app: &App, id: &str) -> Result<ReplayRow, Problem> {
    let missing = || Problem::not_found("replay");
    let id: ReplayId = id.parse().map_err(|_| missing())?;
    let row = app.store.replay(id).await?.ok_or_else(missing)?;
    if principal.sees(app, row.controller) {
        Ok(row)
    } else {
        Err(missing())
    }
}

/// `GET /api/v1/replays/{replayId}`
pub(super) async fn get(principal: Principal, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find(&principal, &app, &id).await?;
    let shown = shown(&app, row).ok_or_else(|| Problem::not_found("replay"))?;
    Ok(HttpResponse::Ok().json(shown))
}

/// `POST /api/v1/replays/{replayId}/cancel`: what is replayed stays replayed. One that has ended stays as it is.
pub(super) async fn cancel(principal: Principal, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let row = find(&principal, &app, &id).await?;
    replays::end(&*app.store, row.id, ReplayStatus::Cancelled).await?;
    get(principal, app, id).await
}
