//! Deletion of rows by age.

use conduit::audit;
use conduit::store::{ChainAnchor, EventFilter, Expiring, Page, Store};
use conduit_actors::audit::ChainFault;
use conduit_actors::event::Outcome;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::ChainHead;

use super::world::{Batch, World, at, hash};

/// Deletes all older rows in steps of `limit` rows. Returns the number of rows, and the number of steps.
pub async fn expire(store: &dyn Store, what: Expiring, before: Timestamp, limit: usize) -> (u64, usize) {
    let mut expiry = store.begin_expiry().await.unwrap().unwrap();
    let (mut rows, mut steps) = (0, 0);
    loop {
        let expired = expiry.step(what, before, limit).await.unwrap();
        assert!(expired.rows <= limit as u64 && expired.partitions == 0, "{expired:?}");
        rows += expired.rows;
        steps += 1;
        if expired.is_done {
            expiry.end().await;
            return (rows, steps);
        }
    }
}

async fn events(store: &dyn Store) -> Vec<EventId> {
    let page = Page {
        after: None,
        limit: 1000,
    };
    let found = store.events(&EventFilter::default(), page).await.unwrap();
    found.iter().map(|event| event.id).collect()
}

fn failed() -> Outcome {
    Outcome::Failed { reasons: Vec::new() }
}

/// Stores a batch with this number of activities of one subject, logged at this time.
async fn log(store: &dyn Store, controller: ControllerId, count: usize, time: Timestamp) {
    let mut batch = Batch::of(controller);
    let subject = batch.subject(&[], 1);
    for _ in 0..count {
        batch.processed(subject, 1);
    }
    batch.back_at(time).commit(store).await;
}

async fn verified(store: &dyn Store) -> Vec<(Sequence, Sequence, Option<ChainFault>)> {
    let reports = audit::verify(store, None).await.unwrap();
    let each = reports.iter();
    each.map(|report| (report.anchor.sequence, report.head.sequence, report.fault))
        .collect()
}

pub async fn old_payloads_and_events_go_and_the_sums_stay(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let old = async |controller, seconds| {
        let mut batch = Batch::of(controller);
        for _ in 0..4 {
            batch.event(failed(), 1);
        }
        batch.event(
            Outcome::Duplicate {
                of: EventId::generate(),
            },
            1,
        );
        batch.back_at(at(seconds)).commit(store).await;
    };
    old(shop.id, 100).await;
    old(rival.id, 200).await;
    old(shop.id, 300).await;
    let mut batch = Batch::of(shop.id);
    let new = batch.event(failed(), 1);
    batch.commit(store).await;
    let before = events(store).await;
    let sums = store.outcome_counts(None).await.unwrap();
    assert_eq!((before.len(), sums.failed, sums.duplicate), (16, 13, 3));

    // First, no row is that old; then the rows are older than their bound, to the millisecond.
    assert_eq!(expire(store, Expiring::Payloads, at(100), 3).await, (0, 1));
    let just_after = Timestamp::from_millis(at(100).as_millis() + 1);
    assert_eq!(expire(store, Expiring::Payloads, just_after, 3).await, (4, 2));
    assert_eq!(events(store).await, before, "their events stay");
    let kept = async |id: EventId| store.payload(id).await.unwrap().is_some();
    assert!(!kept(before[15]).await && kept(before[10]).await && kept(new).await);
    assert_eq!(expire(store, Expiring::Events, at(300), 4).await, (10, 3));
    assert_eq!(events(store).await, before[..6]);
    assert_eq!(store.claims_since(before[15], 100).await.unwrap().len(), 6);
    assert_eq!(expire(store, Expiring::Events, at(300), 4).await, (0, 1));

    let after = store.outcome_counts(None).await.unwrap();
    assert_eq!((after.failed, after.duplicate), (sums.failed, sums.duplicate));
    assert_eq!(after.checkpoints, sums.checkpoints);
    // Later records are appended as before.
    old(shop.id, 50).await;
    assert_eq!(events(store).await.len(), 11);
    let all = Timestamp::from_millis(Timestamp::now().as_millis() + 1_000);
    assert_eq!(expire(store, Expiring::Events, all, 100).await, (11, 1));
}

pub async fn a_chain_loses_its_beginning_and_verifies_from_its_anchor(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    assert_eq!(store.chain_anchor(shop.id).await.unwrap(), ChainAnchor::NONE);
    log(store, shop.id, 5, at(100)).await;
    log(store, shop.id, 3, at(300)).await;
    // Logged by a clock that was behind: it stays as long as what comes before it.
    log(store, shop.id, 2, at(100)).await;
    log(store, rival.id, 2, at(200)).await;

    assert_eq!(expire(store, Expiring::Activities, at(100), 2).await.0, 0);
    assert_eq!(expire(store, Expiring::Activities, at(250), 2).await.0, 7);
    let anchor = store.chain_anchor(shop.id).await.unwrap();
    assert!(anchor.is_genuine && anchor.head.sequence == Sequence(5));
    let left = store.chain(shop.id, Sequence(0), 100).await.unwrap();
    assert_eq!((left.len(), left[0].sequence), (5, Sequence(6)));
    assert_eq!(left[0].previous_hash, anchor.head.hash);
    let of_shop = (Sequence(5), Sequence(10), None);
    assert_eq!(verified(store).await, [(Sequence(2), Sequence(2), None), of_shop]);

    // The chain continues from its end, even if no record is left.
    log(store, rival.id, 1, at(400)).await;
    log(store, shop.id, 1, at(400)).await;
    assert_eq!(expire(store, Expiring::Activities, at(400), 100).await.0, 5);
    assert_eq!(
        verified(store).await,
        [(Sequence(2), Sequence(3), None), (Sequence(10), Sequence(11), None)]
    );
    let head = store.chain_head(shop.id).await.unwrap();
    assert_eq!(head.sequence, Sequence(11));
    assert_eq!(expire(store, Expiring::Activities, at(500), 1).await.0, 2);
    let anchor = store.chain_anchor(shop.id).await.unwrap();
    assert_eq!(anchor.head, head);
    assert_eq!(verified(store).await[1], (Sequence(11), Sequence(11), None));
}

pub async fn a_chain_verifies_at_every_moment_while_it_is_shortened(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    log(store, shop.id, 2_500, at(100)).await;
    let done = std::cell::Cell::new(false);
    let shorten = async {
        let (rows, _) = expire(store, Expiring::Activities, at(200), 400).await;
        assert_eq!(rows, 2_500);
        done.set(true);
    };
    let verify = async {
        let mut begins = Vec::new();
        while !done.get() {
            let [(anchor, head, fault)] = verified(store).await[..] else {
                panic!("one controller");
            };
            assert_eq!((head, fault), (Sequence(2_500), None), "behind {anchor}");
            begins.push(anchor);
        }
        assert!(begins.is_sorted());
    };
    tokio::join!(shorten, verify);
    assert_eq!(verified(store).await, [(Sequence(2_500), Sequence(2_500), None)]);
}

pub async fn a_chain_or_an_anchor_that_was_changed_loses_nothing_more(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    log(store, shop.id, 9, at(100)).await;
    let forged = ChainHead {
        sequence: Sequence(2),
        hash: store.chain(shop.id, Sequence(1), 1).await.unwrap()[0].hash,
    };
    let shorten = async |limit: usize| {
        let mut expiry = store.begin_expiry().await.unwrap().unwrap();
        let expired = expiry.step(Expiring::Activities, at(200), limit).await.unwrap();
        expiry.end().await;
        expired.rows
    };
    assert_eq!(shorten(3).await, 3);
    assert_eq!(verified(store).await, [(Sequence(3), Sequence(9), None)]);

    // The first kept record is missing.
    assert_eq!(world.sql("DELETE FROM activities WHERE sequence = 4").await, 1);
    let gap = ChainFault::Gap {
        expected: Sequence(4),
        found: Sequence(5),
    };
    assert_eq!(verified(store).await[0].2, Some(gap));
    assert_eq!(shorten(3).await, 0, "evidence is kept");

    // The anchor moved on, so as to hide it: that takes the master key.
    assert_eq!(world.sql("UPDATE chain_anchors SET sequence = 4").await, 1);
    let anchor = store.chain_anchor(shop.id).await.unwrap();
    assert!(!anchor.is_genuine && anchor.head != forged);
    assert_eq!(verified(store).await[0].2, Some(ChainFault::Anchor(Sequence(4))));
    assert_eq!(shorten(3).await, 0);
    assert_eq!(
        world
            .sql("UPDATE chain_anchors SET hash = (SELECT previous_hash FROM activities WHERE sequence = 5)")
            .await,
        1
    );
    assert_eq!(verified(store).await[0].2, Some(ChainFault::Anchor(Sequence(4))));
    // Or was taken away.
    assert_eq!(world.sql("DELETE FROM chain_anchors").await, 1);
    let gap = ChainFault::Gap {
        expected: Sequence(1),
        found: Sequence(5),
    };
    assert_eq!(verified(store).await[0].2, Some(gap));
    assert_eq!(shorten(3).await, 0);

    // A record that was changed stays, and those before it go no more than it.
    let other = world.controller("did:web:other.example").await;
    log(store, other.id, 4, at(100)).await;
    let changed = "UPDATE activities SET purpose = 'Advertising' WHERE sequence = 3 AND purpose IS NOT NULL";
    assert_eq!(world.sql(changed).await, 1);
    let (rows, _) = expire(store, Expiring::Activities, at(200), 2).await;
    assert_eq!(rows, 2);
    assert_eq!(
        verified(store).await[0],
        (Sequence(2), Sequence(2), Some(ChainFault::Changed(Sequence(3))))
    );
}

pub async fn what_is_left_of_subjects_says_when_they_were_first_seen(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1], 50);
    let bob = batch.subject(&[2], 50);
    batch.processed(ada, 50);
    // A late note of an earlier end.
    batch.processed(ada, 20);
    batch.processed(bob, 90);
    batch.back_at(at(100)).commit(store).await;
    let mut batch = Batch::of(shop.id);
    batch.processed(ada, 150);
    batch.back_at(at(300)).commit(store).await;
    let seen = async |subject: conduit_actors::ids::SubjectId| {
        let found = store.subject(&subject.did()).await.unwrap().unwrap();
        (found.first_seen_at, found.last_seen_at, found.activity_count)
    };
    assert_eq!(seen(ada).await, (at(20), at(150), 3));
    assert_eq!(expire(store, Expiring::Activities, at(200), 2).await.0, 3);
    // The count and the last sight are of the activities that are kept; without any, the subject and its links stay.
    assert_eq!(seen(ada).await, (at(20), at(150), 1));
    assert_eq!(seen(bob).await, (at(50), at(50), 0));
    assert_eq!(store.subjects_of(shop.id, &[hash(2)], 5).await.unwrap(), [bob]);
}

pub async fn a_deleted_controller_takes_its_anchor_along(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    log(store, shop.id, 3, at(100)).await;
    log(store, rival.id, 3, at(100)).await;
    let mut expiry = store.begin_expiry().await.unwrap().unwrap();
    // It is gone in the middle of a run.
    assert_eq!(expiry.step(Expiring::Activities, at(200), 1).await.unwrap().rows, 1);
    store.delete_controller(rival.id).await.unwrap();
    store.delete_controller(shop.id).await.unwrap();
    while !expiry.step(Expiring::Activities, at(200), 1).await.unwrap().is_done {}
    for controller in [shop.id, rival.id] {
        assert_eq!(store.chain_anchor(controller).await.unwrap(), ChainAnchor::NONE);
    }
    assert_eq!(world.sql("DELETE FROM chain_anchors").await, 0);
}

pub async fn other_people_go_with_the_activities_that_name_them(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let (ada, bob) = (batch.subject(&[1], 50), batch.subject(&[2], 50));
    batch.naming(ada, &[bob], 3);
    batch.back_at(at(100)).commit(store).await;
    let mut batch = Batch::of(shop.id);
    batch.naming(ada, &[bob], 60);
    batch.back_at(at(200)).commit(store).await;
    let (rows, _) = expire(store, Expiring::Activities, at(101), 5).await;
    let found = store.subject(&bob.did()).await.unwrap().unwrap();
    assert_eq!((rows, found.activity_count), (1, 1));
    assert_eq!((found.first_seen_at, found.last_seen_at), (at(3), at(60)));
    assert_eq!(verified(store).await, [(Sequence(1), Sequence(2), None)]);
    store.delete_controller(shop.id).await.unwrap();
    assert_eq!(world.sql("DELETE FROM activity_others").await, 0);
}
