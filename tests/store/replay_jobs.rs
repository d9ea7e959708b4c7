//! Replays: their nodes, their end, and their knowledge of the past.

use std::collections::HashMap;
use std::time::Duration;

use conduit::store::{
    ChangeError, MAX_RUNNING, NewReplay, NextBatch, Page, ReplayEstimate, ReplayFilter, ReplayStatus,
};
use conduit_actors::event::{DedupKey, Outcome, Status};
use conduit_actors::ids::{ControllerId, EventId, ReplayId, SubjectId, Timestamp};
use conduit_actors::ports::{Claim, ReplayJob, StoreError};

use super::replays::{LEASE, NOBODY, begin, events, next, picture, rejected, step};
use super::world::{World, at};

pub async fn replays_are_listed_and_end_once(world: World) {
    let store = &*world.store;
    let (shop, rival) = (
        world.controller("did:web:shop.example").await.id,
        world.controller("did:web:rival.example").await.id,
    );
    let ids = events(store, shop, vec![rejected()]).await;
    events(store, rival, vec![rejected()]).await;
    let filter = ReplayFilter {
        status: Some(Status::Rejected),
        event: Some("contact".to_owned()),
        from: Some(ids[0].received_at()),
        to: Some(at(1_000_000_000)),
        event_ids: Some(ids.clone()),
        integration: None,
    };
    let one = begin(store, shop, filter.clone()).await;
    let two = begin(store, shop, ReplayFilter::default()).await;
    let theirs = begin(store, rival, ReplayFilter::default()).await;
    assert_eq!(store.replay(one.id).await.unwrap().unwrap().filter, filter);
    let list = async |controller, after, limit| {
        let found = store.replays(controller, Page { after, limit }).await.unwrap();
        found.iter().map(|replay| replay.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 9).await, [theirs.id, two.id, one.id]);
    assert_eq!(list(None, Some(theirs.id), 1).await, [two.id]);
    assert_eq!(list(Some(shop), None, 9).await, [two.id, one.id]);
    let jobs = store.lease_replays(LEASE).await.unwrap();
    let mut running: Vec<ReplayId> = jobs.iter().map(|job| job.replay).collect();
    running.sort_unstable();
    assert_eq!(running, [one.id, two.id, theirs.id]);

    assert!(store.end_replay(one.id, ReplayStatus::Cancelled, at(7)).await.unwrap());
    assert!(!store.end_replay(one.id, ReplayStatus::Done, at(8)).await.unwrap());
    let row = store.replay(one.id).await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.ended_at, row.skipped),
        (ReplayStatus::Cancelled, Some(at(7)), 0)
    );
    let nobody = ReplayId::generate();
    assert!(!store.end_replay(nobody, ReplayStatus::Done, at(8)).await.unwrap());
    assert!(store.replay(nobody).await.unwrap().is_none());

    let another = |controller| NewReplay {
        id: ReplayId::generate(),
        controller,
        filter: ReplayFilter::default(),
        estimate: ReplayEstimate {
            matching: 1,
            ..ReplayEstimate::default()
        },
        started_at: at(1),
        lease: LEASE,
    };
    for _ in 1..MAX_RUNNING {
        store.create_replay(&another(shop)).await.unwrap();
    }
    let refused = store.create_replay(&another(shop)).await;
    assert_eq!(refused.unwrap_err(), ChangeError::TooManyReplays);
    store.create_replay(&another(rival)).await.unwrap();
    let orphan = store.create_replay(&another(ControllerId::generate())).await;
    assert_eq!(orphan.unwrap_err(), ChangeError::NotFound);
}

pub async fn what_was_processed_is_found_by_its_claim_however_long_ago(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let rival = world.controller("did:web:rival.example").await.id;
    // Batches of this suite claim with the key of fours, for a minute.
    let ids = events(store, shop, vec![NOBODY, NOBODY, rejected()]).await;
    let (first, middle) = (ids[0], ids[1]);
    let claim = |key, event| Claim {
        key: DedupKey([key; 16]),
        event,
        window: Duration::from_secs(60),
    };
    let shifted = |seconds: i64| {
        let millis = first.received_at().as_millis() + seconds * 1000;
        EventId::first_at(Timestamp::from_millis(millis))
    };
    let (before, after, too_late) = (shifted(-30), shifted(59), shifted(300));
    let claims = [
        claim(4, before),
        claim(4, after),
        claim(4, too_late),
        claim(5, before),
        claim(4, middle),
    ];
    let found = store.repeats(shop, &claims).await.unwrap();
    let expected = HashMap::from([(before, first), (after, first), (middle, first)]);
    assert_eq!(found, expected);
    assert_eq!(store.repeats(shop, &[claim(4, first)]).await.unwrap()[&first], middle);
    assert!(store.repeats(rival, &claims).await.unwrap().is_empty());
    assert!(store.repeats(shop, &[]).await.unwrap().is_empty());
}

pub async fn a_deleted_controller_takes_its_replays_along(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let ids = events(store, shop, vec![rejected(), rejected()]).await;
    let replay = begin(store, shop, ReplayFilter::default()).await;
    let batch = next(store, replay.id, 1).await;
    store.commit(&mut step(&batch, |_| NOBODY)).await.unwrap();
    let batch = next(store, replay.id, 1).await;
    store.delete_controller(shop).await.unwrap();
    let mut late = step(&batch, |_| Outcome::Processed {
        subject: Some(SubjectId::generate()),
    });
    assert_eq!(store.commit(&mut late).await, Err(StoreError::Conflict));
    assert!(matches!(
        store.replay_batch(replay.id, 1, 1).await,
        Ok(NextBatch::NotOurs)
    ));
    assert!(store.replay(replay.id).await.unwrap().is_none());
    assert_eq!(store.lease_replays(LEASE).await.unwrap(), []);
    assert_eq!(store.past_outcomes(ids[0]).await.unwrap(), []);
}

pub async fn a_replay_is_run_by_one_node_at_a_time(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let ids = events(store, shop, vec![rejected(), rejected()]).await;
    let replay = begin(store, shop, ReplayFilter::default()).await;
    let job = ReplayJob {
        replay: replay.id,
        controller: shop,
    };
    let node = world.node("node-2").await;
    let theirs = async || node.lease_replays(LEASE).await.unwrap();
    assert_eq!(theirs().await, []);
    assert!(matches!(
        node.replay_batch(replay.id, 1, 1).await,
        Ok(NextBatch::NotOurs)
    ));
    assert_eq!(store.lease_replays(LEASE).await.unwrap(), [job]);
    let read_before = next(store, replay.id, 2).await;

    store.release_replays().await.unwrap();
    assert_eq!(theirs().await, [job]);
    assert_eq!(store.lease_replays(LEASE).await.unwrap(), []);
    assert!(matches!(
        store.replay_batch(replay.id, 1, 1).await,
        Ok(NextBatch::NotOurs)
    ));
    assert_eq!(
        store.commit(&mut step(&read_before, |_| NOBODY)).await,
        Err(StoreError::Conflict)
    );
    let batch = next(&*node, replay.id, 2).await;
    node.commit(&mut step(&batch, |_| NOBODY)).await.unwrap();
    assert_eq!(picture(store, shop, &ids).await.sums, [2, 0, 0, 0]);
    node.close().await;
}
