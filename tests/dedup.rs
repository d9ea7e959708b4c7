//! The dedup window: repeats and other events.

use serde_json::json;

use crate::common::{Conduit, Tenant, wait_for};

fn status(tenant: &Tenant, conduit: &Conduit, id: &str) -> String {
    tenant.outcome(conduit, id)["status"].as_str().unwrap().to_owned()
}

#[test]
fn repeats_are_dropped_whatever_their_spelling_and_name_the_first() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let first = shop.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "phone": "030 901820"}),
    );
    assert_eq!(status(&shop, &conduit, &first), "processed");
    let again = shop.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "phone": "030 901820"}),
    );
    let spelt = shop.send(
        &conduit,
        "contact",
        json!({"phone": "+49 (30) 901820", "email": "ADA@Shop.Example"}),
    );
    let later =
        br#"{"event":"contact","triggeredAt":"2026-04-06T11:00:00Z","email":"ada@shop.example","phone":"030 901820"}"#;
    let later = shop.try_send(&conduit, later).unwrap().expect(200).json()["eventId"]
        .as_str()
        .unwrap()
        .to_owned();
    for repeat in [again, spelt, later] {
        let outcome = shop.outcome(&conduit, &repeat);
        assert_eq!(
            (outcome["status"].as_str(), outcome["duplicateOf"].as_str()),
            (Some("duplicate"), Some(first.as_str()))
        );
    }
    // Another person, another type, and another controller are no repeats.
    let other_person = shop.send(&conduit, "contact", json!({"email": "bob@shop.example"}));
    assert_eq!(status(&shop, &conduit, &other_person), "processed");
    let other_type = shop.send(
        &conduit,
        "account_created",
        json!({"email": "ada@shop.example", "phone": "030 901820"}),
    );
    assert_eq!(status(&shop, &conduit, &other_type), "processed");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let elsewhere = rival.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "phone": "030 901820"}),
    );
    assert_eq!(status(&rival, &conduit, &elsewhere), "processed");
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed, stats.duplicate), (7, 4, 3));
}

#[test]
fn events_without_personal_data_repeat_only_if_they_are_the_same() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let send = |host: &str| {
        let id = shop.send(&conduit, "heartbeat", json!({"host": host}));
        status(&shop, &conduit, &id)
    };
    assert_eq!(
        [send("a"), send("b"), send("a")],
        ["processed", "processed", "duplicate"]
    );
}

#[test]
fn a_window_can_be_off_and_it_ends() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let send = |event: &str| {
        let id = shop.send(&conduit, event, json!({"email": "ada@shop.example"}));
        (status(&shop, &conduit, &id), id)
    };
    assert_eq!([send("unwatched").0, send("unwatched").0], ["processed", "processed"]);
    let first = send("brief");
    assert_eq!([first.0.as_str(), send("brief").0.as_str()], ["processed", "duplicate"]);
    // The window has 2 seconds: some later event is first again, and none before that.
    wait_for("the window to end", || {
        let (status, id) = send("brief");
        let apart = received_ms(&id) - received_ms(&first.1);
        assert_eq!(status == "processed", apart >= 2000, "{status} after {apart} ms");
        (status == "processed").then_some(())
    });
}

fn received_ms(event: &str) -> i64 {
    event
        .parse::<conduit_actors::ids::EventId>()
        .unwrap()
        .received_at()
        .as_millis()
}

#[test]
fn a_restart_within_the_window_changes_nothing() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let first = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(status(&shop, &conduit, &first), "processed");
    conduit.kill();
    conduit.launch();
    let again = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let outcome = shop.outcome(&conduit, &again);
    assert_eq!(
        (outcome["status"].as_str(), outcome["duplicateOf"].as_str()),
        (Some("duplicate"), Some(first.as_str()))
    );
}

/// Backlog: events received further apart than their window, but processed together.
#[test]
fn the_window_is_measured_between_receive_times() {
    // Every batch fails until the process is restarted without the fault: the events are processed together then.
    let mut conduit = Conduit::with(&[
        ("FAILPOINTS", "PiiExtractorActor=panic"),
        ("CONDUIT__PIPELINE__MAX_ATTEMPTS", "100"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1000"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let fields = || json!({"email": "ada@shop.example"});
    let first = shop.send(&conduit, "brief", fields());
    let second = wait_for("two seconds between receive times", || {
        let id = shop.send(&conduit, "brief", fields());
        (received_ms(&id) - received_ms(&first) >= 2000).then_some(id)
    });
    conduit.kill();
    conduit.unset("FAILPOINTS");
    conduit.launch();
    let stats = conduit.settled();
    assert_eq!(stats.failed, 0, "{stats:?}");
    assert_eq!(status(&shop, &conduit, &first), "processed");
    assert_eq!(status(&shop, &conduit, &second), "processed");
    assert_eq!((stats.processed, stats.duplicate), (2, stats.accepted - 2));
}
