//! Rejected and failed events run again under the mapping as it stands now, and count once.

mod asked;
mod damaged;
mod interrupted;
mod poison;
mod shown;
mod verdict;

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Postgres, Tenant, client, tenant, tenant::body, wait_for};

/// A slow database, as it were: each batch takes so long at least.
pub const SLOW: (&str, &str) = ("FAILPOINTS", "ActivityLoggerActor=sleep(20)");
/// Small steps, so that there is time to look between two of them.
pub const SMALL_STEPS: (&str, &str) = ("CONDUIT__REPLAY__BATCH_EVENTS", "2");
pub const ONE_SHARD: (&str, &str) = ("CONDUIT__PIPELINE__SHARDS", "1");

/// Sends an event that the mapping rejects until it is [`mend`]ed: the address is in another field than it says.
pub fn misfit(conduit: &Conduit, tenant: &Tenant, person: &str) -> String {
    tenant.send(
        conduit,
        "account_created",
        json!({"mail": format!("{person}@shop.example")}),
    )
}

/// Sends so many of them, of different persons, and waits until they are rejected.
pub fn misfits(conduit: &Conduit, shop: &Tenant, count: usize) {
    const SENDERS: usize = 4;
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                let (client, url) = (client(), shop.webhook_url(conduit));
                for number in (sender..count).step_by(SENDERS) {
                    let event = body("account_created", json!({"mail": format!("c{number}@shop.example")}));
                    shop.try_send_by(&client, &url, event.as_bytes()).unwrap().expect(200);
                }
            });
        }
    });
    assert_eq!(conduit.settled().rejected, count as u64);
}

/// Lets the mapping say where the address is.
pub fn mend(conduit: &Conduit, tenant: &Tenant) {
    let mut mended = tenant::shop();
    mended["events"][0]["fields"][0]["path"] = json!("mail");
    let path = format!("/api/v1/integrations/custom/{}", tenant.integration);
    tenant.call(conduit, "PUT", &path, Some(mended)).expect(200);
}

pub fn ask(conduit: &Conduit, tenant: &Tenant, filter: Value) -> Answer {
    tenant.call(conduit, "POST", "/api/v1/events/replay", Some(filter))
}

/// Begins a replay; its id.
pub fn begin(conduit: &Conduit, tenant: &Tenant, filter: Value) -> String {
    let answer = ask(conduit, tenant, filter).expect(202);
    let id = answer.json()["replayId"].as_str().unwrap().to_owned();
    let location = format!("/api/v1/replays/{id}");
    assert_eq!(answer.header("location"), Some(location.as_str()));
    id
}

pub fn replay(conduit: &Conduit, tenant: &Tenant, id: &str) -> Value {
    let path = format!("/api/v1/replays/{id}");
    tenant.call(conduit, "GET", &path, None).expect(200).json()
}

/// Waits for the end of a replay, and holds the sum true meanwhile; the replay.
pub fn ended(conduit: &Conduit, tenant: &Tenant, id: &str) -> Value {
    wait_for("the replay to end", || {
        let found = replay(conduit, tenant, id);
        conduit.stats().assert_sum();
        let parts = ["processed", "duplicate", "rejected", "failed", "skipped"];
        let sum: u64 = parts.iter().map(|part| found[part].as_u64().unwrap()).sum();
        assert_eq!(found["done"], sum, "{found}");
        (found["status"] != "running").then_some(found)
    })
}

/// Waits until a replay is through with more than so many events, and is still running.
pub fn under_way(conduit: &Conduit, tenant: &Tenant, id: &str, done: u64) {
    wait_for("the replay to get on", || {
        let found = replay(conduit, tenant, id);
        assert_eq!(found["status"], "running", "{found}");
        (found["done"].as_u64().unwrap() > done).then_some(())
    });
}

pub fn event(conduit: &Conduit, tenant: &Tenant, id: &str) -> Value {
    let path = format!("/api/v1/events/{id}");
    tenant.call(conduit, "GET", &path, None).expect(200).json()
}

pub fn replay_event(conduit: &Conduit, tenant: &Tenant, id: &str) -> Answer {
    tenant.call(conduit, "POST", &format!("/api/v1/events/{id}/replay"), None)
}

/// Returns the events of all activities. Asserts that each activity is of one event, and no two are of the same.
pub fn activities(conduit: &Conduit, tenant: &Tenant) -> HashSet<String> {
    let (mut events, mut cursor, mut count) = (HashSet::new(), String::new(), 0);
    loop {
        let path = format!("/api/v1/activities?limit=200{cursor}");
        let page = tenant.call(conduit, "GET", &path, None).expect(200).json();
        for activity in page["items"].as_array().unwrap() {
            events.insert(activity["eventId"].as_str().unwrap().to_owned());
            count += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(events.len(), count, "an event has two activities");
    events
}

/// Returns the code and the detail of a refusal.
pub fn code(answer: Answer, status: u16) -> (String, String) {
    let problem = answer.expect(status).json();
    let text = |key: &str| problem[key].as_str().unwrap().to_owned();
    (text("code"), text("detail"))
}

fn an_event_is_mended(settings: &[(&str, &str)]) {
    let conduit = Conduit::with(settings);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let id = misfit(&conduit, &shop, "ada");
    let before = shop.outcome(&conduit, &id);
    assert_eq!(before["status"], "rejected");
    let history = before["history"].as_array().unwrap();
    assert_eq!(history.len(), 1, "{before}");
    assert_eq!(history[0]["reasons"], before["reasons"]);
    assert_eq!(history[0]["at"], before["stages"]["loggedAt"]);

    // Under the mapping as it was, it is rejected again, and kept.
    let answer = replay_event(&conduit, &shop, &id).expect(202).json();
    assert_eq!((&answer["did"], &answer["matching"]), (&json!(shop.did), &json!(1)));
    assert_eq!(answer["filter"], json!({"eventIds": [id]}));
    let first = answer["replayId"].as_str().unwrap();
    let done = ended(&conduit, &shop, first);
    assert_eq!((&done["status"], &done["rejected"]), (&json!("done"), &json!(1)));
    assert!(done["endedAt"].as_str() >= done["startedAt"].as_str());

    mend(&conduit, &shop);
    let answer = replay_event(&conduit, &shop, &id).expect(202).json();
    let second = answer["replayId"].as_str().unwrap();
    let done = ended(&conduit, &shop, second);
    assert_eq!((&done["status"], &done["processed"]), (&json!("done"), &json!(1)));
    let now = event(&conduit, &shop, &id);
    assert_eq!((&now["status"], &now["reasons"]), (&json!("processed"), &json!([])));
    for same in ["eventId", "receivedAt", "triggeredAt", "dataProcessorId"] {
        assert_eq!(now[same], before[same]);
    }
    assert_eq!(now["stages"]["journaledAt"], before["stages"]["journaledAt"]);
    let history = now["history"].as_array().unwrap();
    let entry = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().map(str::to_owned);
        (
            text("status").unwrap(),
            text("replayId"),
            entry["mappingVersion"].as_u64(),
        )
    };
    assert_eq!(
        history.iter().map(entry).collect::<Vec<_>>(),
        [
            ("rejected".to_owned(), None, None),
            ("rejected".to_owned(), Some(first.to_owned()), Some(1)),
            ("processed".to_owned(), Some(second.to_owned()), Some(2)),
        ]
    );

    let subject = now["subject"].as_str().unwrap();
    let look_up = json!({"category": "user.contact.email", "value": "Ada@shop.example"});
    let found = shop
        .call(&conduit, "POST", "/api/v1/subjects/lookup", Some(look_up))
        .expect(200);
    assert!(found.text.contains(subject), "{}", found.text);
    assert_eq!(activities(&conduit, &shop), HashSet::from([id.clone()]));
    let stats = conduit.stats();
    assert_eq!((stats.accepted, stats.processed, stats.rejected), (1, 1, 0));
    conduit.assert_audit_verifies();

    let (code, detail) = code(replay_event(&conduit, &shop, &id), 409);
    assert!(code == "not_replayable" && detail.contains("processed"), "{detail}");
    let scrape = conduit.get("/metrics").text;
    for line in [
        "conduit_replayed_events_total{outcome=\"processed\"} 1",
        "conduit_replayed_events_total{outcome=\"rejected\"} 1",
        "conduit_outcomes_total{outcome=\"rejected\"} 1",
        "conduit_outcomes_total{outcome=\"processed\"} 0",
    ] {
        assert!(scrape.contains(line), "{line}: {scrape}");
    }
    assert_eq!(conduit.log_lines("a replay begins").len(), 2);
    assert_eq!(conduit.log_lines("a replay has ended").len(), 2);
    assert!(!conduit.logs().contains("ada@"));
}

#[test]
fn an_event_is_mended_by_a_new_mapping() {
    an_event_is_mended(&[]);
}

#[test]
fn an_event_is_mended_by_a_new_mapping_in_postgresql() {
    let postgres = Postgres::shared();
    an_event_is_mended(&[("CONDUIT_DATABASE_URL", &postgres.database())]);
}

#[test]
fn an_event_in_flight_is_not_replayable() {
    let conduit = Conduit::with(&[
        ("FAILPOINTS", "PiiExtractorActor=panic"),
        ("CONDUIT__PIPELINE__MAX_ATTEMPTS", "100"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let id = misfit(&conduit, &shop, "ada");
    let (code, detail) = code(replay_event(&conduit, &shop, &id), 409);
    assert!(code == "not_replayable" && detail.contains("received"), "{detail}");
    assert_eq!(event(&conduit, &shop, &id)["history"], json!([]));
}

#[test]
fn a_replay_of_thousands_shows_its_progress_and_can_be_cancelled() {
    const COUNT: u64 = 2_000;
    let mut conduit = Conduit::with(&[SLOW, SMALL_STEPS]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    misfits(&conduit, &shop, COUNT as usize);
    mend(&conduit, &shop);
    let id = begin(&conduit, &shop, json!({}));
    for done in [0, 50, 100] {
        under_way(&conduit, &shop, &id, done);
        let stats = conduit.stats();
        stats.assert_sum();
        assert_eq!(stats.accepted, COUNT);
    }
    assert!(conduit.get("/metrics").text.contains("conduit_replays_running 1"));
    let cancel = || {
        let path = format!("/api/v1/replays/{id}/cancel");
        shop.call(&conduit, "POST", &path, None).expect(200).json()
    };
    let cancelled = cancel();
    assert_eq!(cancelled["status"], "cancelled");
    let done = cancelled["processed"].as_u64().unwrap();
    assert!((101..COUNT).contains(&done), "{cancelled}");
    assert_eq!(cancel(), cancelled, "a second time changes nothing");
    wait_for("the pipeline to notice", || {
        let scrape = conduit.get("/metrics").text;
        scrape.contains("conduit_replays_running 0").then_some(())
    });
    let stats = conduit.stats();
    assert_eq!(
        (stats.processed, stats.rejected),
        (done, COUNT - done),
        "nothing after it was cancelled"
    );
    assert_eq!(activities(&conduit, &shop).len() as u64, done);

    // Another replay takes the rest.
    conduit.kill();
    conduit.unset(SLOW.0);
    conduit.unset(SMALL_STEPS.0);
    conduit.launch();
    let id = begin(&conduit, &shop, json!({"status": "rejected"}));
    let rest = ended(&conduit, &shop, &id);
    assert_eq!(
        (&rest["matching"], &rest["processed"]),
        (&json!(COUNT - done), &json!(COUNT - done))
    );
    assert_eq!(activities(&conduit, &shop).len() as u64, COUNT);
    conduit.assert_audit_verifies();
}

#[test]
fn live_events_do_not_wait_for_a_replay_nor_a_replay_for_their_end() {
    let conduit = Conduit::with(&[SLOW, ("CONDUIT__REPLAY__BATCH_EVENTS", "1"), ONE_SHARD]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    misfits(&conduit, &shop, 1_500);
    mend(&conduit, &shop);
    let id = begin(&conduit, &shop, json!({}));
    for number in 0..5 {
        for tenant in [&shop, &other] {
            under_way(&conduit, &shop, &id, 0);
            let live = tenant.send(
                &conduit,
                "contact",
                json!({"email": format!("live{number}@shop.example")}),
            );
            assert_eq!(tenant.outcome(&conduit, &live)["status"], "processed");
        }
    }
    under_way(&conduit, &shop, &id, 0);
    let path = format!("/api/v1/replays/{id}/cancel");
    shop.call(&conduit, "POST", &path, None).expect(200);

    // Live events without end, and a replay ends all the same.
    let flooding = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let (client, url) = (client(), other.webhook_url(&conduit));
            let mut number = 0;
            while flooding.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                let event = body("contact", json!({"email": format!("flood{number}@shop.example")}));
                other.try_send_by(&client, &url, event.as_bytes()).unwrap().expect(200);
            }
            number
        });
        let some = event_ids(&conduit, &shop, 30);
        let id = begin(&conduit, &shop, json!({"eventIds": some}));
        let done = ended(&conduit, &shop, &id);
        flooding.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((&done["status"], &done["processed"]), (&json!("done"), &json!(30)));
        assert!(flood.join().unwrap() > 0);
    });
    conduit.settled();
    conduit.assert_audit_verifies();
}

/// Returns some rejected events.
pub fn event_ids(conduit: &Conduit, tenant: &Tenant, count: usize) -> Vec<String> {
    let path = format!("/api/v1/events?status=rejected&limit={count}");
    let page = tenant.call(conduit, "GET", &path, None).expect(200).json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), count);
    items
        .iter()
        .map(|event| event["eventId"].as_str().unwrap().to_owned())
        .collect()
}
