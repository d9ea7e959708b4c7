//! Probes: is the process alive, and may it be sent events.
//!
//! They answer from what is in memory, in a millisecond or less, whatever is away: an orchestrator gives a probe a second,
//! and then takes the node out of service.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use conduit_actors::ports::Directory as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::state::App;
use crate::counts::{counted, thousands};
use crate::dedup::DedupPlace;
use crate::metrics;

/// Other nodes' changes are seen sooner than this, unless something is wrong.
const UNREAD: Duration = Duration::from_secs(5);

/// One part's readiness.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Check {
    /// The part.
    pub(crate) name: &'static str,
    /// `ready`, `degraded` or `unavailable`.
    pub(crate) status: &'static str,
    /// What it is at, or why it is not ready.
    pub(crate) detail: String,
}

/// Whether events may be sent here.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// The worst of the checks: `ready`, `degraded` or `unavailable`.
    pub(crate) status: &'static str,
    /// The parts.
    pub(crate) checks: Vec<Check>,
}

/// The process answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Alive {
    /// `alive`.
    status: &'static str,
}

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "alive" })
}

/// `GET /metrics`: in the text format of Prometheus.
pub(crate) async fn metrics(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(metrics::MEDIA_TYPE)
        .body(app.metrics.text())
}

/// `GET /readyz`. `ready` and `degraded` (200): events are accepted. `unavailable` (503): send them elsewhere.
pub(crate) async fn ready(app: Data<App>) -> HttpResponse {
    let readiness = readiness(&app);
    let mut response = if readiness.status == "unavailable" {
        HttpResponse::ServiceUnavailable()
    } else {
        HttpResponse::Ok()
    };
    response.json(readiness)
}

/// How each part is.
pub(crate) fn readiness(app: &App) -> Readiness {
    let mut checks = parts(app);
    checks.push(database(app));
    if app.is_stopping() {
        checks.push(Check {
            name: "process",
            status: "unavailable",
            detail: "stopping".to_owned(),
        });
    }
    let worst = |status| checks.iter().any(|check| check.status == status);
    let status = if worst("unavailable") {
        "unavailable"
    } else if worst("degraded") {
        "degraded"
    } else {
        "ready"
    };
    Readiness { status, checks }
}

/// How each part is that is known of without asking anybody.
pub(crate) fn parts(app: &App) -> Vec<Check> {
    vec![shards(app), journal(app), dedup(app), directory(app)]
}

fn check(name: &'static str, status: &'static str, detail: impl Into<String>) -> Check {
    Check {
        name,
        status,
        detail: detail.into(),
    }
}

fn shards(app: &App) -> Check {
    let report = app.shards.report();
    if let Some(shard) = report.iter().find(|shard| !shard.healthy) {
        let over = shard
            .actors
            .iter()
            .find(|actor| actor.over_budget)
            .map_or("an actor", |actor| actor.actor);
        let detail = format!(
            "shard {}: {over} has spent its restart budget; see the supervision log",
            shard.shard
        );
        return check("shards", "unavailable", detail);
    }
    match report
        .iter()
        .find_map(|shard| shard.dispatcher.waiting.as_ref().map(|waiting| (shard.shard, waiting)))
    {
        Some((shard, waiting)) => {
            let detail = format!("shard {shard} waits since {}: {}", waiting.since, waiting.cause);
            check("shards", "degraded", detail)
        }
        None => check("shards", "ready", format!("{} running", report.len())),
    }
}

fn journal(app: &App) -> Check {
    let report = app.journal.report();
    if report.refusing {
        return check("journal", "unavailable", "the disk refuses writes");
    }
    if report.full {
        return check("journal", "unavailable", "full: the pipeline is behind");
    }
    if report.full_controllers > 0 {
        let many = counted(report.full_controllers as u64, "controller has", "controllers have");
        let detail = format!("{many} as many bytes in flight as journal.max_bytes_per_controller allows");
        return check("journal", "degraded", detail);
    }
    check(
        "journal",
        "ready",
        counted(report.in_flight_events, "event in flight", "events in flight"),
    )
}

fn dedup(app: &App) -> Check {
    let (place, report) = (app.dedup.place(), app.dedup.report());
    let evicts = app.dedup.eviction().is_some_and(|eviction| eviction.is_limited);
    let is_well = !report.full && !evicts && !matches!(place, DedupPlace::InProcessUntilRedisIsBack(_));
    let most = counted(report.max_claims as u64, "claim", "claims");
    let detail = format!(
        "{}; in memory {} of {most}",
        app.dedup.description(),
        thousands(report.claims as u64)
    );
    check("dedup", if is_well { "ready" } else { "degraded" }, detail)
}

fn directory(app: &App) -> Check {
    let (age, count) = (app.directory.age(), app.directory.len());
    if !app.directory.is_reliable() {
        let detail = format!("not read for {} s: too long to rely on it", age.as_secs());
        return check("directory", "unavailable", detail);
    }
    if app.store.change_feed().is_some() && age > UNREAD {
        return check("directory", "degraded", format!("not read for {} s", age.as_secs()));
    }
    check("directory", "ready", counted(count as u64, "controller", "controllers"))
}

fn database(app: &App) -> Check {
    match app.database.away() {
        None => check("database", "ready", "answers"),
        Some(away) => check(
            "database",
            "degraded",
            format!("away since {}: {}", away.since, away.cause),
        ),
    }
}
