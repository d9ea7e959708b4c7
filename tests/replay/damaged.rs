//! Replays of rows that are missing or damaged in the database.

use serde_json::json;

use super::{begin, code, ended, event, mend, misfit, replay_event};
use crate::common::{Conduit, Tenant};

/// Changes the database beside the process. `?` is the event.
fn tamper(conduit: &Conduit, statement: &'static str, event: &str) {
    let path = conduit.data_dir().join("conduit.db");
    let event = uuid::Uuid::parse_str(event).unwrap();
    actix_web::rt::System::new().block_on(async {
        let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
        let bytes = event.as_bytes().to_vec();
        let changed = sqlx::query(statement).bind(bytes).execute(&pool).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
        pool.close().await;
    });
}

#[test]
fn events_without_a_payload_that_opens_are_skipped_and_the_others_replayed() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let ids = ["ada", "bob", "eve", "joe"].map(|person| misfit(&conduit, &shop, person));
    assert_eq!(conduit.settled().rejected, 4);
    mend(&conduit, &shop);
    tamper(&conduit, "DELETE FROM payloads WHERE event_id = ?", &ids[0]);
    let damage = "UPDATE payloads SET sealed = zeroblob(length(sealed)) WHERE event_id = ?";
    tamper(&conduit, damage, &ids[2]);

    let path = "/api/v1/events/replay?estimate=true";
    let estimate = shop.call(&conduit, "POST", path, None).expect(200).json();
    assert_eq!((&estimate["matching"], &estimate["replayable"]), (&json!(4), &json!(3)));
    let (code, detail) = code(replay_event(&conduit, &shop, &ids[0]), 409);
    assert!(
        code == "not_replayable" && detail.contains("payload is gone"),
        "{detail}"
    );

    let id = begin(&conduit, &shop, json!({}));
    let done = ended(&conduit, &shop, &id);
    let counts = ["matching", "done", "processed", "skipped"].map(|part| done[part].as_u64().unwrap());
    assert_eq!((&done["status"], counts), (&json!("done"), [4, 4, 2, 2]));
    for (id, status) in ids.iter().zip(["rejected", "processed", "rejected", "processed"]) {
        let found = event(&conduit, &shop, id);
        let entries = if status == "processed" { 2 } else { 1 };
        assert_eq!(
            (&found["status"], found["history"].as_array().unwrap().len()),
            (&json!(status), entries)
        );
    }
    assert_eq!(conduit.log_lines("a payload does not open").len(), 1);
    let stats = conduit.stats();
    assert_eq!((stats.accepted, stats.processed, stats.rejected), (4, 2, 2));
}

#[test]
fn a_replay_that_cannot_be_read_fails_and_nobody_else_is_the_worse_for_it() {
    let conduit = Conduit::with(&[super::ONE_SHARD]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let (damaged, theirs) = (misfit(&conduit, &shop, "ada"), misfit(&conduit, &other, "ada"));
    assert_eq!(conduit.settled().rejected, 2);
    mend(&conduit, &other);
    tamper(&conduit, "UPDATE events SET event_type = '' WHERE id = ?", &damaged);
    let id = begin(&conduit, &shop, json!({}));
    let failed = ended(&conduit, &shop, &id);
    assert_eq!((&failed["status"], &failed["done"]), (&json!("failed"), &json!(0)));
    assert_eq!(conduit.log_lines("a replay cannot go on").len(), 1);
    let id = begin(&conduit, &other, json!({}));
    assert_eq!(ended(&conduit, &other, &id)["processed"], 1);
    assert_eq!(event(&conduit, &other, &theirs)["status"], "processed");
    let live = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &live)["status"], "processed");
    conduit.get("/readyz").expect(200);
}
