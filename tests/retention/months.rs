//! Months that go as a whole: partitions of PostgreSQL.

use std::sync::Arc;
use std::time::Instant;

use conduit::keys::Keyring;
use conduit::store::{
    Connections as _, Events as _, Expiring, Expiry, PostgresOptions, PostgresStore, ReplayFilter, Retained as _, Store,
};
use conduit_actors::event::Outcome;
use conduit_actors::ids::Timestamp;
use conduit_actors::links::MasterKey;
use conduit_actors::ports::PipelineStore as _;

use crate::common::{PATIENCE, Postgres};
use crate::store::replays::{begin as begin_replay, failed, next, step};
use crate::store::world::{Batch, controllers};

/// Begins a run. The server frees the lock of the former run once it sees that its connection is closed.
async fn begin(store: &dyn Store) -> Box<dyn Expiry + '_> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(expiry) = store.begin_expiry().await.unwrap() {
            return expiry;
        }
        assert!(Instant::now() < deadline, "the lock is not freed");
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
        let world = controllers(&one, &keyring, &["did:web:a.example", "did:web:b.example"]).await;
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
        // January goes as a whole; February, and rows outside of any month's partition, one by one.
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
        let world = controllers(&store, &keyring, &["did:web:a.example", "did:web:b.example"]);
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
        // Rows in the month come after rows outside of any partition: row by row.
        log(a, "2023-12-10T00:00:00Z").await;
        log(a, "2024-01-10T00:00:00Z").await;
        log(b, "2024-01-11T00:00:00Z").await;
        assert_eq!(expire().await, (15, 0));
        // Changed: the records behind it stay, and the month with it.
        log(a, "2024-01-12T00:00:00Z").await;
        log(b, "2024-01-13T00:00:00Z").await;
        let tampered =
            sqlx::query("UPDATE activities SET purpose = 'Advertising' WHERE controller = $1 AND sequence = 8")
                .bind(b.as_uuid())
                .execute(&pool);
        assert_eq!(tampered.await.unwrap().rows_affected(), 1);
        // Records before the changed one in the same page stay with it.
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
fn histories_go_with_a_month_of_events() {
    let server = Postgres::shared();
    let url = server.database();
    actix_web::rt::System::new().block_on(async {
        let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let store = PostgresStore::open(&url, "one", Arc::clone(&keyring), PostgresOptions::default());
        let store = store.await.unwrap();
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let partition = "CREATE TABLE events_2024_01 PARTITION OF events \
             FOR VALUES FROM ('018cc251-f400-0000-0000-000000000000') TO ('018d61f7-1800-0000-0000-000000000000')";
        sqlx::query(partition).execute(&pool).await.unwrap();
        let shop = controllers(&store, &keyring, &["did:web:shop.example"]).await[0];
        let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let fail = async |when: &str, count: usize| {
            let mut batch = Batch::of(shop);
            for _ in 0..count {
                batch.event(failed(), 1);
            }
            batch.back_at(time(when)).commit(&store).await;
        };
        // Before the month, in the partition of all that is in no month's; in it; behind it.
        for when in ["2023-12-10T00:00:00Z", "2024-01-10T00:00:00Z", "2024-02-10T00:00:00Z"] {
            fail(when, 5).await;
        }
        let replay = begin_replay(&store, shop, ReplayFilter::default()).await;
        let batch = next(&store, replay.id, 100).await;
        store.commit(&mut step(&batch, |_| failed())).await.unwrap();
        // Never replayed.
        fail("2024-01-11T00:00:00Z", 7).await;
        // Rows that a replay adds at the last moment, and the rest of a month that was dropped without its histories.
        let late = "INSERT INTO event_outcomes (event_id, controller, at, status) VALUES \
             ('018cc252-0000-7000-8000-000000000000', $1, 1, 'failed'), ('017cc252-0000-7000-8000-000000000000', $1, 1, 'failed')";
        sqlx::query(late).bind(shop.as_uuid()).execute(&pool).await.unwrap();
        let counted = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap() };
        let in_month = "SELECT count(*) FROM event_outcomes WHERE event_id >= '018cc251-f400-0000-0000-000000000000' \
             AND event_id < '018d61f7-1800-0000-0000-000000000000'";
        let lost = "SELECT count(*) FROM event_outcomes o WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = o.event_id)";
        let all = "SELECT count(*) FROM event_outcomes";
        assert_eq!((counted(all).await, counted(in_month).await, counted(lost).await), (32, 11, 2));

        let mut expiry = begin(&store).await;
        let (mut steps, before) = (Vec::new(), time("2024-02-11T00:00:00Z"));
        loop {
            let expired = expiry.step(Expiring::Events, before, 3).await.unwrap();
            steps.push((expired.rows, expired.partitions));
            let is_dropped = steps.iter().any(|(_, partitions)| *partitions > 0);
            let left = match (is_dropped, expired.is_done) {
                (false, _) => (2, true),
                (true, false) => (1, false),
                (true, true) => (0, false),
            };
            assert_eq!((counted(lost).await, counted(in_month).await > 0), left, "{steps:?}");
            if expired.is_done {
                break;
            }
        }
        // First events with histories, then the month with the others, then rows outside of any month. A history of a
        // lost event takes a place among the first three.
        assert_eq!(steps, [(2, 0), (2, 0), (1, 0), (0, 1), (3, 0), (3, 0), (3, 0), (1, 0)]);
        assert_eq!((counted(all).await, counted("SELECT count(*) FROM events").await), (0, 0));
        expiry.end().await;
        pool.close().await;
        store.close().await;
    });
}
