//! A store to try, and batches to try it with.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use conduit::keys::Keyring;
use conduit::store::{ControllerRow, IntegrationRow, PostgresOptions, PostgresStore, SqliteStore, Store};
use conduit_actors::codes::EventCode;
use conduit_actors::event::{
    AcceptedEvent, Activity, AuditHash, DedupKey, LegalBasis, LinkHash, Notice, Outcome, OutcomeRecord, StageTimes,
};
use conduit_actors::ids::{ActivityId, ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::personal::{CredentialHash, Personal};
use conduit_actors::ports::{BatchEffects, Ceiling, Checkpoint, Credential, Merge, NewLink, NewSubject};
use uuid::Uuid;

use sqlx::Connection as _;

use crate::common::Postgres;

/// Numbers old ids, which grow.
static OLD: AtomicU64 = AtomicU64::new(0);

/// Where the nodes' database is.
#[derive(Clone)]
enum Place {
    File(std::path::PathBuf),
    Server(String),
}

/// One node's store, and the means to open another's on the same database.
pub struct World {
    pub store: Arc<dyn Store>,
    pub keyring: Arc<Keyring>,
    place: Place,
    _kept: Box<dyn Any>,
}

pub fn on_sqlite<F: Future>(test: impl FnOnce(World) -> F) {
    let dir = tempfile::tempdir().unwrap();
    run(Place::File(dir.path().join("conduit.db")), Box::new(dir), test);
}

pub fn on_postgres<F: Future>(test: impl FnOnce(World) -> F) {
    let server = Postgres::shared();
    run(Place::Server(server.database()), Box::new(server), test);
}

fn run<F: Future>(place: Place, kept: Box<dyn Any>, test: impl FnOnce(World) -> F) {
    actix_web::rt::System::new().block_on(async {
        let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let store = open(&place, "node-1", &keyring).await;
        let world = World {
            store: Arc::clone(&store),
            keyring,
            place,
            _kept: kept,
        };
        test(world).await;
        store.close().await;
    });
}

async fn open(place: &Place, node: &str, keyring: &Arc<Keyring>) -> Arc<dyn Store> {
    let keyring = Arc::clone(keyring);
    match place {
        Place::File(path) => Arc::new(SqliteStore::open(path, node, keyring).await.unwrap()),
        Place::Server(url) => {
            let options = PostgresOptions {
                max_connections: 4,
                ..PostgresOptions::default()
            };
            Arc::new(PostgresStore::open(url, node, keyring, options).await.unwrap())
        }
    }
}

impl World {
    /// Returns the store as another node sees it.
    pub async fn node(&self, name: &str) -> Arc<dyn Store> {
        open(&self.place, name, &self.keyring).await
    }

    /// Runs SQL, beside the stores.
    pub async fn sql(&self, sql: &'static str) -> u64 {
        match &self.place {
            Place::File(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
                connection.close().await.unwrap();
                done
            }
            Place::Server(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
                connection.close().await.unwrap();
                done
            }
        }
    }

    /// Makes a controller.
    pub async fn controller(&self, did: &str) -> ControllerRow {
        let row = self.controller_row(did);
        self.store.create_controller(&row).await.unwrap();
        row
    }

    pub fn controller_row(&self, did: &str) -> ControllerRow {
        controller_row(&self.keyring, did)
    }

    /// Makes an integration.
    pub async fn integration(&self, controller: ControllerId, processor: &str) -> IntegrationRow {
        let row = integration_row(controller, processor);
        self.store.create_integration(&row).await.unwrap();
        row
    }
}

pub fn integration_row(controller: ControllerId, processor: &str) -> IntegrationRow {
    let spec = serde_json::json!({"name": "Shop", "dataProcessorId": processor, "events": [
        {"name": "contact\u{7f}", "fields": [{"path": "email", "type": "string", "pii": "user.contact.email"}]}]});
    IntegrationRow {
        id: IntegrationId::generate(),
        controller,
        processor: processor.parse().unwrap(),
        spec: serde_json::from_value(spec).unwrap(),
        version: 1,
        api_key: credential(5),
        created_at: at(2),
        updated_at: at(2),
    }
}

pub fn credential(byte: u8) -> Credential {
    Credential {
        current: CredentialHash::from_bytes([byte; 32]),
        previous: None,
    }
}

/// Makes controllers of these names.
pub async fn controllers(store: &dyn Store, keyring: &Keyring, dids: &[&str]) -> Vec<ControllerId> {
    let mut ids = Vec::new();
    for did in dids {
        let row = controller_row(keyring, did);
        store.create_controller(&row).await.unwrap();
        ids.push(row.id);
    }
    ids
}

fn controller_row(keyring: &Keyring, did: &str) -> ControllerRow {
    let id = ControllerId::generate();
    ControllerRow {
        id,
        did: did.parse().unwrap(),
        name: format!("Ünïcode {did}"),
        created_at: at(1),
        webhook_secret: credential(1),
        management_token: CredentialHash::from_bytes([2; 32]),
        wrapped_data_key: keyring.create(id).unwrap(),
        link_key_version: 3,
    }
}

/// Returns a moment: this number of seconds into 2026.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + seconds * 1000)
}

pub fn hash(byte: u8) -> LinkHash {
    LinkHash([byte; 32])
}

/// One controller's next batch, after the content of the store.
pub struct Batch {
    controller: ControllerId,
    integration: IntegrationId,
    pub effects: BatchEffects,
}

impl Batch {
    pub fn of(controller: ControllerId) -> Self {
        Self {
            controller,
            integration: IntegrationId::from_uuid(controller.as_uuid()),
            effects: BatchEffects::default(),
        }
    }

    pub fn by(mut self, integration: IntegrationId) -> Self {
        self.integration = integration;
        self
    }

    /// Adds a new subject with strong links.
    pub fn subject(&mut self, links: &[u8], seconds: i64) -> SubjectId {
        let id = SubjectId::generate();
        self.effects.subjects.push(NewSubject {
            id,
            controller: self.controller,
            first_seen_at: at(seconds),
        });
        for link in links {
            self.link(id, *link, true, seconds);
        }
        id
    }

    pub fn link(&mut self, subject: SubjectId, link: u8, strong: bool, seconds: i64) {
        let category = if strong { "user.contact.email" } else { "user.name" };
        self.effects.links.push(NewLink {
            controller: self.controller,
            hash: hash(link),
            subject,
            category: category.into(),
            strong,
            key_version: 1,
            first_seen_at: at(seconds),
        });
    }

    pub fn merge(&mut self, from: SubjectId, into: SubjectId) {
        self.effects.merges.push(Merge {
            controller: self.controller,
            from,
            into,
            at: at(50),
            event: EventId::generate(),
            evidence: vec![
                (hash(1), "user.contact.email".into()),
                (hash(2), "user.unique_id".into()),
            ],
        });
    }

    /// Adds an event with this outcome. A processed event has an activity.
    pub fn event(&mut self, outcome: Outcome, seconds: i64) -> EventId {
        let event = AcceptedEvent {
            id: EventId::generate(),
            controller: self.controller,
            integration: self.integration,
            event_type: "contact".parse().unwrap(),
            triggered_at: at(seconds),
            body: Personal::new(Bytes::from_static(b"{\"email\":\"ada@shop.example\"}")),
        };
        self.outcome(event, outcome, seconds)
    }

    /// Adds the outcome of an event, now or in a replay.
    pub fn outcome(&mut self, event: AcceptedEvent, outcome: Outcome, seconds: i64) -> EventId {
        let id = event.id;
        if let Outcome::Processed { subject } = outcome {
            self.effects.activities.push(activity(&event, subject));
        }
        self.effects.outcomes.push(OutcomeRecord {
            event,
            sequence: Sequence(0),
            processor: Some("shop-1".parse().unwrap()),
            shown_event_type: "contact".parse().unwrap(),
            outcome,
            warnings: vec![Notice::new("/phone", EventCode::InvalidPhoneNumber, "is not a number")],
            categories: vec!["user.contact.email".into(), "user.name".into()],
            other_subjects: Vec::new(),
            mapped_digest: None,
            dedup: Some((DedupKey([4; 16]), 60)),
            mapping_version: Some(7),
            stages: StageTimes {
                journaled_at: at(seconds + 1),
                extracted_at: Some(at(seconds + 2)),
                resolved_at: None,
                logged_at: at(seconds + 3),
            },
        });
        id
    }

    pub fn processed(&mut self, subject: SubjectId, seconds: i64) -> EventId {
        let outcome = Outcome::Processed { subject: Some(subject) };
        self.event(outcome, seconds)
    }

    /// Adds an event that concerns one subject and names others.
    pub fn naming(&mut self, subject: SubjectId, others: &[SubjectId], seconds: i64) -> EventId {
        let id = self.processed(subject, seconds);
        if let (Some(activity), Some(record)) = (self.effects.activities.last_mut(), self.effects.outcomes.last_mut()) {
            others.clone_into(&mut activity.other_subjects);
            others.clone_into(&mut record.other_subjects);
        }
        id
    }

    /// Sets how many values of the category of strong links an existing subject may hold.
    pub fn ceiling(&mut self, subject: SubjectId, max: u32) {
        self.effects.ceilings.push(Ceiling {
            controller: self.controller,
            subject,
            category: "user.contact.email".into(),
            max,
        });
    }

    /// Moves all receipts and logs to this time. The events keep their order.
    pub fn back_at(mut self, time: Timestamp) -> Self {
        let first = EventId::first_at(time).as_uuid().as_u128();
        let old = || Uuid::from_u128(first | (0x7 << 76) | (0b10 << 62) | u128::from(OLD.fetch_add(1, Relaxed)));
        let mut ids = HashMap::new();
        for record in &mut self.effects.outcomes {
            let id = EventId::from_uuid(old());
            ids.insert(record.event.id, id);
            record.event.id = id;
            record.stages.logged_at = time;
        }
        for activity in &mut self.effects.activities {
            activity.id = ActivityId::from_uuid(old());
            activity.event = ids[&activity.event];
            activity.logged_at = time;
        }
        self
    }

    /// Moves the checkpoint, behind what `store` says.
    pub async fn ready(mut self, store: &dyn Store) -> BatchEffects {
        let checkpoint = store.checkpoint(self.controller).await.unwrap();
        self.effects.checkpoints.push(Checkpoint {
            controller: self.controller,
            from: checkpoint,
            through: Sequence(checkpoint.0 + self.effects.outcomes.len().max(1) as u64),
        });
        self.effects
    }

    /// Commits it.
    pub async fn commit(self, store: &dyn Store) {
        let mut effects = self.ready(store).await;
        store.commit(&mut effects).await.unwrap();
    }
}

fn activity(event: &AcceptedEvent, subject: Option<SubjectId>) -> Activity {
    Activity {
        id: ActivityId::generate(),
        controller: event.controller,
        sequence: Sequence(0),
        event: event.id,
        subject,
        other_subjects: Vec::new(),
        integration: event.integration,
        processor: "shop-1".parse().unwrap(),
        event_type: event.event_type.clone(),
        purpose: Some("Käufe".into()),
        legal_basis: Some(LegalBasis::Contract),
        categories: vec!["user.contact.email".into(), "user.name".into()],
        triggered_at: event.triggered_at,
        logged_at: at(99),
        previous_hash: AuditHash([0; 32]),
        hash: AuditHash([0; 32]),
    }
}
