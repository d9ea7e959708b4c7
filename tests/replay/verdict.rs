//! Replayed events and the dedup window: one of several events that repeat each other is processed, the first to be so.

use serde_json::{Value, json};

use super::{ONE_SHARD, activities, begin, ended, event, mend, misfit, replay_event};
use crate::common::redis::Redis;
use crate::common::{Conduit, Tenant};

const WINDOW: (&str, &str) = ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600");

fn verdict(event: &Value) -> (&str, Option<&str>) {
    (event["status"].as_str().unwrap(), event["duplicateOf"].as_str())
}

/// Checks the verdicts. With `forget`, the node starts again before the replay, so that it knows only the content of
/// the store.
fn one_of_those_that_repeat_each_other_is_processed(settings: &[(&str, &str)], forget: bool) {
    let mut conduit = Conduit::with(settings);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let early = misfit(&conduit, &shop, "ada");
    let (bob, again) = (misfit(&conduit, &shop, "bob"), misfit(&conduit, &shop, "bob"));
    conduit.settled();
    mend(&conduit, &shop);
    // Received after the rejected event, and processed before it.
    let late = misfit(&conduit, &shop, "ada");
    assert_eq!(shop.outcome(&conduit, &late)["status"], "processed");
    if forget {
        conduit.kill();
        conduit.launch();
    }
    let id = begin(&conduit, &shop, json!({}));
    let done = ended(&conduit, &shop, &id);
    assert_eq!(
        (&done["processed"], &done["duplicate"]),
        (&json!(1), &json!(2)),
        "{done}"
    );
    let find = |id: &str| event(&conduit, &shop, id);
    assert_eq!(verdict(&find(&early)), ("duplicate", Some(late.as_str())));
    assert_eq!(verdict(&find(&bob)), ("processed", None));
    assert_eq!(verdict(&find(&again)), ("duplicate", Some(bob.as_str())));
    // An event that arrives now repeats the replayed one, because its receive time counts.
    let live = misfit(&conduit, &shop, "bob");
    let live = shop.outcome(&conduit, &live);
    assert_eq!(verdict(&live), ("duplicate", Some(bob.as_str())));
    assert_eq!(activities(&conduit, &shop), [late, bob.clone()].into());
    // A duplicate is for good.
    replay_event(&conduit, &shop, &early).expect(409);
    conduit.assert_audit_verifies();
}

#[test]
fn of_events_that_repeat_each_other_one_is_processed() {
    one_of_those_that_repeat_each_other_is_processed(&[WINDOW], false);
}

#[test]
fn of_events_that_repeat_each_other_one_is_processed_after_a_restart_and_in_steps_of_one() {
    one_of_those_that_repeat_each_other_is_processed(&[WINDOW, ("CONDUIT__REPLAY__BATCH_EVENTS", "1")], true);
}

#[test]
fn of_events_that_repeat_each_other_one_is_processed_with_redis() {
    let redis = Redis::start();
    let settings = [
        WINDOW,
        ("CONDUIT_REDIS_URL", &redis.url()),
        ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", "10000"),
    ];
    one_of_those_that_repeat_each_other_is_processed(&settings, false);
}

#[test]
fn a_failed_event_is_no_duplicate_of_itself() {
    let redis = Redis::start();
    let mut conduit = Conduit::with(&[
        WINDOW,
        ONE_SHARD,
        ("CONDUIT_REDIS_URL", &redis.url()),
        ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", "10000"),
        ("FAILPOINTS", "ActivityLoggerActor::event=panic"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "2"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    // It falls behind its claim, which Redis keeps.
    let id = shop.send(&conduit, "poison", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &id)["status"], "failed");
    conduit.kill();
    conduit.unset("FAILPOINTS");
    conduit.launch();
    let repeat = shop.send(&conduit, "poison", json!({"email": "ada@shop.example"}));
    let repeat = shop.outcome(&conduit, &repeat);
    assert_eq!(verdict(&repeat), ("duplicate", Some(id.as_str())));
    let answer = replay_event(&conduit, &shop, &id).expect(202).json();
    ended(&conduit, &shop, answer["replayId"].as_str().unwrap());
    assert_eq!(verdict(&event(&conduit, &shop, &id)), ("processed", None));
}
