//! Limits of a controller.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::limits::{LimitOverrides, Limits};
use conduit_actors::whole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json;
use crate::app::limits::{self, ControllerLimits};
use crate::app::{Principal, Services};
use crate::http::body::Body;
use crate::http::conditional::{etag, expected_version};
use crate::http::guard::Operator;
use crate::http::problem::Problem;

/// Limits of one controller: a missing or null field takes the configured limit for all, 0 is off.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "LimitsChange")]
pub(super) struct LimitsBody {
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

impl LimitsBody {
    fn overrides(&self) -> LimitOverrides {
        LimitOverrides {
            events_per_second: self.events_per_second,
            burst: self.burst,
            backlog_events: self.backlog_events,
        }
    }
}

/// The limits of a controller. 0: no limit.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Limits")]
pub(super) struct LimitsInForce {
    /// Events per second, in the long run, at each node.
    events_per_second: u32,
    /// Events that may come at once, after a pause; 0: as many as in one second.
    burst: u32,
    /// Events that may be accepted and not processed yet.
    backlog_events: u64,
}

impl From<Limits> for LimitsInForce {
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
pub(super) struct LimitsView {
    #[serde(flatten)]
    in_force: LimitsInForce,
    /// The limits that were set for it. The others are the configured limits for all.
    overrides: LimitOverrides,
    /// For `If-Match`; 0: never set.
    version: u64,
}

/// Events refused by the limits, by code, by this node since its start.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Refused")]
pub(super) struct RefusalCounts {
    /// By the rate.
    rate_limit_exceeded: u64,
    /// By the backlog.
    backlog_limit_exceeded: u64,
}

impl From<&conduit_actors::limits::Refused> for RefusalCounts {
    fn from(refused: &conduit_actors::limits::Refused) -> Self {
        Self {
            rate_limit_exceeded: refused.by_rate(),
            backlog_limit_exceeded: refused.by_backlog(),
        }
    }
}

fn answer(services: &Services, limits: ControllerLimits) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(limits.version)).json(LimitsView {
        in_force: limits.in_force(services).into(),
        overrides: limits.overrides,
        version: limits.version,
    })
}

/// Answers `GET /api/v1/controllers/{did}/limits`.
pub(super) async fn get(
    principal: Principal,
    services: Data<Services>,
    did: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (_, controller) = principal.one(&services, Some(&did))?;
    Ok(answer(
        &services,
        limits::load(&principal, &services, controller).await?,
    ))
}

/// Answers `PUT /api/v1/controllers/{did}/limits`.
pub(super) async fn put(
    Operator(principal): Operator,
    services: Data<Services>,
    request: HttpRequest,
    did: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let (did, controller) = principal.one(&services, Some(&did))?;
    let sent: LimitsBody = json::read(&body)?;
    let overrides = sent.overrides();
    limits::check(&overrides)?;
    let current = limits::load(&principal, &services, controller).await?;
    let expected = expected_version(&request, (current.version, &etag(current.version).1), sent.version)?;
    let limits = limits::set(&principal, &services, (&did, controller), overrides, expected).await?;
    Ok(answer(&services, limits))
}
