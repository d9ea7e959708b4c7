//! Retention while Conduit serves: old rows are deleted, newer ones stay, and all promises hold.

mod months;

use std::path::Path;
use std::sync::Arc;

use conduit::keys::Keyring;
use conduit::store::{Connections as _, PostgresOptions, PostgresStore, SqliteStore, Store};
use conduit_actors::event::Outcome;
use conduit_actors::ids::Timestamp;
use conduit_actors::links::MasterKey;
use serde_json::{Value, json};

use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::{Conduit, Postgres, Tenant, wait_for};
use crate::store::world::Batch;

const DAY_MS: i64 = 86_400_000;

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() - days * DAY_MS)
}

fn keyring(data_dir: &Path) -> Arc<Keyring> {
    let text = std::fs::read_to_string(data_dir.join("master.key")).unwrap();
    let text = text.trim();
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    Arc::new(Keyring::new(MasterKey::new(std::array::from_fn(byte))))
}

/// Stores events of the first controller with these ages in days: for each age, a number of failed events and of
/// activities.
async fn age(store: &dyn Store, keyring: &Keyring, ages: &[i64], count: usize) {
    let controller = store.controllers().await.unwrap().pop().unwrap();
    keyring.load(controller.id, &controller.wrapped_data_key).unwrap();
    for days in ages {
        let mut batch = Batch::of(controller.id);
        let subject = batch.subject(&[], 1);
        for _ in 0..count {
            batch.processed(subject, 1);
            batch.event(Outcome::Failed { reasons: Vec::new() }, 1);
        }
        batch.back_at(days_ago(*days)).commit(store).await;
    }
}

fn report(conduit: &Conduit) -> Value {
    conduit.admin("GET", "/api/v1/supervision", None).expect(200).json()["retention"].clone()
}

/// Waits until there is nothing more to delete.
fn idle(conduit: &Conduit) -> Value {
    wait_for("a run to end", || {
        let report = report(conduit);
        (report["isRunning"] == false && report["lastRunAt"].is_string()).then_some(report)
    })
}

fn scraped(conduit: &Conduit, series: &str) -> f64 {
    let text = conduit.get("/metrics").expect(200).text;
    let found = text.lines().find_map(|line| line.strip_prefix(series));
    found
        .unwrap_or_else(|| panic!("{series}: {text}"))
        .trim()
        .parse()
        .unwrap()
}

fn verify(conduit: &Conduit) -> (Option<i32>, String) {
    let output = conduit.command().args(["audit", "verify"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

const PERIODS: [(&str, &str); 5] = [
    ("CONDUIT__RETENTION__REJECTED_PAYLOAD_DAYS", "30"),
    ("CONDUIT__RETENTION__EVENT_DAYS", "100"),
    ("CONDUIT__RETENTION__ACTIVITY_DAYS", "200"),
    ("CONDUIT__RETENTION__BATCH_ROWS", "7"),
    ("CONDUIT__RETENTION__PAUSE_MS", "0"),
];

#[test]
fn old_rows_go_in_the_background_and_the_sums_and_the_chain_hold() {
    let mut conduit = Conduit::with(&PERIODS);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let sent = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let before = conduit.settled();
    let untouched = idle(&conduit);
    assert_eq!(untouched["total"]["events"], json!({"rows": 0, "partitions": 0}));
    assert_eq!(conduit.stop(), Some(0));
    actix_web::rt::System::new().block_on(async {
        let keyring = keyring(&conduit.data_dir());
        let path = conduit.data_dir().join("conduit.db");
        let store = SqliteStore::open(&path, "another", Arc::clone(&keyring)).await.unwrap();
        // Logged in the order of their sequence: the event sent above is the oldest of the chain, and keeps all others.
        age(&store, &keyring, &[300, 150, 50], 20).await;
        store.close().await;
    });
    conduit.launch();
    let report = idle(&conduit);
    assert_eq!(report["failure"], Value::Null, "{report}");
    let rows = |kind: &str| report["lastRun"][kind]["rows"].as_u64().unwrap();
    assert_eq!((rows("payloads"), rows("events")), (60, 80), "{report}");
    assert_eq!(rows("activities"), 0, "the oldest of the chain is of today");
    assert_eq!(
        scraped(&conduit, "conduit_retention_deleted_rows_total{kind=\"payloads\"}"),
        60.0
    );
    assert_eq!(
        scraped(&conduit, "conduit_retention_deleted_rows_total{kind=\"events\"}"),
        80.0
    );
    let lines = conduit.log_lines("old rows were deleted");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let stats = conduit.settled();
    assert_eq!((stats.processed, stats.failed), (before.processed + 60, 60));
    assert_eq!(shop.outcome(&conduit, &sent)["status"], "processed");
    let left = conduit
        .admin("GET", "/api/v1/events?limit=200", None)
        .expect(200)
        .json();
    assert_eq!(left["items"].as_array().unwrap().len(), 41);
    // The window's claims were kept.
    let again = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &again)["status"], "duplicate");
    conduit.assert_audit_verifies();
}

#[test]
fn the_beginning_of_a_chain_goes_and_the_command_says_from_where_on_it_verified() {
    let mut conduit = Conduit::with(&PERIODS);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    idle(&conduit);
    assert_eq!(conduit.stop(), Some(0));
    actix_web::rt::System::new().block_on(async {
        let keyring = keyring(&conduit.data_dir());
        let path = conduit.data_dir().join("conduit.db");
        let store = SqliteStore::open(&path, "another", Arc::clone(&keyring)).await.unwrap();
        age(&store, &keyring, &[300, 250, 150], 20).await;
        store.close().await;
    });
    let (code, text) = verify(&conduit);
    assert!(code == Some(0) && text.contains("60 records, head"), "{text}");
    conduit.launch();
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let report = idle(&conduit);
    assert_eq!(report["lastRun"]["activities"]["rows"], 40, "{report}");
    conduit.settled();
    let (code, text) = verify(&conduit);
    assert!(
        code == Some(0)
            && text.contains("21 records, from 41 on, head 61 ")
            && text.contains("up to 40 they were deleted"),
        "{text}"
    );
    let activities = shop.call(&conduit, "GET", "/api/v1/activities?order=sequence&limit=200", None);
    let activities = activities.expect(200).json();
    let last = activities["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (activities["items"].as_array().unwrap().len(), &last["sequence"]),
        (21, &json!(41))
    );
}

#[test]
fn kills_in_the_middle_of_deletions_and_of_load_lose_nothing_that_is_not_old() {
    let mut settings = PERIODS.to_vec();
    settings.push(LONG_WINDOW);
    settings[3].1 = "1";
    let mut conduit = Conduit::with(&settings);
    let load = Load::new(&conduit);
    idle(&conduit);
    for round in 0..4 {
        assert_eq!(conduit.stop(), Some(0));
        actix_web::rt::System::new().block_on(async {
            let keyring = keyring(&conduit.data_dir());
            let path = conduit.data_dir().join("conduit.db");
            let store = SqliteStore::open(&path, "another", Arc::clone(&keyring)).await.unwrap();
            age(&store, &keyring, &[300], 100).await;
            store.close().await;
        });
        conduit.launch();
        load.throughout(&conduit, Refusals::ProcessGone, || {
            load.more(10 + 10 * round);
            let pid = conduit.pid().to_string();
            let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
            assert!(killed.unwrap().success());
        });
        conduit.kill();
        conduit.launch();
        conduit.assert_audit_verifies();
    }
    let report = idle(&conduit);
    assert_eq!(report["failure"], Value::Null);
    conduit.settled();
    conduit.assert_audit_verifies();
    for query in ["status=failed", "to=2026-01-01T00:00:00Z"] {
        let left = conduit
            .admin("GET", &format!("/api/v1/events?{query}"), None)
            .expect(200)
            .json();
        assert_eq!(left["items"], json!([]), "{query}");
    }
    assert_eq!(conduit.stats().failed, 400);
}

#[test]
fn old_rows_go_in_postgresql_as_well() {
    let server = Postgres::shared();
    let url = server.database();
    let mut settings = PERIODS.to_vec();
    settings.push(("CONDUIT_DATABASE_URL", &url));
    let mut conduit = Conduit::with(&settings);
    Tenant::create(&conduit, "did:web:shop.example");
    idle(&conduit);
    assert_eq!(conduit.stop(), Some(0));
    actix_web::rt::System::new().block_on(async {
        let keyring = keyring(&conduit.data_dir());
        let options = PostgresOptions::default();
        let store = PostgresStore::open(&url, "another", Arc::clone(&keyring), options)
            .await
            .unwrap();
        age(&store, &keyring, &[300, 150, 50], 20).await;
        store.close().await;
    });
    conduit.launch();
    let report = idle(&conduit);
    assert_eq!(report["failure"], Value::Null, "{report}");
    let rows = |kind: &str| report["lastRun"][kind]["rows"].as_u64().unwrap();
    assert_eq!(
        (rows("payloads"), rows("events"), rows("activities")),
        (60, 80, 20),
        "{report}"
    );
    let stats = conduit.settled();
    assert_eq!((stats.processed, stats.failed), (60, 60));
    let (code, text) = verify(&conduit);
    assert!(code == Some(0) && text.contains("40 records, from 21 on"), "{text}");
}
