//! A whole Conduit with its dedup windows in Redis, and Redis going away under load.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::common::redis::Redis;
use crate::common::{Conduit, Tenant, client, tenant::body, wait_for};

const SENDERS: usize = 3;
/// Different persons: all further events of one are repeats.
const PERSONS: u64 = 400;

fn conduit(redis: &Redis, timeout_ms: &str) -> Conduit {
    Conduit::with(&[
        ("CONDUIT_REDIS_URL", &redis.url()),
        ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", timeout_ms),
        // Longer than the test, so that each repeat falls into its first's window.
        ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600"),
    ])
}

/// What readiness says of the dedup windows, and in all.
fn readiness(conduit: &Conduit) -> (String, String) {
    let ready = conduit.get("/readyz").json();
    let checks = ready["checks"].as_array().unwrap();
    let dedup = checks.iter().find(|check| check["name"] == "dedup").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&dedup["status"]), text(&ready["status"]))
}

fn wait_until(conduit: &Conduit, status: &str) {
    wait_for("readiness", || {
        (readiness(conduit) == (status.to_owned(), status.to_owned())).then_some(())
    });
}

fn changes(conduit: &Conduit) -> (usize, usize) {
    let count = |message| conduit.log_lines(message).len();
    (count("Redis is away"), count("Redis is back"))
}

#[test]
fn repeats_are_caught_in_redis_and_it_starts_without_it() {
    let mut redis = Redis::start();
    let mut conduit = conduit(&redis, "1000");
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    assert_eq!(readiness(&conduit), ("ready".to_owned(), "ready".to_owned()));
    let send = |conduit: &Conduit| {
        let id = shop.send(conduit, "contact", json!({"email": "ada@shop.example"}));
        let outcome = shop.outcome(conduit, &id);
        (
            id,
            outcome["status"].as_str().unwrap().to_owned(),
            outcome["duplicateOf"].clone(),
        )
    };
    let (first, status, _) = send(&conduit);
    assert_eq!(status, "processed");
    assert_eq!(send(&conduit).2, json!(first));
    assert_eq!(redis.keys(), 1);
    assert_eq!(
        conduit.admin("GET", "/api/v1/supervision", None).json()["dedup"],
        "Redis"
    );
    // No personal data, and no credential.
    assert!(!redis.text(&["--scan"]).contains("ada"));

    conduit.kill();
    redis.kill();
    conduit.launch();
    wait_until(&conduit, "degraded");
    assert_eq!(send(&conduit).2, json!(first));
    redis.launch();
    wait_until(&conduit, "ready");
    assert_eq!(send(&conduit).2, json!(first));
    assert_eq!(changes(&conduit), (1, 1));
}

fn send_until(conduit: &Conduit, shop: &Tenant, numbers: &AtomicU64, sent: &Mutex<Vec<String>>, stop: &AtomicBool) {
    let client = client();
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        // Most repeat somebody of long ago, or of just now.
        let person = (number * 7919) % (1 + number.min(PERSONS - 1));
        let event = body("contact", json!({"email": format!("p{person}@shop.example")}));
        let answer = shop.try_send_by(&client, &shop.webhook_url(conduit), event.as_bytes());
        let answer = answer.expect("an answer").expect(200).json();
        sent.lock()
            .unwrap()
            .push(answer["eventId"].as_str().unwrap().to_owned());
    }
}

fn all(conduit: &Conduit, tenant: &Tenant) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/events?limit=200{cursor}");
        let page = tenant.call(conduit, "GET", &path, None).expect(200).json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Each event has one outcome; a repeat names a first; no two firsts are the same person.
fn assert_outcomes(conduit: &Conduit, shop: &Tenant, sent: &[String]) {
    let events = all(conduit, shop);
    let outcomes: HashMap<&str, &Value> = events.iter().map(|e| (e["eventId"].as_str().unwrap(), e)).collect();
    assert_eq!(outcomes.len(), events.len(), "an outcome twice");
    for id in sent {
        let event = outcomes[id.as_str()];
        match event["status"].as_str().unwrap() {
            "processed" => {}
            "duplicate" => {
                let first = shop.outcome(conduit, id)["duplicateOf"].as_str().unwrap().to_owned();
                assert_eq!(
                    outcomes[first.as_str()]["status"],
                    "processed",
                    "a false duplicate: {id}"
                );
            }
            other => panic!("{id}: {other}"),
        }
    }
    let stats = conduit.stats();
    assert_eq!(stats.accepted, sent.len() as u64, "{stats:?}");
    // All persons were sent, each was first once, and no repeat passed.
    assert_eq!(stats.processed, PERSONS, "{stats:?}");
    conduit.assert_audit_verifies();
}

/// Sends throughout, while Redis goes away and comes back.
fn away_under_load(timeout_ms: &str, go: impl Fn(&mut Redis), come_back: impl Fn(&mut Redis)) {
    let mut redis = Redis::start();
    let conduit = conduit(&redis, timeout_ms);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let (numbers, sent, stop) = (AtomicU64::new(0), Mutex::new(Vec::new()), AtomicBool::new(false));
    let more = |count: usize| {
        let wanted = sent.lock().unwrap().len() + count;
        wait_for("events to be accepted", || {
            (sent.lock().unwrap().len() >= wanted).then_some(())
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| send_until(&conduit, &shop, &numbers, &sent, &stop));
        }
        more(100);
        assert_eq!(changes(&conduit), (0, 0));
        go(&mut redis);
        wait_until(&conduit, "degraded");
        more(300);
        come_back(&mut redis);
        wait_until(&conduit, "ready");
        more(1200);
        stop.store(true, Ordering::Relaxed);
    });
    conduit.settled();
    assert_outcomes(&conduit, &shop, &sent.into_inner().unwrap());
    assert_eq!(changes(&conduit), (1, 1), "one line for each change");
}

#[test]
fn redis_killed_under_load_and_started_again_empty() {
    away_under_load("2000", Redis::kill, Redis::launch);
}

#[test]
fn redis_hung_under_load() {
    away_under_load("500", |redis| redis.hang(), |redis| redis.go_on());
}
