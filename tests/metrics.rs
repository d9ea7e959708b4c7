//! `/metrics`: well formed, and true.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use crate::common::redis::Redis;
use crate::common::{Conduit, Postgres, Tenant, request, wait_for};

/// Returns all series with their values, by the rules of the text format. Fails on violations.
fn scrape(conduit: &Conduit) -> HashMap<String, f64> {
    let answer = conduit.get("/metrics").expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let (mut helped, mut typed, mut series) = (HashSet::new(), HashSet::new(), HashMap::new());
    for line in answer.text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(helped.insert(name), "{name} is described twice");
            assert!(help.len() > 5, "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(typed.insert(name) && helped.contains(name), "{name}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            let suffixes = ["", "_bucket", "_sum", "_count"];
            let known = suffixes
                .iter()
                .any(|suffix| family.strip_suffix(suffix).is_some_and(|name| typed.contains(name)));
            assert!(known && family.starts_with("conduit_"), "{line}");
            assert!(
                series.insert(name.to_owned(), value.parse().unwrap()).is_none(),
                "{name} is there twice"
            );
        }
    }
    series
}

#[test]
fn metrics_tell_what_was_accepted_refused_and_done() {
    let conduit = Conduit::start();
    let before = scrape(&conduit);
    assert_eq!(before["conduit_outcomes_total{outcome=\"processed\"}"], 0.0);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for _ in 0..3 {
        shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    }
    shop.send(&conduit, "contact", json!({"email": "bob@shop.example"}));
    shop.send(
        &conduit,
        "account_created",
        json!({"note": "the mapping asks for an e-mail address"}),
    );
    shop.try_send(&conduit, b"{}").unwrap().expect(400);
    let url = shop.webhook_url(&conduit);
    let wrong = [("Authorization", "Bearer wrong"), ("x-webhook-secret", "wrong")];
    request(&crate::common::client(), "POST", &url, &wrong, b"{}")
        .unwrap()
        .expect(401);
    let settled = conduit.settled();
    let now = wait_for(
        "the commits to be counted and released, which is done behind them",
        || {
            let now = scrape(&conduit);
            let outcomes = now
                .iter()
                .filter(|(name, _)| name.starts_with("conduit_outcomes_total"));
            let counted: f64 = outcomes.map(|(_, value)| value).sum();
            (counted >= 5.0 && now["conduit_journal_in_flight_events"] == 0.0).then_some(now)
        },
    );
    assert_eq!(now["conduit_accepted_total"], 5.0);
    for (outcome, count) in [
        ("processed", settled.processed),
        ("duplicate", settled.duplicate),
        ("rejected", settled.rejected),
        ("failed", settled.failed),
    ] {
        assert_eq!(
            now[&format!("conduit_outcomes_total{{outcome=\"{outcome}\"}}")],
            count as f64,
            "{outcome}"
        );
    }
    assert_eq!((settled.processed, settled.duplicate, settled.rejected), (2, 2, 1));
    assert_eq!(
        now["conduit_refusals_total{endpoint=\"event\",code=\"event_missing\"}"],
        1.0
    );
    assert_eq!(
        now["conduit_refusals_total{endpoint=\"event\",code=\"authentication_failed\"}"],
        1.0
    );
    for stage in ["journaled", "extracted", "logged", "total"] {
        assert_eq!(
            now[&format!("conduit_stage_seconds_count{{stage=\"{stage}\"}}")],
            5.0,
            "{stage}"
        );
    }
    assert_eq!(now["conduit_stage_seconds_count{stage=\"resolved\"}"], 2.0);
    assert_eq!(now["conduit_journal_batch_events_sum"], 5.0);
    assert_eq!(
        now["conduit_journal_sync_seconds_count"],
        now["conduit_journal_batch_events_count"]
    );
    assert_eq!(now["conduit_journal_in_flight_events"], 0.0);
    assert_eq!(now["conduit_controllers"], 1.0);
    wait_for("the jobs to be counted, which is done behind the answer", || {
        let now = scrape(&conduit);
        let jobs = |actor: &str| -> f64 {
            let mine = |name: &str| name.starts_with("conduit_actor_jobs_total") && name.contains(actor);
            now.iter().filter(|(name, _)| mine(name)).map(|(_, value)| value).sum()
        };
        let behind = ["PiiExtractorActor", "SubjectResolverActor", "ActivityLoggerActor"];
        (jobs("AuthActor") == 7.0 && jobs("ValidatorActor") == 6.0 && behind.map(jobs).iter().all(|jobs| *jobs >= 1.0))
            .then_some(())
    });
    let tenant = now.keys().find(|name| name.contains("shop"));
    assert_eq!(tenant, None, "nothing in a scrape tells of a tenant");
}

fn blocked(conduit: &Conduit, on: &str) -> f64 {
    let series = scrape(conduit);
    let mine =
        |name: &str| name.starts_with("conduit_blocked_seconds_total{") && name.contains(&format!("on=\"{on}\""));
    let found: Vec<f64> = series
        .iter()
        .filter(|(name, _)| mine(name))
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(found.len(), 1, "one series for the one shard: {series:?}");
    found[0]
}

#[test]
fn metrics_tell_how_long_batches_were_blocked_and_by_what() {
    let postgres = Postgres::start();
    let database = postgres.database();
    let conduit = Conduit::with(&[
        ("CONDUIT_DATABASE_URL", &database),
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__BATCH_EVENTS", "1"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    assert_eq!((blocked(&conduit, "commit"), blocked(&conduit, "outage")), (0.0, 0.0));
    // A single event: nothing waits for its commit.
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    conduit.settled();
    assert_eq!((blocked(&conduit, "commit"), blocked(&conduit, "outage")), (0.0, 0.0));

    postgres.stop("INT");
    for n in 0..50 {
        shop.send(&conduit, "contact", json!({"email": format!("p{n}@shop.example")}));
    }
    wait_for("the outage to be counted", || {
        (blocked(&conduit, "outage") > 0.0).then_some(())
    });
    assert_eq!(blocked(&conduit, "commit"), 0.0);
    postgres.launch();
    conduit.settled();
    // Each of the fifty had the next behind it, ready, while it was committed.
    let (commit, outage) = (blocked(&conduit, "commit"), blocked(&conduit, "outage"));
    assert!(commit > 0.0 && outage > 0.0, "{commit} {outage}");
    let supervision = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    let shown = &supervision["shards"][0]["dispatcher"]["blockedSeconds"];
    assert_eq!(
        (shown["commit"].as_f64(), shown["outage"].as_f64()),
        (Some(commit), Some(outage))
    );
}

/// Returns the metrics in a text of queries.
fn named(text: &str) -> HashSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("conduit_"))
        .collect()
}

#[test]
fn dashboard_and_alert_rules_name_metrics_that_are_there() {
    let conduit = Conduit::start();
    // A histogram by stage has its series once there is a first outcome, refusals once there is one.
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.try_send(&conduit, b"{}").unwrap().expect(400);
    conduit.settled();
    // The times of the stages are counted directly behind the commit.
    let series = wait_for("the first outcome's times", || {
        let series = scrape(&conduit);
        let has_times = series
            .keys()
            .any(|name| name.starts_with("conduit_stage_seconds_bucket"));
        has_times.then_some(series)
    });
    let there: HashSet<&str> = series.keys().filter_map(|name| name.split('{').next()).collect();

    let dashboard = include_str!("../deploy/grafana-dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let described = panel["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described && !panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
    let rules = include_str!("../deploy/alerts.yaml");
    for (file, names) in [("the dashboard", named(dashboard)), ("the alert rules", named(rules))] {
        assert!(names.len() > 5, "{file}: {names:?}");
        let unknown: Vec<_> = names.difference(&there).collect();
        assert!(
            unknown.is_empty(),
            "{file} asks for what /metrics does not have: {unknown:?}"
        );
    }
    let alerts = rules.matches("- alert: ").count();
    for part in ["expr: ", "labels: { severity: ", "summary: ", "action: "] {
        assert_eq!(rules.matches(part).count(), alerts, "each alert has its {part}");
    }
}

#[test]
fn metrics_tell_that_redis_is_away() {
    let mut redis = Redis::start();
    let conduit = Conduit::with(&[("CONDUIT_REDIS_URL", &redis.url())]);
    let away = |value: f64| {
        wait_for("the metric to change", || {
            (scrape(&conduit)["conduit_dedup_redis_away"] == value).then_some(())
        });
    };
    away(0.0);
    redis.kill();
    away(1.0);
    redis.launch();
    away(0.0);
    assert_eq!(scrape(&conduit)["conduit_dedup_redis_departures_total"], 1.0);
}
