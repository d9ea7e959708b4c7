//! Interruptions of a replay: `kill -9`, another node, a deletion.

use serde_json::json;

use super::{
    ONE_SHARD, SLOW, SMALL_STEPS, activities, begin, ended, event, event_ids, mend, misfits, replay, under_way,
};
use crate::common::{Conduit, Postgres, Tenant, wait_for};

const COUNT: u64 = 1_200;

/// Asserts at the end that each event has one new outcome with one activity, and that the totals are true.
fn assert_each_once(conduit: &Conduit, shop: &Tenant, id: &str, some: &[String]) {
    let done = ended(conduit, shop, id);
    assert_eq!(
        (&done["status"], &done["processed"]),
        (&json!("done"), &json!(COUNT)),
        "{done}"
    );
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed, stats.rejected), (COUNT, COUNT, 0));
    assert_eq!(activities(conduit, shop).len() as u64, COUNT);
    for event_id in some {
        let found = event(conduit, shop, event_id);
        let history = found["history"].as_array().unwrap();
        assert_eq!((history.len(), &history[1]["replayId"]), (2, &json!(id)), "{found}");
    }
    conduit.assert_audit_verifies();
}

#[test]
fn a_replay_that_is_killed_over_and_over_goes_on_and_changes_nothing_twice() {
    let mut conduit = Conduit::with(&[SLOW, SMALL_STEPS]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    misfits(&conduit, &shop, COUNT as usize);
    mend(&conduit, &shop);
    let some = event_ids(&conduit, &shop, 200);
    let id = begin(&conduit, &shop, json!({}));
    for kill in 1..=4 {
        under_way(&conduit, &shop, &id, 50 * kill);
        conduit.kill();
        if kill == 4 {
            conduit.unset(SLOW.0);
            conduit.unset(SMALL_STEPS.0);
        }
        conduit.launch();
        let stats = conduit.stats();
        stats.assert_sum();
        assert_eq!(stats.accepted, COUNT);
    }
    assert_each_once(&conduit, &shop, &id, &some);
    assert_eq!(conduit.log_lines("a replay has ended").len(), 1);
}

#[test]
fn another_node_takes_up_the_replay_of_one_that_is_killed() {
    let server = Postgres::shared();
    let database = server.database();
    let lease = ("CONDUIT__REPLAY__LEASE_SECONDS", "2");
    let mut first = Conduit::with(&[SLOW, SMALL_STEPS, lease, ("CONDUIT_DATABASE_URL", &database)]);
    let key = first.data_dir().join("master.key");
    let second = Conduit::with(&[
        lease,
        ("CONDUIT_DATABASE_URL", &database),
        ("CONDUIT_MASTER_KEY_FILE", key.to_str().unwrap()),
    ]);
    let shop = Tenant::create(&first, "did:web:shop.example");
    misfits(&first, &shop, COUNT as usize);
    mend(&first, &shop);
    let some = event_ids(&first, &shop, 200);
    let id = begin(&first, &shop, json!({}));
    under_way(&second, &shop, &id, 50);
    assert_eq!(second.log_lines("a replay begins").len(), 0, "it is the first node's");
    first.kill();
    assert_each_once(&second, &shop, &id, &some);
    assert_eq!(second.log_lines("a replay begins").len(), 1);
    // The first comes back, and there is nothing left for it.
    first.unset("FAILPOINTS");
    first.launch();
    assert_each_once(&first, &shop, &id, &some);

    // A node that stops in order gives up its replays at once.
    let lost = Tenant::create(&first, "did:web:lost.example");
    misfits(&first, &lost, 300);
    first.set("FAILPOINTS", SLOW.1);
    first.set("CONDUIT__REPLAY__LEASE_SECONDS", "3600");
    first.set("CONDUIT__REPLAY__BATCH_EVENTS", "1");
    assert_eq!(first.stop(), Some(0));
    first.launch();
    let id = begin(&first, &lost, json!({}));
    under_way(&first, &lost, &id, 0);
    assert_eq!(first.stop(), Some(0));
    let done = ended(&second, &lost, &id);
    assert_eq!((&done["status"], &done["rejected"]), (&json!("done"), &json!(300)));
}

#[test]
fn a_replay_goes_on_when_the_database_is_back() {
    let server = Postgres::start();
    let conduit = Conduit::with(&[
        SLOW,
        SMALL_STEPS,
        ("CONDUIT_DATABASE_URL", &server.database()),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    misfits(&conduit, &shop, 400);
    mend(&conduit, &shop);
    let id = begin(&conduit, &shop, json!({}));
    under_way(&conduit, &shop, &id, 20);
    server.stop("QUIT");
    let live = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    wait_for("the outage to be noticed", || {
        conduit.readiness().is_degraded("shards", "unavailable").then_some(())
    });
    server.launch();
    wait_for("the database to be back", || {
        let path = format!("/api/v1/replays/{id}");
        (shop.call(&conduit, "GET", &path, None).status == 200).then_some(())
    });
    let done = ended(&conduit, &shop, &id);
    assert_eq!(
        (&done["status"], &done["processed"]),
        (&json!("done"), &json!(400)),
        "{done}"
    );
    assert_eq!(shop.outcome(&conduit, &live)["status"], "processed");
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (401, 401));
    assert_eq!(activities(&conduit, &shop).len(), 401);
    conduit.assert_audit_verifies();
}

#[test]
fn a_controller_that_is_deleted_takes_its_replay_along() {
    let conduit = Conduit::with(&[SLOW, SMALL_STEPS, ONE_SHARD]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    misfits(&conduit, &shop, 500);
    mend(&conduit, &shop);
    let id = begin(&conduit, &shop, json!({}));
    under_way(&conduit, &shop, &id, 0);
    let path = format!("/api/v1/controllers/{}", shop.did);
    conduit.admin("DELETE", &path, None).expect(204);
    let path = format!("/api/v1/replays/{id}");
    conduit.admin("GET", &path, None).expect(404);
    wait_for("the pipeline to notice", || {
        let scrape = conduit.get("/metrics").text;
        scrape.contains("conduit_replays_running 0").then_some(())
    });
    let live = other.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(other.outcome(&conduit, &live)["status"], "processed");
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (1, 1));
    conduit.get("/readyz").expect(200);
    conduit.assert_audit_verifies();
}

#[test]
fn events_of_an_integration_that_is_deleted_meanwhile_are_rejected_for_that() {
    let conduit = Conduit::with(&[SLOW, SMALL_STEPS]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    misfits(&conduit, &shop, 600);
    mend(&conduit, &shop);
    let id = begin(&conduit, &shop, json!({"integration": shop.integration}));
    under_way(&conduit, &shop, &id, 0);
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    shop.call(&conduit, "DELETE", &path, None).expect(204);
    let done = ended(&conduit, &shop, &id);
    let count = |part: &str| done[part].as_u64().unwrap();
    assert_eq!((&done["status"], count("done")), (&json!("done"), 600));
    assert!(count("processed") > 0 && count("rejected") > 0, "{done}");
    let left = event(&conduit, &shop, &event_ids(&conduit, &shop, 1)[0]);
    assert_eq!(left["reasons"][0]["code"], "integration_deleted");
    assert_eq!(left["dataProcessorId"], json!(shop.processor), "as it was known before");
    assert_eq!(conduit.settled().processed, count("processed"));
    assert_eq!(replay(&conduit, &shop, &id), done);
}
