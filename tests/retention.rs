//! Retention, while it serves: what is old goes, what is not stays, and all promises with it.

use std::path::Path;
use std::sync::Arc;

use conduit::keys::Keyring;
use conduit::store::{Expiring, Expiry, PostgresOptions, PostgresStore, Retained as _, SqliteStore, Store};
use conduit_actors::event::Outcome;
use conduit_actors::ids::Timestamp;
use conduit_actors::links::MasterKey;
use serde_json::{Value, json};

use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::{Conduit, PATIENCE, Postgres, Tenant, wait_for};
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

/// As if the first controller had had these events: of each age in days, so many that failed, and so many activities.
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
        // Logged in the order of their sequence: the one that was sent above is the oldest of the chain, and keeps all.
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

/// The server frees the lock of the run before once it sees that its connection is closed.
async fn begin(store: &dyn Store) -> Box<dyn Expiry + '_> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(expiry) = store.begin_expiry().await.unwrap() {
            return expiry;
        }
        assert!(std::time::Instant::now() < deadline, "the lock is not freed");
    }
}

/// Two stores over one server, and old rows in partitions of their months.
#[test]
fn of_several_nodes_one_deletes_and_whole_months_are_dropped() {
    let server = Postgres::shared();
    let url = server.database();
    actix_web::rt::System::new().block_on(async {
        let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let open = async |node| {
            let options = PostgresOptions {
                max_connections: 2,
                ..PostgresOptions::default()
            };
            PostgresStore::open(&url, node, Arc::clone(&keyring), options)
                .await
                .unwrap()
        };
        let (one, two) = (open("one").await, open("two").await);
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        for (table, name, from, to) in [
            (
                "events",
                "2024_01",
                "018cc251-f400-0000-0000-000000000000",
                "018d61f7-1800-0000-0000-000000000000",
            ),
            (
                "activities",
                "2024_01",
                "018cc251-f400-0000-0000-000000000000",
                "018d61f7-1800-0000-0000-000000000000",
            ),
            (
                "activities",
                "2024_02",
                "018d61f7-1800-0000-0000-000000000000",
                "018df74f-8400-0000-0000-000000000000",
            ),
        ] {
            let sql =
                format!("CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}')");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        }
        let world = crate::store::world::controllers(&one, &keyring, &["did:web:a.example", "did:web:b.example"]).await;
        let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let log = async |controller, when: &str, count| {
            let mut batch = Batch::of(controller);
            let subject = batch.subject(&[], 1);
            for _ in 0..count {
                batch.processed(subject, 1);
            }
            batch.back_at(time(when)).commit(&one).await;
        };
        let [a, b] = [world[0], world[1]];
        log(a, "2024-01-10T00:00:00Z", 30).await;
        log(b, "2024-01-20T00:00:00Z", 5).await;
        log(a, "2024-02-10T00:00:00Z", 10).await;
        log(b, "2024-02-11T00:00:00Z", 3).await;
        log(b, "2024-03-05T00:00:00Z", 3).await;

        let mut first = one.begin_expiry().await.unwrap().unwrap();
        assert!(two.begin_expiry().await.unwrap().is_none(), "one at a time");
        let before = time("2024-02-11T12:00:00Z");
        let mut drain = async |what| {
            let (mut rows, mut partitions) = (0, 0);
            loop {
                let expired = first.step(what, before, 4).await.unwrap();
                rows += expired.rows;
                partitions += expired.partitions;
                if expired.is_done {
                    return (rows, partitions);
                }
            }
        };
        // January as a whole; of February, and of what is in no month's partition, row by row.
        assert_eq!(drain(Expiring::Events).await, (13, 1));
        assert_eq!(drain(Expiring::Activities).await, (13, 1));
        drop(first);
        // Emptied meanwhile: it goes with the next.
        let mut second = begin(&two).await;
        let expired = second
            .step(Expiring::Activities, time("2024-03-01T00:00:00Z"), 4)
            .await
            .unwrap();
        assert_eq!((expired.rows, expired.partitions), (0, 1));
        let partitions: Vec<String> = sqlx::query_scalar(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhrelid::regclass::text LIKE '%2024%'",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(partitions, [""; 0]);
        for report in conduit::audit::verify(&two, None).await.unwrap() {
            let expected = if report.did.as_str() == "did:web:a.example" {
                (40, 40)
            } else {
                (8, 11)
            };
            assert_eq!(
                (report.fault, (report.anchor.sequence.0, report.head.sequence.0)),
                (None, expected)
            );
        }
        let sums = one.outcome_counts(None).await.unwrap();
        assert_eq!(sums.processed, 51);
        pool.close().await;
        one.close().await;
        two.close().await;
    });
}

#[test]
fn a_month_whose_records_do_not_verify_or_are_no_beginning_stays() {
    let server = Postgres::shared();
    let url = server.database();
    actix_web::rt::System::new().block_on(async {
        let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let store = PostgresStore::open(&url, "one", Arc::clone(&keyring), PostgresOptions::default());
        let store = store.await.unwrap();
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let partition = "CREATE TABLE activities_2024_01 PARTITION OF activities \
             FOR VALUES FROM ('018cc251-f400-0000-0000-000000000000') TO ('018d61f7-1800-0000-0000-000000000000')";
        sqlx::query(partition).execute(&pool).await.unwrap();
        let world = crate::store::world::controllers(&store, &keyring, &["did:web:a.example", "did:web:b.example"]);
        let [a, b] = world.await[..] else { unreachable!() };
        let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let log = async |controller, when: &str| {
            let mut batch = Batch::of(controller);
            for _ in 0..5 {
                batch.event(Outcome::Processed { subject: None }, 1);
            }
            batch.back_at(time(when)).commit(&store).await;
        };
        let expire = async || {
            let mut expiry = begin(&store).await;
            let (mut rows, mut partitions) = (0, 0);
            loop {
                let expired = expiry
                    .step(Expiring::Activities, time("2024-02-01T00:00:00Z"), 3)
                    .await
                    .unwrap();
                rows += expired.rows;
                partitions += expired.partitions;
                if expired.is_done {
                    return (rows, partitions);
                }
            }
        };
        // What is in the month comes behind what is in no partition: row by row.
        log(a, "2023-12-10T00:00:00Z").await;
        log(a, "2024-01-10T00:00:00Z").await;
        log(b, "2024-01-11T00:00:00Z").await;
        assert_eq!(expire().await, (15, 0));
        // Changed: what is behind it stays, and the month with it.
        log(a, "2024-01-12T00:00:00Z").await;
        log(b, "2024-01-13T00:00:00Z").await;
        let tampered =
            sqlx::query("UPDATE activities SET purpose = 'Advertising' WHERE controller = $1 AND sequence = 8")
                .bind(b.as_uuid())
                .execute(&pool);
        assert_eq!(tampered.await.unwrap().rows_affected(), 1);
        // Those before the changed one, which are in the same page, stay with it.
        assert_eq!(expire().await, (5, 0));
        let reports = conduit::audit::verify(&store, None).await.unwrap();
        let faults = reports
            .iter()
            .map(|report| (report.did.as_str(), report.fault.is_some()));
        assert_eq!(
            faults.collect::<std::collections::BTreeMap<_, _>>(),
            [("did:web:a.example", false), ("did:web:b.example", true)].into()
        );
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM activities_2024_01")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(left, 5);
        pool.close().await;
        store.close().await;
    });
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
