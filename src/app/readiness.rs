//! Whether events may be sent to this node.
//!
//! Readiness is read from memory, in a millisecond or less, during every outage. An orchestrator gives a probe a
//! second, and then takes the node out of service.

mod database;

use std::time::Duration;

use conduit_actors::ports::Directory as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::Services;
use crate::counts::{counted, thousands};
use crate::dedup::DedupPlace;
pub(crate) use database::{Away, DatabaseState, watch};

/// Other nodes' changes are seen sooner than this, unless something is wrong.
const UNREAD: Duration = Duration::from_secs(5);

/// One part's readiness.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Check {
    /// The part.
    pub(crate) name: &'static str,
    /// `ready`, `degraded` or `unavailable`.
    pub(crate) status: &'static str,
    /// The present activity, or why the part is not ready.
    pub(crate) detail: String,
}

/// The process answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Alive {
    /// `alive`.
    status: &'static str,
}

impl Alive {
    /// Returns the answer of a process that answers.
    pub(crate) const fn new() -> Self {
        Self { status: "alive" }
    }
}

/// Whether events may be sent here.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// The worst of the checks: `ready`, `degraded` or `unavailable`.
    pub(crate) status: &'static str,
    /// The parts.
    pub(crate) checks: Vec<Check>,
}

/// Returns the state of each part.
pub(crate) fn readiness(services: &Services) -> Readiness {
    let mut checks = parts(services);
    checks.push(database(services));
    if services.is_stopping() {
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

/// Returns the state of each part that is known without asking the database.
pub(crate) fn parts(services: &Services) -> Vec<Check> {
    vec![
        shards(services),
        journal(services),
        dedup(services),
        directory(services),
    ]
}

fn check(name: &'static str, status: &'static str, detail: impl Into<String>) -> Check {
    Check {
        name,
        status,
        detail: detail.into(),
    }
}

fn shards(services: &Services) -> Check {
    let report = services.shards.report();
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

fn journal(services: &Services) -> Check {
    let report = services.journal.report();
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

fn dedup(services: &Services) -> Check {
    let (place, report) = (services.dedup.place(), services.dedup.report());
    let evicts = services.dedup.eviction().is_some_and(|eviction| eviction.is_limited);
    let is_well = !report.full && !evicts && !matches!(place, DedupPlace::InProcessUntilRedisIsBack(_));
    let most = counted(report.max_claims as u64, "claim", "claims");
    let detail = format!(
        "{}; in memory {} of {most}",
        services.dedup.description(),
        thousands(report.claims as u64)
    );
    check("dedup", if is_well { "ready" } else { "degraded" }, detail)
}

fn directory(services: &Services) -> Check {
    let (age, count) = (services.directory.age(), services.directory.len());
    if !services.directory.is_reliable() {
        let detail = format!("not read for {} s: too long to rely on it", age.as_secs());
        return check("directory", "unavailable", detail);
    }
    if services.store.change_feed().is_some() && age > UNREAD {
        return check("directory", "degraded", format!("not read for {} s", age.as_secs()));
    }
    check("directory", "ready", counted(count as u64, "controller", "controllers"))
}

fn database(services: &Services) -> Check {
    match services.database.away() {
        None => check("database", "ready", "answers"),
        Some(away) => check(
            "database",
            "degraded",
            format!("away since {}: {}", away.since, away.cause),
        ),
    }
}
