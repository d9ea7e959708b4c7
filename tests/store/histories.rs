//! Deletion of replays by age: histories with their events, and replays after their end.

use conduit::store::{Expiring, NextBatch, ReplayFilter, ReplayStatus, Store};
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, EventId, Timestamp};
use conduit_actors::ports::StoreError;

use super::replays::{NOBODY, begin, failed, next, step};
use super::retention::expire;
use super::world::{Batch, World, at};

/// Stores failed events that were received at this time. Returns their ids.
async fn failed_at(store: &dyn Store, controller: ControllerId, count: usize, time: Timestamp) -> Vec<EventId> {
    let mut batch = Batch::of(controller);
    for _ in 0..count {
        batch.event(failed(), 1);
    }
    let batch = batch.back_at(time);
    let ids = batch.effects.outcomes.iter().map(|record| record.event.id).collect();
    batch.commit(store).await;
    ids
}

/// Returns the number of outcomes in all histories.
async fn outcomes(world: &World) -> u64 {
    world.sql("UPDATE event_outcomes SET at = at").await
}

async fn history(store: &dyn Store, event: EventId) -> usize {
    store.past_outcomes(event).await.unwrap().len()
}

pub async fn histories_go_with_their_events_and_replays_after_their_end(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let old = failed_at(store, shop, 3, at(100)).await;
    let young = failed_at(store, shop, 2, at(300)).await;
    let replay = async |end: Option<i64>| {
        let replay = begin(store, shop, ReplayFilter::default()).await;
        let batch = next(store, replay.id, 10).await;
        store.commit(&mut step(&batch, |_| failed())).await.unwrap();
        if let Some(seconds) = end {
            let ended = store.end_replay(replay.id, ReplayStatus::Done, at(seconds)).await;
            assert!(ended.unwrap());
        }
        replay.id
    };
    let (first, second, running) = (replay(Some(600)).await, replay(Some(800)).await, replay(None).await);
    assert_eq!((outcomes(&world).await, history(store, old[0]).await), (20, 4));

    assert_eq!(expire(store, Expiring::Events, at(300), 2).await, (3, 2));
    for event in &old {
        assert!(store.event(*event).await.unwrap().is_none());
        assert_eq!(history(store, *event).await, 0);
    }
    assert_eq!((outcomes(&world).await, history(store, young[0]).await), (8, 4));

    assert_eq!(expire(store, Expiring::Replays, at(600), 1).await, (0, 1));
    assert_eq!(expire(store, Expiring::Replays, at(601), 1).await, (1, 2));
    let is_there = async |id| store.replay(id).await.unwrap().is_some();
    assert!(!is_there(first).await && is_there(second).await && is_there(running).await);
    // However long it runs, and wherever it stands.
    let far = at(1_000_000);
    assert_eq!(expire(store, Expiring::Replays, far, 10).await, (1, 1));
    assert!(is_there(running).await);
    assert_eq!(history(store, young[0]).await, 4, "what a replay did outlives it");
    assert!(
        store
            .end_replay(running, ReplayStatus::Cancelled, at(900))
            .await
            .unwrap()
    );
    assert_eq!(expire(store, Expiring::Replays, far, 10).await, (1, 1));

    // Remains of an older program are deleted as well, and no younger rows.
    assert_eq!(world.sql("DELETE FROM events").await, 2);
    let new = failed_at(store, shop, 1, at(400)).await;
    replay(Some(900)).await;
    assert_eq!(expire(store, Expiring::Events, at(400), 10).await, (0, 1));
    assert_eq!((outcomes(&world).await, history(store, new[0]).await), (2, 2));
}

pub async fn a_running_replay_goes_on_while_what_is_old_is_deleted(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let old = failed_at(store, shop, 4, at(100)).await;
    let young = failed_at(store, shop, 2, at(300)).await;
    let replay = begin(store, shop, ReplayFilter::default()).await.id;
    let read = next(store, replay, 2).await;
    // The step of events that were read before their deletion is valid.
    assert_eq!(expire(store, Expiring::Payloads, at(200), 10).await, (4, 1));
    store.commit(&mut step(&read, |_| NOBODY)).await.unwrap();
    assert_eq!(history(store, old[0]).await, 2);
    let rest = next(store, replay, 10).await;
    let taken: Vec<_> = rest.events.iter().map(|event| event.journaled.event.id).collect();
    assert_eq!((taken, rest.step.skipped), (young.clone(), 2));
    store.commit(&mut step(&rest, |_| NOBODY)).await.unwrap();
    assert!(matches!(
        store.replay_batch(replay, 10, 100).await,
        Ok(NextBatch::Exhausted)
    ));
    assert!(store.end_replay(replay, ReplayStatus::Done, at(900)).await.unwrap());
    let row = store.replay(replay).await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.processed, row.skipped, row.done()),
        (ReplayStatus::Done, 4, 2, 6)
    );
    assert_eq!(store.event(old[2]).await.unwrap().unwrap().status, Status::Failed);

    // Only payloads that are gone: the step has nothing but its end.
    let again = begin(store, shop, ReplayFilter::default()).await.id;
    let empty = next(store, again, 10).await;
    assert_eq!((empty.events.len(), empty.step.skipped), (0, 2));
    store.commit(&mut step(&empty, |_| NOBODY)).await.unwrap();
    assert!(store.end_replay(again, ReplayStatus::Done, at(900)).await.unwrap());
    assert_eq!(store.replay(again).await.unwrap().unwrap().done(), 2);
}

pub async fn of_an_event_that_goes_while_it_is_replayed_nothing_is_left(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    // Read, then gone: the step is a conflict, and the next reading finds the rest.
    failed_at(store, shop, 2, at(100)).await;
    let young = failed_at(store, shop, 1, at(300)).await;
    let replay = begin(store, shop, ReplayFilter::default()).await.id;
    let stale = next(store, replay, 10).await;
    assert_eq!(expire(store, Expiring::Events, at(200), 10).await, (2, 1));
    let committed = store.commit(&mut step(&stale, |_| NOBODY)).await;
    assert_eq!(committed, Err(StoreError::Conflict));
    let rest = next(store, replay, 10).await;
    assert_eq!(rest.events.len(), 1);
    store.commit(&mut step(&rest, |_| NOBODY)).await.unwrap();
    assert!(store.end_replay(replay, ReplayStatus::Done, at(900)).await.unwrap());
    let row = store.replay(replay).await.unwrap().unwrap();
    assert_eq!((row.processed, row.skipped, row.done()), (1, 2, 3));
    assert_eq!((history(store, young[0]).await, outcomes(&world).await), (2, 2));

    // At the same time, in whichever order.
    for round in 0..20 {
        let ids = failed_at(store, shop, 40, at(100)).await;
        let replay = begin(store, shop, ReplayFilter::default()).await.id;
        let batch = next(store, replay, 100).await;
        let mut effects = step(&batch, |_| failed());
        let (committed, (rows, _)) = tokio::join!(
            store.commit(&mut effects),
            expire(store, Expiring::Events, at(200), 100)
        );
        assert!(matches!(committed, Ok(()) | Err(StoreError::Conflict)), "{committed:?}");
        assert_eq!((rows, outcomes(&world).await), (40, 2), "round {round}");
        assert!(store.event(ids[0]).await.unwrap().is_none());
        assert!(store.end_replay(replay, ReplayStatus::Done, at(900)).await.unwrap());
    }
}
