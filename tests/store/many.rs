//! Batches with events of many controllers, and the sums over all.

use conduit::audit;
use conduit_actors::event::Outcome;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::{BatchEffects, StoreError};

use super::world::{Batch, World, hash};

/// Returns the effects of all of these batches as those of one.
fn together(batches: impl IntoIterator<Item = BatchEffects>) -> BatchEffects {
    let mut all = BatchEffects::default();
    for batch in batches {
        all.subjects.extend(batch.subjects);
        all.links.extend(batch.links);
        all.activities.extend(batch.activities);
        all.outcomes.extend(batch.outcomes);
        all.checkpoints.extend(batch.checkpoints);
    }
    all
}

pub async fn in_a_batch_of_many_controllers_one_out_of_date_is_a_conflict_for_all(world: World) {
    let store = &*world.store;
    let mut controllers = Vec::new();
    for number in 0..300 {
        controllers.push(world.controller(&format!("did:web:shop{number}.example")).await.id);
    }
    let batch = async |with: &[ControllerId]| {
        let mut batches = Vec::new();
        for controller in with {
            let mut batch = Batch::of(*controller);
            let subject = batch.subject(&[], 1);
            batch.processed(subject, 1);
            batches.push(batch.ready(store).await);
        }
        together(batches)
    };
    let sums = async || {
        let counts = store.outcome_counts(None).await.unwrap();
        let committed: u64 = counts.checkpoints.iter().map(|(_, sequence)| sequence.0).sum();
        (counts.processed, committed)
    };
    // Some have a checkpoint, others have none.
    store.commit(&mut batch(&controllers[..100]).await).await.unwrap();
    let mut next = batch(&controllers).await;
    for (place, from) in [(0, 0), (99, 2), (100, 1), (299, 7)] {
        let right = std::mem::replace(&mut next.checkpoints[place].from, Sequence(from));
        assert_eq!(store.commit(&mut next).await, Err(StoreError::Conflict), "{place}");
        next.checkpoints[place].from = right;
        assert_eq!(sums().await, (100, 100));
    }
    store.commit(&mut next).await.unwrap();
    assert_eq!(sums().await, (400, 400));
    let heads = audit::verify(store, None).await.unwrap();
    let lengths = heads.iter().map(|report| report.head.sequence.0);
    assert_eq!(lengths.sum::<u64>(), 400);
    assert!(heads.iter().all(|report| report.fault.is_none()));
    // One that is deleted takes nothing from the others.
    let mut last = batch(&controllers).await;
    store.delete_controller(controllers[42]).await.unwrap();
    store.commit(&mut last).await.unwrap();
    assert_eq!(sums().await, (400 - 2 + 299, 400 - 2 + 299));
}

pub async fn links_of_many_controllers_are_found_at_once(world: World) {
    let store = &*world.store;
    let mut people = Vec::new();
    let mut batches = Vec::new();
    for number in 0..300 {
        let controller = world.controller(&format!("did:web:shop{number}.example")).await.id;
        let mut batch = Batch::of(controller);
        // The hash 1 is another person's at each controller.
        let subject = batch.subject(&[1, 2], 1);
        batch.processed(subject, 1);
        batches.push(batch.ready(store).await);
        people.push((controller, subject));
    }
    store.commit(&mut together(batches)).await.unwrap();
    let nobody = ControllerId::generate();
    let mut asked: Vec<_> = people
        .iter()
        .map(|(id, _)| (*id, vec![hash(1), hash(2), hash(3)]))
        .collect();
    asked.push((nobody, vec![hash(1)]));
    let found = store.links_among(&asked, 2).await.unwrap();
    let mut found: Vec<_> = found
        .into_iter()
        .map(|(id, link)| (id, link.subject, link.hash.0[0]))
        .collect();
    found.sort_unstable();
    let mut expected: Vec<_> = people
        .iter()
        .flat_map(|(id, person)| [(*id, *person, 1), (*id, *person, 2)])
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(store.links_among(&[], 2).await.unwrap(), []);
}

pub async fn totals_have_the_checkpoints_of_the_streams_that_are_named(world: World) {
    let store = &*world.store;
    let mut ids = Vec::new();
    for number in 0..4 {
        let controller = world.controller(&format!("did:web:shop{number}.example")).await.id;
        ids.push(controller);
        if number < 3 {
            let mut batch = Batch::of(controller);
            for _ in 0..=number {
                batch.event(Outcome::Rejected { reasons: Vec::new() }, 1);
            }
            store.commit(&mut batch.ready(store).await).await.unwrap();
        }
    }
    let named = [ids[0], ids[2], ids[3], ControllerId::generate()];
    let mut some = store.totals(&|| Some(named.to_vec())).await.unwrap();
    some.checkpoints.sort_unstable();
    // One has no checkpoint yet, and one is nobody.
    assert_eq!(
        some.checkpoints,
        [(ids[0], Sequence(1)), (ids[2], Sequence(3)), (ids[3], Sequence(0))]
    );
    assert_eq!((some.processed, some.rejected), (0, 6));
    let none = store.totals(&|| Some(Vec::new())).await.unwrap();
    assert_eq!((none.checkpoints, none.rejected), (Vec::new(), 6));
    let mut all = store.totals(&|| None).await.unwrap();
    all.checkpoints.sort_unstable();
    let sequences: Vec<u64> = all.checkpoints.iter().map(|(_, sequence)| sequence.0).collect();
    assert_eq!((sequences, all.rejected), (vec![1, 2, 3, 0], 6));
}
