//! Batches, and their content as it is read.

use conduit::audit;
use conduit::store::{EventFilter, Page, Store};
use conduit_actors::codes::EventCode;
use conduit_actors::event::{Notice, Outcome, Status};
use conduit_actors::ids::{EventId, Sequence};
use conduit_actors::ports::{BatchEffects, StoreError};

use super::world::{Batch, World, at};

fn reasons() -> Vec<Notice> {
    vec![Notice::new(
        "/email",
        EventCode::InvalidEmail,
        "is “no” e-mail address: \u{1f600}",
    )]
}

pub async fn a_batch_reads_back_as_it_was_committed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1, 2], 5);
    let first = batch.processed(ada, 10);
    let nobody = batch.event(Outcome::Processed { subject: None }, 11);
    let repeat = batch.event(Outcome::Duplicate { of: first }, 12);
    let rejected = batch.event(Outcome::Rejected { reasons: reasons() }, 13);
    let failed = batch.event(Outcome::Failed { reasons: reasons() }, 14);
    let mut effects = batch.ready(store).await;
    store.commit(&mut effects).await.unwrap();

    let row = store.event(first).await.unwrap().unwrap();
    assert_eq!(
        (row.id, row.controller, row.status),
        (first, shop.id, Status::Processed)
    );
    assert_eq!((row.subject, row.duplicate_of, row.reasons.len()), (Some(ada), None, 0));
    assert_eq!(
        (row.processor.unwrap().as_str(), row.event_type.as_str()),
        ("shop-1", "contact")
    );
    assert_eq!(row.categories, ["user.contact.email", "user.name"]);
    assert_eq!(row.warnings, effects.outcomes[0].warnings);
    assert_eq!(
        (
            row.triggered_at,
            row.journaled_at,
            row.extracted_at,
            row.resolved_at,
            row.logged_at
        ),
        (at(10), at(11), Some(at(12)), None, at(13))
    );
    assert_eq!(store.event(nobody).await.unwrap().unwrap().subject, None);
    assert_eq!(store.event(repeat).await.unwrap().unwrap().duplicate_of, Some(first));
    for (id, status) in [(rejected, Status::Rejected), (failed, Status::Failed)] {
        let row = store.event(id).await.unwrap().unwrap();
        assert_eq!((row.status, row.reasons), (status, reasons()));
    }
    assert!(store.event(EventId::generate()).await.unwrap().is_none());

    // The chain, with its head apart.
    let chain = store.chain(shop.id, Sequence(0), 10).await.unwrap();
    assert_eq!(chain, effects.activities);
    let last = effects.activities.last().unwrap();
    let head = store.chain_head(shop.id).await.unwrap();
    assert_eq!((head.sequence, head.hash), (Sequence(2), last.hash));
    assert_eq!(
        store.chain(shop.id, Sequence(1), 10).await.unwrap(),
        effects.activities[1..]
    );
    let reports = audit::verify(store, None).await.unwrap();
    assert!(reports.len() == 1 && reports[0].fault.is_none());

    let counts = store.outcome_counts(Some(shop.id)).await.unwrap();
    assert_eq!(
        (counts.processed, counts.duplicate, counts.rejected, counts.failed),
        (2, 1, 1, 1)
    );
    assert_eq!(counts.checkpoints, [(shop.id, Sequence(5))]);
    assert_eq!(store.checkpoint(shop.id).await.unwrap(), Sequence(5));
    assert_eq!(store.checkpoints().await.unwrap(), counts.checkpoints);

    let subject = store.subject(&ada.did()).await.unwrap().unwrap();
    assert_eq!(
        (
            subject.id,
            subject.controller,
            subject.activity_count,
            subject.links.len()
        ),
        (ada, shop.id, 1, 2)
    );
    assert_eq!((subject.first_seen_at, subject.last_seen_at), (at(5), at(10)));
}

pub async fn a_batch_out_of_date_is_a_conflict_and_leaves_nothing(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let prepared = async |controller| {
        let mut batch = Batch::of(controller);
        let subject = batch.subject(&[], 1);
        (batch.processed(subject, 1), batch.ready(store).await)
    };
    let (_, mut first) = prepared(shop.id).await;
    store.commit(&mut first).await.unwrap();
    let head = store.chain_head(shop.id).await.unwrap();
    // The same again: its checkpoint is passed.
    assert_eq!(store.commit(&mut first).await, Err(StoreError::Conflict));

    let (event, mut stale) = prepared(shop.id).await;
    stale.checkpoints[0].from = Sequence(0);
    assert_eq!(store.commit(&mut stale).await, Err(StoreError::Conflict));
    stale.checkpoints[0].from = Sequence(7);
    assert_eq!(store.commit(&mut stale).await, Err(StoreError::Conflict));

    assert!(store.event(event).await.unwrap().is_none());
    assert_eq!(store.outcome_counts(None).await.unwrap().processed, 1);
    assert_eq!(store.checkpoint(shop.id).await.unwrap(), Sequence(1));
    assert_eq!(store.chain_head(shop.id).await.unwrap(), head);
    stale.checkpoints[0].from = Sequence(1);
    store.commit(&mut stale).await.unwrap();
    assert!(store.event(event).await.unwrap().is_some());

    // A stream that has no checkpoint yet starts at its beginning.
    let other = world.controller("did:web:other.example").await;
    let (_, mut behind) = prepared(other.id).await;
    behind.checkpoints[0].from = Sequence(3);
    assert_eq!(store.commit(&mut behind).await, Err(StoreError::Conflict));
}

async fn ids(store: &dyn Store, filter: &EventFilter, after: Option<EventId>, limit: usize) -> Vec<EventId> {
    let found = store.events(filter, Page { after, limit }).await.unwrap();
    found.iter().map(|event| event.id).collect()
}

pub async fn events_are_filtered_and_paged(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let integration = world.integration(shop.id, "mailer").await;
    let mut batch = Batch::of(shop.id).by(integration.id);
    let subject = batch.subject(&[], 1);
    let a = batch.processed(subject, 1);
    let b = batch.event(Outcome::Rejected { reasons: reasons() }, 2);
    let c = batch.processed(subject, 3);
    batch.commit(store).await;
    let mut batch = Batch::of(rival.id);
    let d = batch.event(Outcome::Processed { subject: None }, 4);
    batch.commit(store).await;

    let all = EventFilter::default();
    assert_eq!(ids(store, &all, None, 10).await, [d, c, b, a]);
    assert_eq!(ids(store, &all, None, 2).await, [d, c]);
    assert_eq!(ids(store, &all, Some(c), 2).await, [b, a]);
    let only = |change: fn(&mut EventFilter)| {
        let mut filter = EventFilter {
            controller: Some(shop.id),
            ..EventFilter::default()
        };
        change(&mut filter);
        filter
    };
    assert_eq!(ids(store, &only(|_| ()), None, 10).await, [c, b, a]);
    let rejected = only(|filter| filter.status = Some(Status::Rejected));
    assert_eq!(ids(store, &rejected, None, 10).await, [b]);
    let processed = only(|filter| filter.status = Some(Status::Processed));
    assert_eq!(ids(store, &processed, Some(c), 10).await, [a]);
    let unheard = only(|filter| filter.event_type = Some("unheard".to_owned()));
    assert_eq!(ids(store, &unheard, None, 10).await, []);
    let unheard = only(|filter| filter.event_type = Some("contact\0".to_owned()));
    assert_eq!(ids(store, &unheard, None, 10).await, []);
    let by_integration = EventFilter {
        integration: Some(integration.id),
        event_type: Some("contact".to_owned()),
        ..EventFilter::default()
    };
    assert_eq!(ids(store, &by_integration, None, 10).await, [c, b, a]);
    let times = EventFilter {
        from: Some(a.received_at()),
        to: Some(a.received_at()),
        ..EventFilter::default()
    };
    assert_eq!(ids(store, &times, None, 10).await, []);
    let since = EventFilter {
        from: Some(a.received_at()),
        ..EventFilter::default()
    };
    assert_eq!(ids(store, &since, None, 10).await, [d, c, b, a]);
}

pub async fn claims_are_read_oldest_first(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let first = batch.event(Outcome::Processed { subject: None }, 1);
    let second = batch.event(Outcome::Processed { subject: None }, 2);
    let repeat = batch.event(Outcome::Duplicate { of: first }, 2);
    batch.effects.outcomes[2].dedup = None;
    let third = batch.event(Outcome::Processed { subject: None }, 3);
    batch.commit(store).await;
    assert!(repeat > second);

    let claims = store.claims_since(first, 10).await.unwrap();
    assert_eq!(
        claims.iter().map(|claim| claim.event).collect::<Vec<_>>(),
        [first, second, third]
    );
    let claim = claims[0];
    assert_eq!(
        (claim.controller, claim.key.0, claim.window_seconds),
        (shop.id, [4; 16], 60)
    );
    let page = store.claims_since(second, 1).await.unwrap();
    assert_eq!(page.iter().map(|claim| claim.event).collect::<Vec<_>>(), [second]);
}

pub async fn payloads_of_rejected_and_failed_events_are_kept_sealed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let processed = batch.event(Outcome::Processed { subject: None }, 1);
    let rejected = batch.event(Outcome::Rejected { reasons: reasons() }, 2);
    let failed = batch.event(Outcome::Failed { reasons: reasons() }, 3);
    batch.commit(store).await;
    for id in [rejected, failed] {
        let body = store.payload(id).await.unwrap().unwrap();
        assert_eq!(body.expose(), b"{\"email\":\"ada@shop.example\"}");
        // Another node reads it, too.
        let node = world.node("node-2").await;
        assert_eq!(node.payload(id).await.unwrap().unwrap().expose(), body.expose());
        node.close().await;
    }
    assert!(store.payload(processed).await.unwrap().is_none());
    // Without the controller's key, there is nothing to read.
    world.keyring.forget(shop.id);
    assert!(matches!(store.payload(failed).await, Err(StoreError::Failed(_))));
}

pub async fn events_of_a_deleted_controller_leave_nothing(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut both = BatchEffects::default();
    let mut events = Vec::new();
    for controller in [shop.id, rival.id] {
        let mut batch = Batch::of(controller);
        let (one, two) = (batch.subject(&[1], 1), batch.subject(&[2], 1));
        batch.merge(two, one);
        events.push(batch.processed(one, 1));
        batch.event(Outcome::Failed { reasons: reasons() }, 2);
        let effects = batch.ready(store).await;
        both.subjects.extend(effects.subjects);
        both.links.extend(effects.links);
        both.merges.extend(effects.merges);
        both.activities.extend(effects.activities);
        both.outcomes.extend(effects.outcomes);
        both.checkpoints.extend(effects.checkpoints);
    }
    store.delete_controller(shop.id).await.unwrap();
    store.commit(&mut both).await.unwrap();
    assert!(store.event(events[0]).await.unwrap().is_none());
    assert!(store.event(events[1]).await.unwrap().is_some());
    let claims = store.claims_since(events[0], 10).await.unwrap();
    assert_eq!(claims.len(), 2);
    let page = Page { after: None, limit: 10 };
    assert_eq!(store.subjects(None, page).await.unwrap().len(), 1);
    assert_eq!(store.checkpoints().await.unwrap(), [(rival.id, Sequence(2))]);
    let counts = store.outcome_counts(None).await.unwrap();
    assert_eq!((counts.processed, counts.failed), (1, 1));
}

pub async fn a_large_batch_of_many_controllers_goes_in_whole(world: World) {
    let store = &*world.store;
    let mut large = BatchEffects::default();
    for number in 0..10 {
        let controller = world.controller(&format!("did:web:shop{number}.example")).await;
        let mut batch = Batch::of(controller.id);
        for event in 0..500 {
            let subject = batch.subject(&[], event);
            batch.processed(subject, event);
        }
        let effects = batch.ready(store).await;
        large.subjects.extend(effects.subjects);
        large.activities.extend(effects.activities);
        large.outcomes.extend(effects.outcomes);
        large.checkpoints.extend(effects.checkpoints);
    }
    store.commit(&mut large).await.unwrap();
    let counts = store.outcome_counts(None).await.unwrap();
    let committed: u64 = counts.checkpoints.iter().map(|(_, sequence)| sequence.0).sum();
    assert_eq!((counts.processed, committed), (5_000, 5_000));
    let reports = audit::verify(store, None).await.unwrap();
    assert!(
        reports
            .iter()
            .all(|report| report.fault.is_none() && report.head.sequence == Sequence(500))
    );
}

pub async fn activities_of_two_nodes_are_chained_in_the_order_of_their_commits(world: World) {
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let node = world.node("node-2").await;
    for _ in 0..20 {
        // Both prepared before either is committed.
        let prepared = async |store: &dyn Store| {
            let mut all = BatchEffects::default();
            for controller in [shop.id, rival.id] {
                let mut batch = Batch::of(controller);
                for second in 0..5 {
                    batch.event(Outcome::Processed { subject: None }, second);
                }
                let effects = batch.ready(store).await;
                all.activities.extend(effects.activities);
                all.outcomes.extend(effects.outcomes);
                all.checkpoints.extend(effects.checkpoints);
            }
            all
        };
        let (mut by_one, mut by_two) = (prepared(&*world.store).await, prepared(&*node).await);
        // Whose activities come in turns, not controller by controller.
        by_one.activities.swap(0, 7);
        let (one, two) = tokio::join!(world.store.commit(&mut by_one), node.commit(&mut by_two));
        assert_eq!((one, two), (Ok(()), Ok(())));
    }
    for report in audit::verify(&*node, None).await.unwrap() {
        assert_eq!((report.fault, report.head.sequence), (None, Sequence(200)));
    }
    node.close().await;
}

pub async fn nodes_have_checkpoints_of_their_own(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let node = world.node("node-2").await;
    let mut batch = Batch::of(shop.id);
    batch.event(Outcome::Processed { subject: None }, 1);
    batch.commit(store).await;
    assert_eq!(node.checkpoint(shop.id).await.unwrap(), Sequence(0));
    for _ in 0..2 {
        let mut batch = Batch::of(shop.id);
        batch.event(Outcome::Processed { subject: None }, 2);
        batch.commit(&*node).await;
    }
    assert_eq!(store.checkpoint(shop.id).await.unwrap(), Sequence(1));
    assert_eq!(node.checkpoints().await.unwrap(), [(shop.id, Sequence(2))]);
    // The chain is one.
    assert_eq!(store.chain_head(shop.id).await.unwrap().sequence, Sequence(3));
    let reports = audit::verify(&*node, None).await.unwrap();
    assert!(reports[0].fault.is_none());
    node.close().await;
}
