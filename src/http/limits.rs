//! What a controller may send: set by the operator, shown to the controller.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::Notice;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::{LimitOverrides, Limits};
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::conditional::{etag, expected_version};
use super::guard::{Operator, Principal};
use super::paging;
use super::problem::Problem;
use super::state::App;

/// Limits of one controller: what is left out or null is as configured for all, 0 is off.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "LimitsChange")]
pub(super) struct Sent {
    /// Events per second, in the long run, at each node.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(max = Limits::MAX_EVENTS))]
    events_per_second: Option<u32>,
    /// Events that may come at once, after a pause; 0: as many as in one second.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(max = Limits::MAX_EVENTS))]
    burst: Option<u32>,
    /// Events that may be accepted and not processed yet.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(range(max = Limits::MAX_BACKLOG))]
    backlog_events: Option<u64>,
    /// The version that the change is made for; another is refused.
    #[serde(default, deserialize_with = "whole::optional")]
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
            .map(|(pointer, _, most)| {
                Notice::of_request(pointer, "limits_invalid", format!("must be 0 (off) to {most}"))
            })
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

/// What a controller may send. 0: as much as comes.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Limits")]
pub(super) struct InForce {
    /// Events per second, in the long run, at each node.
    events_per_second: u32,
    /// Events that may come at once, after a pause; 0: as many as in one second.
    burst: u32,
    /// Events that may be accepted and not processed yet.
    backlog_events: u64,
}

impl From<Limits> for InForce {
    fn from(limits: Limits) -> Self {
        Self {
            events_per_second: limits.events_per_second,
            burst: limits.burst,
            backlog_events: limits.backlog_events,
        }
    }
}

/// A controller's limits: those in force, and which of them are its own.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ControllerLimits")]
pub(super) struct Shown {
    #[serde(flatten)]
    in_force: InForce,
    /// What was set for it; the others are as configured for all.
    overrides: LimitOverrides,
    /// For `If-Match`; 0: never set.
    version: u64,
}

/// Events refused by the limits, by code, by this node since its start.
#[derive(Serialize, JsonSchema)]
pub(super) struct Refused {
    /// By the rate.
    rate_limit_exceeded: u64,
    /// By the backlog.
    backlog_limit_exceeded: u64,
}

impl From<&conduit_actors::limits::Refused> for Refused {
    fn from(refused: &conduit_actors::limits::Refused) -> Self {
        Self {
            rate_limit_exceeded: refused.by_rate(),
            backlog_limit_exceeded: refused.by_backlog(),
        }
    }
}

fn answer(app: &App, overrides: LimitOverrides, version: u64) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(version)).json(Shown {
        in_force: overrides.over(app.directory.limits()).into(),
        overrides,
        version,
    })
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
    _: Operator,
    app: Data<App>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let (did, controller) = Principal::Operator.one(&app, Some(&did))?;
    let sent: Sent = paging::json(&body)?;
    let overrides = sent.check()?;
    let (_, current) = stored(&app, controller).await?;
    let expected = expected_version(&request, current, sent.version)?;
    let version = app.store.set_limits(controller, expected, &overrides).await?;
    app.directory.refresh(&*app.store, &did).await?;
    tracing::info!(did = did.as_str(), version, "limits set");
    Ok(answer(&app, overrides, version))
}
