//! A fixed load for `scripts/cost`, which counts its instructions: `cost LAST_STAGE EVENTS`.
//!
//! Every event goes through the stages up to the named one, in batches, through the real parts: journal and SQLite on a
//! disk. Every event brings a new person with three identifiers. The script takes the differences between runs.

#![allow(clippy::print_stderr, clippy::expect_used, missing_docs)]

use std::future::Future;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conduit::dedup::MemoryWindow;
use conduit::journal::{JournalOptions, JournalTuning, Retention, WalJournal};
use conduit::keys::Keyring;
use conduit::store::{ControllerRow, Controllers as _, SqliteStore};
use conduit_actors::envelope::Envelope;
use conduit_actors::event::{JournaledEvent, ValidEvent};
use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId, Sequence, Timestamp};
use conduit_actors::ingest::{Head, Parcel, Submission, Then};
use conduit_actors::links::{LinkKey, MasterKey};
use conduit_actors::mapping::{DedupDefaults, IntegrationSpec, Mapping};
use conduit_actors::personal::{Personal, Secret};
use conduit_actors::ports::{BacklogListener, Controller, Credential, Directory, Integration, Journal as _};
use conduit_actors::stages::{
    ActivityLogger, Authenticator, ExtractedEvent, PiiExtractor, ResolveJob, ResolvedBatch, ResolverJob,
    SubjectResolver,
};
use conduit_actors::supervisor::Stage as _;
use conduit_actors::taxonomy::Taxonomy;
use conduit_actors::usage::{UsageBook, UsageBooks};
use serde_json::json;
use tokio::sync::oneshot;

/// As in the program, since allocations are a part of the cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events in a batch.
const BATCH: usize = 512;
/// The stages, in the order of an event's way. `load` is what makes the events, and no stage.
const STAGES: [&str; 9] = [
    "load",
    "authenticate",
    "envelope",
    "append",
    "read",
    "extract",
    "resolve",
    "commit",
    "release",
];

struct Deaf;

impl BacklogListener for Deaf {
    fn appended(&self, _: ControllerId, _: Sequence) {}
}

/// A directory of one integration.
struct Shop(Arc<Integration>);

impl Directory for Shop {
    fn is_reliable(&self) -> bool {
        true
    }

    fn by_url(&self, did: &ControllerDid, processor: &ProcessorId) -> Option<Arc<Integration>> {
        (*did == self.0.controller.did && *processor == self.0.processor).then(|| Arc::clone(&self.0))
    }

    fn by_id(&self, integration: IntegrationId) -> Option<Arc<Integration>> {
        (integration == self.0.id).then(|| Arc::clone(&self.0))
    }

    fn controller(&self, controller: ControllerId) -> Option<Arc<Controller>> {
        (controller == self.0.controller.id).then(|| Arc::clone(&self.0.controller))
    }
}

fn key() -> Secret {
    Secret::new("k".repeat(72))
}

fn secret() -> Secret {
    Secret::new("s".repeat(72))
}

fn credential(secret: &Secret) -> Credential {
    Credential {
        current: secret.hash(),
        previous: None,
    }
}

fn integration(id: ControllerId) -> Integration {
    let spec: IntegrationSpec = serde_json::from_value(json!({"name": "Shop", "defaultRegion": "DE", "events": [
        {"name": "account_created", "purpose": "Registration", "legalBasis": "contract", "fields": [
            {"path": "email", "required": true, "pii": "user.contact.email"},
            {"path": "phone", "pii": "user.contact.phone_number"},
            {"path": "customer.name", "pii": "user.name"},
            {"path": "order"}]}]}))
    .expect("a mapping");
    let defaults = DedupDefaults { window_seconds: 60 };
    Integration {
        id: IntegrationId::generate(),
        controller: Arc::new(Controller {
            id,
            did: "did:web:shop.example".parse().expect("a DID"),
            webhook_secret: credential(&secret()),
            link_key: LinkKey::derive(&MasterKey::new([1; 32]), id, 1),
            gate: None,
        }),
        processor: "shop".parse().expect("a processor"),
        api_key: credential(&key()),
        version: 1,
        mapping: Arc::new(Mapping::compile(&spec, &Arc::new(Taxonomy::bundled()), defaults).expect("a mapping")),
    }
}

/// Returns a body of about 550 bytes.
fn body(number: usize) -> Bytes {
    Bytes::from(format!(
        r#"{{"event":"account_created","triggeredAt":"2026-04-06T10:30:00Z","email":"customer{number}@shop.example","phone":"+49301{number:06}","customer":{{"name":"Customer {number}"}},"order":"{number}","note":"{}"}}"#,
        "x".repeat(380)
    ))
}

/// The parts that the stages run on.
struct World {
    shop: Arc<Integration>,
    authenticator: Authenticator,
    book: UsageBook,
    journal: WalJournal,
    extractor: PiiExtractor,
    resolver: SubjectResolver,
    logger: ActivityLogger,
    committed: Sequence,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let keyring = Arc::new(Keyring::new(MasterKey::new([1; 32])));
        let id = ControllerId::generate();
        let wrapped_data_key = keyring.create(id).expect("a data key");
        let path = dir.path().join("conduit.db");
        let store = SqliteStore::open(&path, "cost", Arc::clone(&keyring))
            .await
            .expect("a store");
        let store = Arc::new(store);
        let row = ControllerRow {
            id,
            did: "did:web:shop.example".parse().expect("a DID"),
            name: "Shop".to_owned(),
            created_at: Timestamp::now(),
            webhook_secret: credential(&secret()),
            management_token: secret().hash(),
            wrapped_data_key,
            link_key_version: 1,
        };
        store.create_controller(&row).await.expect("a controller");
        let options = JournalOptions {
            dir: dir.path().join("journal"),
            segment_bytes: 64 << 20,
            max_bytes: 1 << 30,
            max_waiting: 2 * BATCH,
            notary: None,
            tuning: JournalTuning {
                max_bytes_per_controller: 1 << 30,
                batch_events: BATCH,
                // One record for each batch, for any order of the threads: the writer waits for all of it.
                gather: Duration::from_millis(100),
                tail_bytes: 4 << 20,
                retention: Retention::default(),
            },
        };
        let fatal = Box::new(|what: &str| panic!("{what}"));
        let journal = WalJournal::open(options, keyring, &[], Arc::new(Deaf), fatal).expect("a journal");
        let shop = Arc::new(integration(id));
        let directory: Arc<dyn Directory> = Arc::new(Shop(Arc::clone(&shop)));
        let window = Arc::new(MemoryWindow::new(2_000_000));
        Self {
            authenticator: Authenticator::new(Arc::clone(&directory)),
            book: UsageBooks::default().book(),
            journal,
            extractor: PiiExtractor::new(directory),
            resolver: SubjectResolver::new(window, Arc::clone(&store) as _, 50_000),
            logger: ActivityLogger::new(store),
            committed: Sequence(0),
            shop,
            _dir: dir,
        }
    }

    fn authenticate(&self, submissions: &[Submission]) {
        for submission in submissions {
            let now = Timestamp::now();
            let found = self
                .authenticator
                .authenticate(&submission.head, now)
                .expect("right credentials");
            let (key, secret) = (&found.api_key, &found.webhook_secret);
            self.book
                .note(&found.integration, key, secret, &submission.head.client, now);
        }
    }

    fn validate(&self, submissions: Vec<Submission>) -> Vec<ValidEvent> {
        let validate = |submission: Submission| {
            let Then::Validate(parcel) = submission.then else {
                panic!("the body is here");
            };
            let body = parcel.body.expect("a body");
            let envelope = Envelope::parse(body.expose(), Timestamp::now()).expect("an event");
            ValidEvent {
                controller: self.shop.controller.id,
                integration: self.shop.id,
                event_type: envelope.event_type,
                triggered_at: envelope.triggered_at,
                body,
                receipt: None,
            }
        };
        submissions.into_iter().map(validate).collect()
    }

    async fn append(&self, events: Vec<ValidEvent>) {
        let append = |event| {
            let (reply, answer) = oneshot::channel();
            self.journal.append(event, reply.into());
            answer
        };
        let answers: Vec<_> = events.into_iter().map(append).collect();
        for answer in answers {
            let _durable = answer.await.expect("an answer").expect("a durable event");
        }
    }

    fn read(&self) -> Vec<JournaledEvent> {
        let id = self.shop.controller.id;
        let events = self.journal.read(id, self.committed, BATCH, usize::MAX);
        events.expect("the events")
    }

    async fn resolve(&mut self, events: Vec<ExtractedEvent>) -> ResolvedBatch {
        let job = ResolveJob {
            groups: vec![(self.shop.controller.id, self.committed, events)],
            cache_is_valid: true,
            replayed: None,
            traced: false,
        };
        self.resolver
            .handle(ResolverJob::Resolve(job))
            .await
            .expect("a resolved batch")
    }

    /// Takes one batch through the stages up to `last`.
    async fn run(&mut self, submissions: Vec<Submission>, last: usize) {
        let count = submissions.len() as u64;
        if last >= 1 {
            self.authenticate(&submissions);
        }
        if last < 2 {
            return;
        }
        let events = self.validate(submissions);
        if last < 3 {
            return;
        }
        self.append(events).await;
        if last >= 4 {
            let read = self.read();
            if last >= 5 {
                let extracted: Vec<_> = read.into_iter().map(|event| self.extractor.extract(event)).collect();
                if last >= 6 {
                    let resolved = self.resolve(extracted).await;
                    if last >= 7 {
                        self.logger.handle(resolved).await.expect("a commit");
                    }
                }
            }
        }
        self.committed = Sequence(self.committed.0 + count);
        if last >= 8 {
            self.journal.release(self.shop.controller.id, self.committed);
        }
    }
}

fn submission(shop: &Integration, number: usize) -> Submission {
    Submission {
        head: Head {
            did: shop.controller.did.clone(),
            processor: shop.processor.clone(),
            api_key: key(),
            webhook_secret: secret(),
            client: Personal::new(IpAddr::from([192, 0, 2, 1])),
        },
        then: Then::Validate(Parcel {
            body: Ok(Personal::new(body(number))),
            signed: false,
            on_durable: None,
            reply: oneshot::channel().0,
        }),
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let last = args
        .next()
        .and_then(|name| STAGES.iter().position(|stage| *stage == name));
    let events = args.next().and_then(|count| count.parse::<usize>().ok());
    let (Some(last), Some(events)) = (last, events) else {
        eprintln!("cost LAST_STAGE EVENTS, the stage one of {STAGES:?}");
        return ExitCode::from(2);
    };
    block_on(async {
        let mut world = World::new().await;
        for first in (0..events).step_by(BATCH) {
            let numbers = first..(first + BATCH).min(events);
            let submissions = numbers.map(|number| submission(&world.shop, number)).collect();
            world.run(submissions, last).await;
        }
    });
    ExitCode::SUCCESS
}
