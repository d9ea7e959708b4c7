//! Events that bring an actor down, again.

use serde_json::json;

use super::{ONE_SHARD, begin, ended, event, mend, misfit, replay_event};
use crate::common::{Conduit, Tenant};

/// Settings that restart actors at once and without a limit: these tests are not about the duration of restarts.
const RESTARTS: [(&str, &str); 4] = [
    ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
    ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "2"),
    ("CONDUIT__PIPELINE__RESTART_BUDGET", "100000"),
    ("CONDUIT__PIPELINE__RESTART_WINDOW_SECONDS", "1"),
];

#[test]
fn a_poison_event_fails_again_its_neighbours_pass_and_it_is_mended_at_last() {
    for actor in ["PiiExtractorActor", "SubjectResolverActor", "ActivityLoggerActor"] {
        let failpoint = format!("{actor}::event=panic");
        let mut settings = RESTARTS.to_vec();
        settings.extend([ONE_SHARD, ("FAILPOINTS", &failpoint)]);
        let mut conduit = Conduit::with(&settings);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        let mut poison = Vec::new();
        for number in 0..40 {
            if matches!(number, 7 | 8 | 31) {
                let fields = json!({"email": format!("c{number}@shop.example")});
                poison.push(shop.send(&conduit, "poison", fields));
            } else {
                misfit(&conduit, &shop, &format!("c{number}"));
            }
        }
        let stats = conduit.settled();
        assert_eq!((stats.rejected, stats.failed), (37, 3), "{actor}");

        mend(&conduit, &shop);
        let id = begin(&conduit, &shop, json!({}));
        let done = ended(&conduit, &shop, &id);
        let counts = ["matching", "processed", "failed", "skipped"].map(|part| done[part].as_u64().unwrap());
        assert_eq!(counts, [40, 37, 3, 0], "{actor}: {done}");
        for id in &poison {
            let found = event(&conduit, &shop, id);
            let statuses: Vec<_> = found["history"]
                .as_array()
                .unwrap()
                .iter()
                .map(|h| h["status"].clone())
                .collect();
            assert_eq!(
                (&found["status"], statuses.as_slice()),
                (&json!("failed"), &[json!("failed"), json!("failed")][..])
            );
            assert_eq!(found["reasons"][0]["code"], "processing_failed", "{actor}");
        }
        assert_eq!(
            conduit.log_lines("poison event isolated in a replay").len(),
            3,
            "{actor}"
        );

        // Fixed, as by a new version. The event's own dedup claim is no obstacle.
        conduit.kill();
        conduit.unset("FAILPOINTS");
        conduit.launch();
        let answer = replay_event(&conduit, &shop, &poison[0]).expect(202).json();
        ended(&conduit, &shop, answer["replayId"].as_str().unwrap());
        let found = event(&conduit, &shop, &poison[0]);
        assert_eq!(
            (&found["status"], found["history"].as_array().unwrap().len()),
            (&json!("processed"), 3)
        );
        let stats = conduit.settled();
        assert_eq!((stats.accepted, stats.processed, stats.failed), (40, 38, 2), "{actor}");
        conduit.assert_audit_verifies();
    }
}

#[test]
fn dead_letters_that_are_replayed_too_early_do_not_spend_the_restart_budget() {
    let conduit = Conduit::with(&[
        ONE_SHARD,
        ("FAILPOINTS", "PiiExtractorActor::event=panic"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "2"),
        ("CONDUIT__PIPELINE__RESTART_BUDGET", "60"),
        ("CONDUIT__PIPELINE__RESTART_WINDOW_SECONDS", "10"),
        ("CONDUIT__PIPELINE__MAX_ATTEMPTS", "1"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    // One after the other: each fails among others and alone, 24 restarts. Replays may add 30 within the window.
    for number in 0..12 {
        let id = shop.send(&conduit, "poison", json!({"email": format!("c{number}@shop.example")}));
        shop.outcome(&conduit, &id);
    }
    let id = begin(&conduit, &shop, json!({}));
    assert_eq!(ended(&conduit, &shop, &id)["failed"], 12);
    // Nor do those that are replayed one by one.
    let listed = shop.call(&conduit, "GET", "/api/v1/events?status=failed", None);
    let each: Vec<String> = listed.expect(200).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| begin(&conduit, &shop, json!({"eventIds": [event["eventId"]]})))
        .collect();
    for id in &each {
        assert_eq!(ended(&conduit, &shop, id)["failed"], 1);
    }
    assert!(conduit.log_lines("restart budget spent").is_empty());
    conduit.get("/readyz").expect(200);
}
