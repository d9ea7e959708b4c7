//! A whole Conduit with its dedup windows in Redis. `outages/redis.rs` tests Redis going away under load.

use serde_json::json;

use crate::common::redis::Redis;
use crate::common::{Conduit, Tenant, wait_for};

fn conduit(redis: &Redis, timeout_ms: &str) -> Conduit {
    Conduit::with(&[
        ("CONDUIT_REDIS_URL", &redis.url()),
        ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", timeout_ms),
        // Longer than the test, so that each repeat falls into its first's window.
        ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600"),
    ])
}

/// Returns the readiness of the dedup windows, and as a whole.
fn readiness(conduit: &Conduit) -> (String, String) {
    let readiness = conduit.readiness();
    (readiness.checks["dedup"].0.clone(), readiness.status)
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

#[test]
fn an_emptied_redis_lets_no_repeat_pass_and_one_that_evicts_is_warned_of() {
    let redis = Redis::with(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let conduit = conduit(&redis, "1000");
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    assert!(
        conduit
            .readiness()
            .is_degraded("dedup", "noeviction, it is allkeys-lru")
    );
    assert_eq!(conduit.log_lines("noeviction, it is allkeys-lru").len(), 1);
    let first = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &first)["status"], "processed");
    assert_eq!(redis.text(&["FLUSHALL"]).trim(), "OK");
    let again = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &again)["duplicateOf"], json!(first));
    wait_for("Redis to have the claim again", || (redis.keys() == 1).then_some(()));
    assert_eq!(conduit.log_lines("Redis has lost dedup windows").len(), 1);
}
