//! What a controller may send: set by the operator, shown to the controller.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::Notice;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::{LimitOverrides, Limits};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::Principal;
use super::integrations::{etag, expected_version};
use super::paging;
use super::problem::Problem;
use super::state::App;

/// What is left out or null is as configured.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sent {
    events_per_second: Option<u32>,
    burst: Option<u32>,
    backlog_events: Option<u64>,
    version: Option<u64>,
}

impl Sent {
    fn check(&self) -> Result<LimitOverrides, Problem> {
        let number = u64::from(Limits::MAX_EVENTS);
        let ranges = [
            ("/eventsPerSecond", self.events_per_second.map(u64::from), number),
            ("/burst", self.burst.map(u64::from), number),
            ("/backlogEvents", self.backlog_events, Limits::MAX_BACKLOG),
        ];
        let wrong: Vec<Notice> = ranges
            .into_iter()
            .filter(|(_, value, most)| value.is_some_and(|value| value > *most))
            .map(|(pointer, _, most)| Notice::new(pointer, "limits_invalid", format!("must be 0 (off) to {most}")))
            .collect();
        if wrong.is_empty() {
            return Ok(LimitOverrides {
                events_per_second: self.events_per_second,
                burst: self.burst,
                backlog_events: self.backlog_events,
            });
        }
        Err(Problem::bad_request("limits_invalid", "a limit is out of its range").with_errors(wrong))
    }
}

/// The three, as they are everywhere.
pub(super) fn shown(limits: Limits) -> Value {
    json!({
        "eventsPerSecond": limits.events_per_second,
        "burst": limits.burst,
        "backlogEvents": limits.backlog_events,
    })
}

fn answer(app: &App, overrides: LimitOverrides, version: u64) -> HttpResponse {
    let mut body = shown(overrides.over(app.directory.limits()));
    body["overrides"] = json!(overrides);
    body["version"] = json!(version);
    HttpResponse::Ok().insert_header(etag(version)).json(body)
}

async fn stored(app: &App, controller: ControllerId) -> Result<(LimitOverrides, u64), Problem> {
    let row = app.store.limits(Some(controller)).await?.pop();
    Ok(row.map_or_else(Default::default, |row| (row.overrides, row.version)))
}

/// `GET /api/v1/controllers/{did}/limits`
pub(super) async fn get(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
    let (_, controller) = principal.one(&app, Some(&did))?;
    let (overrides, version) = stored(&app, controller).await?;
    Ok(answer(&app, overrides, version))
}

/// `PUT /api/v1/controllers/{did}/limits`
pub(super) async fn put(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    did: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    let (did, controller) = principal.one(&app, Some(&did))?;
    let sent: Sent = paging::json(&body)?;
    let overrides = sent.check()?;
    let expected = expected_version(&request, sent.version)?;
    let version = app.store.set_limits(controller, expected, &overrides).await?;
    app.directory.refresh(&*app.store, &did).await?;
    tracing::info!(did = did.as_str(), version, "limits set");
    Ok(answer(&app, overrides, version))
}
