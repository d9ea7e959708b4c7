//! One controller's flood does not delay another's events.

use serde_json::{Value, json};

use crate::common::size::sized;
use crate::common::{Conduit, Tenant, client, tenant::body, wait_for};

/// Events of the flood, in full size and usually.
const FLOOD: (u64, u64) = (100_000, 16_000);
const SENDERS: u64 = 16;

fn batches(supervision: &Value) -> u64 {
    supervision["shards"][0]["dispatcher"]["batches"].as_u64().unwrap()
}

#[test]
fn behind_a_large_backlog_another_controller_waits_a_batch_or_two() {
    let size = sized(FLOOD.0, FLOOD.1);
    // One shard, and a pipeline that stands still until the backlog is there.
    let mut conduit = Conduit::with(&[
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "600000"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "60000"),
        ("CONDUIT_LOG", "warn,conduit::serve=info"),
        ("FAILPOINTS", "PiiExtractorActor=panic"),
    ]);
    let flood = Tenant::create(&conduit, "did:web:flood.example");
    let quiet = Tenant::create(&conduit, "did:web:quiet.example");
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (conduit, flood) = (&conduit, &flood);
            scope.spawn(move || {
                let (client, url) = (client(), flood.webhook_url(conduit));
                for number in 0..size / SENDERS {
                    let event = body(
                        "unwatched",
                        json!({"email": format!("c{}@shop.example", number % 1000), "s": sender}),
                    );
                    flood.try_send_by(&client, &url, event.as_bytes()).unwrap().expect(200);
                }
            });
        }
    });
    let stats = conduit.stats();
    assert_eq!((stats.accepted, stats.in_flight), (size, size));
    conduit.kill();
    for key in [
        "FAILPOINTS",
        "CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS",
        "CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS",
    ] {
        conduit.unset(key);
    }
    conduit.launch();
    let supervision = || conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    let id = quiet.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    // Read after the answer: the event was durable by then, so it is in one of the next two batches to be composed.
    let before = batches(&supervision());
    let outcome = wait_for("the quiet controller's event", || {
        let found = quiet
            .call(&conduit, "GET", &format!("/api/v1/events/{id}"), None)
            .expect(200)
            .json();
        (found["status"] != "received").then_some(found)
    });
    let after = supervision();
    assert_eq!(outcome["status"], "processed");
    assert!(conduit.stats().in_flight > 0, "the flood is still being worked off");
    // Its own batch, the running one, and the batches between the two looks.
    assert!(
        batches(&after) - before <= 8,
        "{} batches went by",
        batches(&after) - before
    );
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (size + 1, size + 1));
}

/// Two of these bodies leave fewer bytes of the batch than any event costs, and there are more of them: the batch is
/// full. The others are larger than a batch: one event is always taken.
#[test]
fn a_batch_that_is_full_by_bytes_is_worked_off() {
    let mut conduit = Conduit::with(&[
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__BATCH_BYTES", "65536"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "600000"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "60000"),
        ("FAILPOINTS", "PiiExtractorActor=panic"),
    ]);
    let tenant = Tenant::create(&conduit, "did:web:a.example");
    for length in [
        32_462, 32_462, 32_462, 32_462, 250_000, 100, 250_000, 32_462, 32_462, 32_462,
    ] {
        let bare = body("unwatched", json!({"filler": ""})).len();
        let event = body("unwatched", json!({"filler": "x".repeat(length - bare.min(length))}));
        tenant.try_send(&conduit, event.as_bytes()).unwrap().expect(200);
    }
    conduit.kill();
    for key in [
        "FAILPOINTS",
        "CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS",
        "CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS",
    ] {
        conduit.unset(key);
    }
    conduit.launch();
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (10, 10), "{stats:?}");
}
