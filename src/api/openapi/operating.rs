//! Sums, supervision, probes, and this document.

use serde_json::{Value, json};

use super::super::stats::{Stats, Supervision};
use super::operation::{Group, Operation};
use super::parameters::Text;
use crate::api as handlers;
use crate::app::readiness::{Alive, Readiness};
use crate::metrics::MEDIA_TYPE;

fn supervision() -> Value {
    let none = json!({"rows": 0, "partitions": 0});
    let deleted = json!({"payloads": none, "events": {"rows": 120, "partitions": 0},
                         "replays": none, "activities": none});
    json!({"shards": [{"shard": 0, "healthy": true, "actors": [
                {"actor": "PiiExtractorActor", "state": "running", "generation": 1, "restarts": 0, "restartsInWindow": 0,
                 "overBudget": false, "lastFailure": null, "lastFailureAt": null, "mailboxDepth": 0, "handled": 12}],
            "dispatcher": {"batchEvents": 0, "batches": 12, "events": 340, "backlog": 0, "suspects": 0, "stalled": 0, "replays": 0, "waiting": null,
                           "blockedSeconds": {"commit": 0.42, "outage": 0.0}}}],
        "admission": {"state": "holding", "holdingSince": "2026-04-06T10:30:00.000Z", "backlogSeconds": 43,
            "maxBacklogSeconds": 40, "maxBacklogBytes": 805_306_368, "processedPerSecond": 9_200, "share": 198_000,
            "waiting": 12, "delayed": 41_240, "refused": 17,
            "overShare": [{"did": "did:web:shop.example", "inFlight": 396_000, "since": "2026-04-06T10:30:00.000Z"}]},
        "journal": {"segments": 1, "diskBytes": 1_048_576, "inFlightBytes": 0, "inFlightEvents": 0, "batches": 90,
                    "events": 340, "lastSyncMicros": 410, "refusing": false, "full": false, "maxBytes": 4_294_967_296_u64,
                    "fullestControllerBytes": 0, "maxBytesPerController": 1_073_741_824, "fullControllers": 0,
                    "retainedSegments": 2, "retainedBytes": 134_217_728, "retainedSince": "2026-03-30T10:30:00.000Z",
                    "givenUpSegments": 0},
        "oldestInFlightReceivedAt": null, "dedup": "in process", "dedupClaims": 12, "controllers": 1,
        "retention": {"isRunning": false, "lastRunAt": "2026-04-06T10:00:00.000Z", "lastRun": deleted, "total": deleted,
                      "failure": null},
        "configuration": {"readAt": "2026-04-06T10:20:00.000Z",
            "changed": [{"key": "limits.events_per_second", "before": "0", "now": "500"}],
            "needsRestart": ["server.workers"],
            "refused": {"at": "2026-04-06T10:25:00.000Z",
                        "error": "configuration: pipeline.batch_events is 0, but must be 1 to 100000"}}})
}

fn readiness(status: &str, detail: &str) -> Value {
    json!({"status": status, "checks": [{"name": "journal", "status": status, "detail": detail}]})
}

pub(super) fn group() -> Group {
    let stats = Operation::get("/api/v1/stats", "getStats", "Totals of events", handlers::stats::stats)
        .about(
            "`accepted` is the sum of the others, at every moment. `inFlight` is this node's. With `did` also the \
             controller's limits, and what this node refused by them since its start.",
        )
        .of_some_controller()
        .gives::<Stats>(
            200,
            "The sums.",
            json!({"accepted": 5, "processed": 3, "duplicate": 1, "rejected": 1, "failed": 0, "inFlight": 0,
                   "limits": {"eventsPerSecond": 200, "burst": 1000, "backlogEvents": 0},
                   "refused": {"rate_limit_exceeded": 12, "backlog_limit_exceeded": 0}}),
        );
    let supervise = Operation::get(
        "/api/v1/supervision",
        "getSupervision",
        "State of this node's parts",
        handlers::stats::supervision,
    )
    .operator_only()
    .gives::<Supervision>(
        200,
        "Shards, actors, running replays, journal, dedup windows, retention, configuration.",
        supervision(),
    );
    let metrics = Operation::get("/metrics", "getMetrics", "Metrics", handlers::probes::metrics)
        .about("For Prometheus. Nothing in it names a tenant.")
        .open()
        .gives_nothing(200, "Prometheus' text format.")
        .or_gives::<Text>(MEDIA_TYPE, json!("# HELP conduit_accepted_total …\n"));
    let live = Operation::get("/livez", "getLiveness", "Liveness", handlers::probes::live)
        .open()
        .gives::<Alive>(200, "The process answers.", json!({"status": "alive"}))
        .also_head("headLiveness");
    let ready = Operation::get("/readyz", "getReadiness", "Readiness", handlers::probes::ready)
        .about("`degraded` is ready: events are accepted, but something waits.")
        .open()
        .gives::<Readiness>(
            200,
            "`ready` or `degraded`: send events here.",
            readiness("ready", "0 events in flight"),
        )
        .gives::<Readiness>(
            503,
            "`unavailable`: send them elsewhere.",
            readiness("unavailable", "full: the pipeline is behind"),
        )
        .also_head("headReadiness");
    let document = Operation::get(
        "/api/v1/openapi.json",
        "getOpenapi",
        "This document",
        handlers::document::openapi,
    )
    .open()
    .gives::<Value>(200, "OpenAPI 3.1.", json!({"openapi": "3.1.1"}));
    let page = Operation::get(
        "/api/docs",
        "getDocs",
        "This document as a page",
        handlers::document::page,
    )
    .open()
    .gives_nothing(200, "The page; it needs no script, and asks no other host.")
    .or_gives::<Text>("text/html; charset=utf-8", json!("<!doctype html>…"));
    let style = Operation::get(
        "/api/docs/style.css",
        "getDocsStyle",
        "The style of that page",
        handlers::document::style,
    )
    .open()
    .gives_nothing(200, "The style.")
    .or_gives::<Text>("text/css; charset=utf-8", json!("body { … }"));
    let mut operations = vec![stats, supervise, metrics];
    operations.extend(live);
    operations.extend(ready);
    operations.extend([document, page, style]);
    Group {
        name: "Operating",
        about: "For the operator, and for what watches.",
        operations,
    }
}
