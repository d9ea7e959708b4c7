//! How many events ended how, over time.

use conduit::store::{HistoryRow, Resolution, Store};
use conduit_actors::event::Outcome;
use conduit_actors::ids::Timestamp;

use super::world::{Batch, World};

async fn sums(store: &dyn Store, world: Option<conduit_actors::ids::ControllerId>, resolution: Resolution) -> [u64; 4] {
    let rows: Vec<HistoryRow> = store
        .outcome_history(world, resolution, Timestamp::from_millis(0))
        .await
        .unwrap();
    assert!(rows.is_sorted_by_key(|row| row.starts_at));
    for row in &rows {
        assert_eq!(resolution.start_of(row.starts_at), row.starts_at);
    }
    rows.iter().fold([0; 4], |mut sums, row| {
        sums.iter_mut()
            .zip(row.counts.into_array())
            .for_each(|(sum, more)| *sum += more);
        sums
    })
}

pub async fn outcomes_are_counted_by_the_minute_and_hour_of_their_receipt(world: World) {
    let store = &*world.store;
    let (shop, rival) = (
        world.controller("did:web:shop.example").await,
        world.controller("did:web:rival.example").await,
    );
    let now = Timestamp::now();
    for (controller, many) in [(shop.id, 3), (shop.id, 2), (rival.id, 1)] {
        let mut batch = Batch::of(controller);
        let ada = batch.subject(&[], 1);
        for _ in 0..many {
            let first = batch.processed(ada, 1);
            batch.event(Outcome::Duplicate { of: first }, 1);
        }
        batch.event(Outcome::Rejected { reasons: Vec::new() }, 1);
        batch.event(Outcome::Failed { reasons: Vec::new() }, 1);
        batch.commit(store).await;
    }
    for resolution in Resolution::ALL {
        assert_eq!(sums(store, Some(shop.id), resolution).await, [5, 5, 2, 2]);
        assert_eq!(sums(store, None, resolution).await, [6, 6, 3, 3]);
        // The unit that contains `from` is there; earlier ones are not.
        let from = store.outcome_history(None, resolution, now).await.unwrap();
        assert!(!from.is_empty());
        let later = Timestamp::from_millis(now.as_millis() + 2 * resolution.millis());
        assert!(store.outcome_history(None, resolution, later).await.unwrap().is_empty());
    }
    store.delete_controller(shop.id).await.unwrap();
    assert_eq!(sums(store, None, Resolution::Hour).await, [1, 1, 1, 1]);
}

pub async fn what_is_older_than_it_is_kept_is_removed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    batch.event(Outcome::Processed { subject: None }, 1);
    batch.commit(store).await;
    let after = |hours: i64| Timestamp::from_millis(Timestamp::now().as_millis() + hours * 3_600_000);
    store.prune_history(after(2)).await.unwrap();
    assert_eq!(sums(store, None, Resolution::Minute).await, [1, 0, 0, 0]);
    store.prune_history(after(4)).await.unwrap();
    assert_eq!(sums(store, None, Resolution::Minute).await, [0; 4]);
    assert_eq!(sums(store, None, Resolution::Hour).await, [1, 0, 0, 0]);
    store.prune_history(after(9 * 24)).await.unwrap();
    assert_eq!(sums(store, None, Resolution::Hour).await, [0; 4]);
}
