//! Measures the cost of each stage per event, on one core: `cargo bench --bench stages`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use conduit::keys::{Epoch, Keyring};
use conduit_actors::audit;
use conduit_actors::dedup_key::dedup_key;
use conduit_actors::envelope::Envelope;
use conduit_actors::event::{Activity, AuditHash, LegalBasis, LinkHash};
use conduit_actors::extract::ExtractContext;
use conduit_actors::identity::{IdentityGraph, LinkCandidate, Sighting};
use conduit_actors::ids::{
    ActivityId, ControllerId, EventId, EventType, IntegrationId, Sequence, SubjectId, Timestamp,
};
use conduit_actors::limits::{Gate, Limits};
use conduit_actors::links::{LinkKey, MasterKey};
use conduit_actors::mapping::{DedupDefaults, IntegrationSpec, Mapping};
use conduit_actors::personal::{CredentialHash, Personal, Secret};
use conduit_actors::ports::{ChainHead, Controller, Credential, Integration};
use conduit_actors::taxonomy::Taxonomy;
use conduit_actors::usage::UsageBooks;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

fn body() -> Vec<u8> {
    json!({
        "event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "customer@shop.example",
        "phone": "+49 30 901820", "customer": {"name": "Ada Lovelace"}, "order": "A-1001", "note": "x".repeat(300)
    })
    .to_string()
    .into_bytes()
}

fn mapping() -> Mapping {
    let spec: IntegrationSpec = serde_json::from_value(json!({"name": "Shop", "defaultRegion": "DE", "events": [
        {"name": "account_created", "fields": [
            {"path": "email", "required": true, "pii": "user.contact.email"},
            {"path": "phone", "pii": "user.contact.phone_number"},
            {"path": "customer.name", "pii": "user.name"},
            {"path": "order"}]}]}))
    .unwrap();
    Mapping::compile(
        &spec,
        &Arc::new(Taxonomy::bundled()),
        DedupDefaults { window_seconds: 60 },
    )
    .unwrap()
}

fn integration() -> Arc<Integration> {
    let id = ControllerId::generate();
    let credential = |byte| Credential {
        current: CredentialHash::from_bytes([byte; 32]),
        previous: None,
    };
    Arc::new(Integration {
        id: IntegrationId::generate(),
        controller: Arc::new(Controller {
            id,
            did: "did:web:shop.example".parse().unwrap(),
            webhook_secret: credential(1),
            link_key: LinkKey::derive(&MasterKey::new([1; 32]), id, 1),
            gate: None,
        }),
        processor: "shop".parse().unwrap(),
        api_key: credential(2),
        version: 1,
        mapping: Arc::new(mapping()),
    })
}

fn edge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edge");
    group.throughput(Throughput::Elements(1));
    let (body, now) = (body(), Timestamp::now());
    let (key, secret) = (Secret::new("k".repeat(72)), Secret::new("s".repeat(72)));
    group.bench_function("AuthActor: hash both credentials", |bencher| {
        bencher.iter(|| (black_box(&key).hash(), black_box(&secret).hash()));
    });
    let (books, shop) = (UsageBooks::default(), integration());
    let (book, hashes) = (books.book(), (key.hash(), secret.hash()));
    let clients: Vec<_> = (0..8)
        .map(|last| Personal::new(IpAddr::from([192, 0, 2, last])))
        .collect();
    let mut clients = clients.iter().cycle();
    group.bench_function("AuthActor: note who used both credentials", |bencher| {
        bencher.iter(|| {
            clients
                .next()
                .map(|client| book.note(&shop, &hashes.0, &hashes.1, black_box(client), now))
        });
    });
    let limits = Limits {
        events_per_second: 1_000_000,
        burst: 1_000_000,
        backlog_events: 1_000,
    };
    let gate = Arc::new(Gate::new(limits));
    group.bench_function("AuthActor: a rate and a backlog", |bencher| {
        bencher.iter(|| gate.admit(|| black_box(1)).is_ok());
    });
    group.bench_function("ValidatorActor: envelope of 500 bytes", |bencher| {
        bencher.iter(|| Envelope::parse(black_box(&body), now).unwrap());
    });
    let (keyring, controller) = (Keyring::new(MasterKey::new([1; 32])), ControllerId::generate());
    keyring.create(controller).unwrap();
    let sealing = keyring.epoch_key(controller, "bench", Epoch::generate()).unwrap();
    let mut counter = 0;
    group.bench_function("journal: seal 500 bytes", |bencher| {
        bencher.iter(|| {
            counter += 1;
            let mut buffer = body.clone();
            sealing.seal(counter, b"context", &mut buffer).unwrap();
            buffer
        });
    });
    group.finish();
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(1));
    let (body, mapping) = (body(), mapping());
    let event_type: EventType = "account_created".parse().unwrap();
    let event = mapping.event(&event_type).unwrap();
    let context = ExtractContext { processor: "shop" };
    let controller = ControllerId::generate();
    let link_key = LinkKey::derive(&MasterKey::new([1; 32]), controller, 1);
    group.bench_function("PiiExtractorActor: extract three values", |bencher| {
        bencher.iter(|| event.extract(black_box(&body), &context));
    });
    let extraction = event.extract(&body, &context);
    group.bench_function("PiiExtractorActor: three links and a dedup key", |bencher| {
        bencher.iter(|| {
            let links: Vec<LinkHash> = extraction
                .values
                .iter()
                .map(|value| link_key.link(&value.category.key, value.value.expose()))
                .collect();
            (
                links,
                dedup_key(event, &event_type, &extraction, &body, &link_key, "shop"),
            )
        });
    });
    let links = [LinkCandidate {
        earlier: None,
        hash: LinkHash([1; 32]),
        category: "user.contact.email".into(),
        strong: true,
        max_distinct: 10,
    }];
    let mut graph = IdentityGraph::new(controller, 1, &[]);
    let sighting = Sighting {
        event: EventId::generate(),
        triggered_at: Timestamp::now(),
        links: &links,
    };
    group.bench_function("SubjectResolverActor: resolve a known subject", |bencher| {
        bencher.iter(|| graph.resolve(black_box(sighting), &mut Vec::new()));
    });
    let mut activities = [activity(controller)];
    group.bench_function("ActivityLoggerActor: chain an activity", |bencher| {
        bencher.iter(|| audit::append(ChainHead::EMPTY, black_box(&mut activities)));
    });
    group.finish();
}

fn activity(controller: ControllerId) -> Activity {
    Activity {
        id: ActivityId::generate(),
        controller,
        sequence: Sequence(0),
        event: EventId::generate(),
        subject: Some(SubjectId::generate()),
        other_subjects: Vec::new(),
        integration: IntegrationId::generate(),
        processor: "shop".parse().unwrap(),
        event_type: "account_created".parse().unwrap(),
        purpose: Some("Registration".into()),
        legal_basis: Some(LegalBasis::Contract),
        categories: vec!["user.contact.email".into(), "user.name".into()],
        triggered_at: Timestamp::now(),
        logged_at: Timestamp::now(),
        previous_hash: AuditHash([0; 32]),
        hash: AuditHash([0; 32]),
    }
}

criterion_group!(benches, edge, pipeline);
criterion_main!(benches);
