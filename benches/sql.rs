//! Measures the cost of an event in PostgreSQL. Compares Conduit's commit of a batch with the same rows put in one at a
//! time, on the same server, in turns. All events are of new people, which is the most to write. Needs an empty
//! database: `CONDUIT_DATABASE_URL=postgresql://… cargo bench --bench sql`, or `benches/backends`, which starts one.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conduit::keys::Keyring;
use conduit::store::{ControllerRow, Controllers as _, PostgresOptions, PostgresStore};
use conduit_actors::event::{
    AcceptedEvent, Activity, AuditHash, DedupKey, LegalBasis, LinkHash, Outcome, OutcomeRecord, StageTimes,
};
use conduit_actors::ids::{ActivityId, ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::personal::{CredentialHash, Personal};
use conduit_actors::ports::{BatchEffects, Checkpoint, Credential, NewLink, NewSubject, PipelineStore as _};
use rand::Rng as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const ROUNDS: usize = 5;
/// Events in a batch: the configuration's default.
const BATCH: usize = 1_024;
/// Batches in a turn.
const BATCHES: usize = 8;
/// Events put in one at a time, in a turn.
const SINGLE: usize = 128;
/// Links of each: an e-mail address, a phone number, a name.
const LINKS: [(&str, bool); 3] = [
    ("user.contact.email", true),
    ("user.contact.phone_number", true),
    ("user.name", false),
];
const TABLES: [&str; 4] = ["subjects", "links", "activities", "events"];

/// Returns the microseconds per event.
fn each(elapsed: Duration, events: usize) -> f64 {
    elapsed.as_secs_f64() * 1e6 / events as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let Ok(url) = std::env::var("CONDUIT_DATABASE_URL") else {
        println!("sql: name an empty PostgreSQL database in CONDUIT_DATABASE_URL");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&url));
}

async fn run(url: &str) {
    let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
    let store = PostgresStore::open(url, "bench", Arc::clone(&keyring), PostgresOptions::default());
    let store = store.await.expect("a database");
    let controller = ControllerId::generate();
    store
        .create_controller(&controller_row(controller, &keyring))
        .await
        .expect("a controller");
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    for table in TABLES {
        let like = format!("CREATE TABLE single_{table} (LIKE {table} INCLUDING ALL)");
        sqlx::query(AssertSqlSafe(like))
            .execute(&mut connection)
            .await
            .expect("a table");
    }
    let (mut batched, mut events, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut sequence = 0;
    for _ in 0..ROUNDS {
        let mut elapsed = Duration::ZERO;
        for _ in 0..BATCHES {
            let mut effects = batch(controller, &mut sequence);
            let begin = Instant::now();
            store.commit(&mut effects).await.expect("a commit");
            elapsed += begin.elapsed();
        }
        batched.push(each(elapsed, BATCHES * BATCH));
        let written = written(&mut connection).await;
        let (first, second) = written.split_at(SINGLE);
        let begin = Instant::now();
        for event in first {
            let mut transaction = connection.begin().await.expect("a transaction");
            for (table, row) in event {
                put(&mut transaction, table, row).await;
            }
            transaction.commit().await.expect("a commit");
        }
        events.push(each(begin.elapsed(), first.len()));
        let begin = Instant::now();
        for (table, row) in second.iter().flatten() {
            put(&mut connection, table, row).await;
        }
        rows.push(each(begin.elapsed(), second.len()));
    }
    let (batched, events, rows) = (median(&mut batched), median(&mut events), median(&mut rows));
    println!("per event, medians of {ROUNDS} turns:");
    println!("  {batched:8.1} µs  Conduit's commit, {BATCH} events in a batch");
    println!(
        "  {events:8.1} µs  the same rows, a transaction for each event: {:.1} times as much",
        events / batched
    );
    println!(
        "  {rows:8.1} µs  the same rows, a transaction for each row: {:.1} times as much",
        rows / batched
    );
}

/// Reads the rows of the latest events, as text, by event.
async fn written(connection: &mut PgConnection) -> Vec<Vec<(&'static str, String)>> {
    let mut events = vec![Vec::new(); 2 * SINGLE];
    for (table, key, per_event) in [
        ("subjects", "id", 1),
        ("links", "subject", LINKS.len()),
        ("activities", "id", 1),
        ("events", "id", 1),
    ] {
        let sql = format!(
            "SELECT t::text FROM {table} t ORDER BY {key} DESC LIMIT {}",
            events.len() * per_event
        );
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await
            .expect("rows");
        for (event, rows) in events.iter_mut().zip(rows.chunks(per_event)) {
            event.extend(rows.iter().map(|row| (table, row.clone())));
        }
    }
    events
}

/// Inserts one row, by a statement that is prepared once. The sub-query prevents the text from being read once for each
/// column.
async fn put(connection: &mut PgConnection, table: &str, row: &str) {
    let sql =
        format!("INSERT INTO single_{table} SELECT (s.r).* FROM (SELECT $1::text::single_{table} AS r OFFSET 0) s");
    sqlx::query(AssertSqlSafe(sql))
        .bind(row)
        .execute(connection)
        .await
        .expect("a row");
}

fn controller_row(id: ControllerId, keyring: &Keyring) -> ControllerRow {
    let credential = CredentialHash::from_bytes([1; 32]);
    ControllerRow {
        id,
        did: "did:web:bench.example".parse().expect("a DID"),
        name: "Bench".to_owned(),
        created_at: Timestamp::now(),
        webhook_secret: Credential {
            current: credential,
            previous: None,
        },
        management_token: CredentialHash::from_bytes([2; 32]),
        wrapped_data_key: keyring.create(id).expect("a key"),
        link_key_version: 1,
    }
}

fn batch(controller: ControllerId, sequence: &mut u64) -> BatchEffects {
    let mut effects = BatchEffects::default();
    let integration = IntegrationId::from_uuid(controller.as_uuid());
    let categories: Vec<Arc<str>> = LINKS.iter().map(|(category, _)| (*category).into()).collect();
    for _ in 0..BATCH {
        let (now, subject) = (Timestamp::now(), SubjectId::generate());
        effects.subjects.push(NewSubject {
            id: subject,
            controller,
            first_seen_at: now,
        });
        effects
            .links
            .extend(LINKS.iter().zip(&categories).map(|((_, strong), category)| {
                let mut hash = [0; 32];
                rand::rng().fill_bytes(&mut hash);
                NewLink {
                    controller,
                    hash: LinkHash(hash),
                    subject,
                    category: Arc::clone(category),
                    strong: *strong,
                    key_version: 1,
                    first_seen_at: now,
                }
            }));
        let event = AcceptedEvent {
            id: EventId::generate(),
            controller,
            integration,
            event_type: "account_created".parse().expect("a type"),
            triggered_at: now,
            body: Personal::new(Bytes::from_static(b"{}")),
        };
        effects.activities.push(activity(&event, subject, &categories));
        effects.outcomes.push(outcome(event, subject, &categories));
    }
    let from = Sequence(*sequence);
    *sequence += BATCH as u64;
    effects.checkpoints.push(Checkpoint {
        controller,
        from,
        through: Sequence(*sequence),
    });
    effects
}

fn activity(event: &AcceptedEvent, subject: SubjectId, categories: &[Arc<str>]) -> Activity {
    Activity {
        id: ActivityId::generate(),
        controller: event.controller,
        sequence: Sequence(0),
        event: event.id,
        subject: Some(subject),
        other_subjects: Vec::new(),
        integration: event.integration,
        processor: "shop-1".parse().expect("a processor"),
        event_type: event.event_type.clone(),
        purpose: Some("Registration".into()),
        legal_basis: Some(LegalBasis::Contract),
        categories: categories.to_vec(),
        triggered_at: event.triggered_at,
        logged_at: event.triggered_at,
        previous_hash: AuditHash([0; 32]),
        hash: AuditHash([0; 32]),
    }
}

fn outcome(event: AcceptedEvent, subject: SubjectId, categories: &[Arc<str>]) -> OutcomeRecord {
    let at = event.triggered_at;
    OutcomeRecord {
        sequence: Sequence(0),
        processor: Some("shop-1".parse().expect("a processor")),
        shown_event_type: event.event_type.clone(),
        outcome: Outcome::Processed { subject: Some(subject) },
        warnings: Vec::new(),
        categories: categories.to_vec(),
        other_subjects: Vec::new(),
        mapped_digest: None,
        dedup: Some((DedupKey(subject.as_uuid().into_bytes()), 60)),
        mapping_version: Some(1),
        stages: StageTimes {
            journaled_at: at,
            extracted_at: Some(at),
            resolved_at: Some(at),
            logged_at: at,
        },
        event,
    }
}
