//! Replays: the events to replay, and the effects of their steps. `replay_jobs` tests which node runs which replay.

use std::collections::HashMap;
use std::time::Duration;

use conduit::audit;
use conduit::store::{NewReplay, NextBatch, PastOutcome, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus, Store};
use conduit_actors::event::{Notice, Outcome, Status};
use conduit_actors::ids::{ControllerId, EventId, ReplayId};
use conduit_actors::ports::{BatchEffects, ReplayBatch, StoreError};

use super::world::{Batch, World, at};

pub const LEASE: Duration = Duration::from_secs(3600);

fn reasons(code: &str) -> Vec<Notice> {
    vec![Notice::of_request("/email", code, "does not fit")]
}

pub fn rejected() -> Outcome {
    Outcome::Rejected {
        reasons: reasons("first"),
    }
}

pub fn failed() -> Outcome {
    Outcome::Failed {
        reasons: reasons("first"),
    }
}

/// Stores events of a controller with these outcomes.
pub async fn events(store: &dyn Store, controller: ControllerId, outcomes: Vec<Outcome>) -> Vec<EventId> {
    let mut batch = Batch::of(controller);
    let ids = (1..)
        .zip(outcomes)
        .map(|(second, outcome)| batch.event(outcome, second));
    let ids = ids.collect();
    batch.commit(store).await;
    ids
}

pub async fn begin(store: &dyn Store, controller: ControllerId, filter: ReplayFilter) -> ReplayRow {
    let replay = NewReplay {
        id: ReplayId::generate(),
        controller,
        estimate: store.estimate_replay(controller, &filter).await.unwrap(),
        filter,
        started_at: at(500),
        lease: LEASE,
    };
    store.create_replay(&replay).await.unwrap()
}

pub async fn next(store: &dyn Store, replay: ReplayId, events: usize) -> ReplayBatch {
    match store.replay_batch(replay, events, 1 << 20).await.unwrap() {
        NextBatch::Batch(batch) => batch,
        other => panic!("{other:?}"),
    }
}

/// Returns the step with this outcome for each event.
pub fn step(batch: &ReplayBatch, outcome: impl Fn(EventId) -> Outcome) -> BatchEffects {
    let mut made = Batch::of(batch.step.job.controller);
    for event in &batch.events {
        let event = event.journaled.event.clone();
        let outcome = outcome(event.id);
        made.outcome(event, outcome, 600);
    }
    made.effects.replay = Some(batch.step);
    made.effects
}

pub const NOBODY: Outcome = Outcome::Processed { subject: None };

/// Everything that a step may change.
#[derive(Debug, PartialEq)]
pub struct Picture {
    statuses: Vec<Status>,
    history: Vec<Vec<PastOutcome>>,
    pub sums: [u64; 4],
    sequence: u64,
    payloads: Vec<bool>,
}

pub async fn picture(store: &dyn Store, controller: ControllerId, events: &[EventId]) -> Picture {
    let (mut statuses, mut history, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        statuses.push(store.event(*event).await.unwrap().unwrap().status);
        history.push(store.past_outcomes(*event).await.unwrap());
        payloads.push(store.payload(*event).await.unwrap().is_some());
    }
    let counts = store.outcome_counts(Some(controller)).await.unwrap();
    Picture {
        statuses,
        history,
        payloads,
        sums: [counts.processed, counts.duplicate, counts.rejected, counts.failed],
        sequence: store.chain_head(controller).await.unwrap().sequence.0,
    }
}

pub async fn what_is_to_be_replayed_is_filtered_and_counted(world: World) {
    let store = &*world.store;
    let (shop, rival) = (
        world.controller("did:web:shop.example").await.id,
        world.controller("did:web:rival.example").await.id,
    );
    let mailer = world.integration(shop, "mailer").await.id;
    let first = events(store, shop, vec![rejected(), NOBODY, failed()]).await;
    let mut batch = Batch::of(shop).by(mailer);
    let by_mailer = batch.event(rejected(), 9);
    batch.event(Outcome::Duplicate { of: first[1] }, 9);
    batch.commit(store).await;
    let theirs = events(store, rival, vec![failed()]).await;

    let found = async |filter: ReplayFilter| store.estimate_replay(shop, &filter).await.unwrap();
    let expected = |events: &[EventId]| ReplayEstimate {
        matching: events.len() as u64,
        replayable: events.len() as u64,
        oldest: events.iter().min().copied(),
        newest: events.iter().max().copied(),
    };
    let all = ReplayFilter::default();
    assert_eq!(found(all.clone()).await, expected(&[first[0], first[2], by_mailer]));
    let status = |status| ReplayFilter {
        status: Some(status),
        ..ReplayFilter::default()
    };
    assert_eq!(found(status(Status::Failed)).await, expected(&[first[2]]));
    assert_eq!(found(status(Status::Rejected)).await, expected(&[first[0], by_mailer]));
    let integration = ReplayFilter {
        integration: Some(mailer),
        event: Some("contact".to_owned()),
        ..ReplayFilter::default()
    };
    assert_eq!(found(integration).await, expected(&[by_mailer]));
    let unheard = |event: &str| ReplayFilter {
        event: Some(event.to_owned()),
        ..ReplayFilter::default()
    };
    assert_eq!(found(unheard("unheard")).await, ReplayEstimate::default());
    assert_eq!(found(unheard("contact\0")).await, ReplayEstimate::default());
    let since = ReplayFilter {
        from: Some(first[0].received_at()),
        ..ReplayFilter::default()
    };
    assert_eq!(found(since).await.matching, 3);
    let before = ReplayFilter {
        to: Some(first[0].received_at()),
        ..ReplayFilter::default()
    };
    assert_eq!(found(before).await.matching, 0);
    let named = ReplayFilter {
        event_ids: Some(vec![first[2], first[1], theirs[0], EventId::generate()]),
        ..ReplayFilter::default()
    };
    assert_eq!(found(named).await, expected(&[first[2]]));
    let none = ReplayFilter {
        event_ids: Some(Vec::new()),
        ..ReplayFilter::default()
    };
    assert_eq!(found(none.clone()).await, ReplayEstimate::default());
    let row = begin(store, shop, none).await;
    assert_eq!((row.status, row.ended_at), (ReplayStatus::Done, Some(at(500))));
}

pub async fn a_step_changes_outcomes_sums_and_history_at_once(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let ids = events(store, shop, vec![rejected(), failed(), rejected(), failed(), NOBODY]).await;
    let replay = begin(store, shop, ReplayFilter::default()).await;
    assert_eq!(
        (replay.status, replay.matching, replay.done()),
        (ReplayStatus::Running, 4, 0)
    );

    let batch = next(store, replay.id, 10).await;
    let found: Vec<_> = batch.events.iter().map(|e| (e.journaled.event.id, e.status)).collect();
    let statuses = [Status::Rejected, Status::Failed, Status::Rejected, Status::Failed];
    assert_eq!(found, ids.iter().copied().zip(statuses).collect::<Vec<_>>());
    let event = &batch.events[0].journaled;
    assert_eq!(&event.event.body.expose()[..], b"{\"email\":\"ada@shop.example\"}");
    assert_eq!((event.event.triggered_at, event.journaled_at), (at(1), at(2)));

    let again = Outcome::Rejected {
        reasons: reasons("second"),
    };
    let mut links = Batch::of(shop);
    let ada = links.subject(&[1], 5);
    let outcomes = HashMap::from([
        (ids[0], Outcome::Processed { subject: Some(ada) }),
        (ids[1], Outcome::Duplicate { of: ids[4] }),
        (ids[2], again),
        (ids[3], failed()),
    ]);
    let mut effects = step(&batch, |id| outcomes[&id].clone());
    (effects.subjects, effects.links) = (links.effects.subjects, links.effects.links);
    store.commit(&mut effects).await.unwrap();

    let now = picture(store, shop, &ids[..4]).await;
    let statuses = [Status::Processed, Status::Duplicate, Status::Rejected, Status::Failed];
    assert_eq!(now.statuses, statuses);
    assert_eq!((now.sums, now.sequence), ([2, 1, 1, 1], 2));
    assert_eq!(now.payloads, [false, false, true, true]);
    for (history, status) in now.history.iter().zip(statuses) {
        let [before, after] = &history[..] else {
            panic!("{history:?}")
        };
        assert_eq!((before.reasons[0].code.as_str(), before.replay), ("first", None));
        assert_eq!(before.mapping_version, None);
        assert_eq!(
            (after.status, after.at, after.mapping_version, after.replay),
            (status, at(603), Some(7), Some(replay.id))
        );
    }
    assert_eq!(now.history[2][1].reasons, reasons("second"));
    let row = store.event(ids[0]).await.unwrap().unwrap();
    assert_eq!((row.subject, row.reasons.len(), row.logged_at), (Some(ada), 0, at(603)));
    assert_eq!(row.journaled_at, at(2), "it was accepted once");
    assert_eq!(store.event(ids[1]).await.unwrap().unwrap().duplicate_of, Some(ids[4]));
    assert_eq!(store.past_outcomes(ids[4]).await.unwrap(), []);
    let reports = audit::verify(store, None).await.unwrap();
    assert_eq!((&reports[0].fault, reports[0].head.sequence.0), (&None, 2));

    let replay = store.replay(replay.id).await.unwrap().unwrap();
    assert_eq!(
        (
            replay.processed,
            replay.duplicate,
            replay.rejected,
            replay.failed,
            replay.skipped
        ),
        (1, 1, 1, 1, 0)
    );
    assert!(matches!(
        store.replay_batch(replay.id, 10, 1).await,
        Ok(NextBatch::Exhausted)
    ));

    // A second time: replayed events have their first outcomes already.
    let second = begin(store, shop, ReplayFilter::default()).await;
    let batch = next(store, second.id, 10).await;
    store.commit(&mut step(&batch, |_| NOBODY)).await.unwrap();
    let now = picture(store, shop, &ids[..4]).await;
    assert_eq!((now.sums, now.payloads), ([4, 1, 0, 0], vec![false; 4]));
    let lengths: Vec<_> = now.history.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 2, 3, 3]);
}

pub async fn a_step_out_of_date_is_a_conflict_and_changes_nothing(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let ids = events(store, shop, vec![rejected(), failed(), rejected()]).await;
    let one = begin(store, shop, ReplayFilter::default()).await;
    let two = begin(store, shop, ReplayFilter::default()).await;
    let by_one = next(store, one.id, 1).await;
    let by_two = next(store, two.id, 2).await;
    store.commit(&mut step(&by_one, |_| NOBODY)).await.unwrap();
    let now = picture(store, shop, &ids).await;
    assert_eq!(now.sums, [1, 0, 1, 1]);

    // The same step again, and another replay's with an event that is processed by now.
    for stale in [&by_one, &by_two] {
        let committed = store.commit(&mut step(stale, |_| NOBODY)).await;
        assert_eq!(committed, Err(StoreError::Conflict));
        assert_eq!(picture(store, shop, &ids).await, now);
    }
    let rest = next(store, two.id, 2).await;
    let found: Vec<_> = rest.events.iter().map(|event| event.journaled.event.id).collect();
    assert_eq!(found, ids[1..]);

    // A replay that was cancelled after its reading.
    assert!(store.end_replay(two.id, ReplayStatus::Cancelled, at(9)).await.unwrap());
    assert_eq!(
        store.commit(&mut step(&rest, |_| NOBODY)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(picture(store, shop, &ids).await, now);
    assert!(matches!(store.replay_batch(two.id, 1, 1).await, Ok(NextBatch::NotOurs)));
    let second = next(store, one.id, 10).await;
    store.commit(&mut step(&second, |_| NOBODY)).await.unwrap();
    assert_eq!(picture(store, shop, &ids).await.sums, [3, 0, 0, 0]);
}

pub async fn steps_are_limited_and_pass_what_cannot_be_replayed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let ids = events(
        store,
        shop,
        vec![rejected(), failed(), rejected(), failed(), rejected()],
    )
    .await;
    let replay = begin(store, shop, ReplayFilter::default()).await;
    // Later events do not belong to this replay.
    let late = events(store, shop, vec![rejected()]).await;
    let taken = |batch: &ReplayBatch| batch.events.iter().map(|e| e.journaled.event.id).collect::<Vec<_>>();
    let first = next(store, replay.id, 2).await;
    assert_eq!((taken(&first), first.step.from), (ids[..2].to_vec(), None));
    store.commit(&mut step(&first, |_| rejected())).await.unwrap();
    let NextBatch::Batch(by_bytes) = store.replay_batch(replay.id, 10, 1).await.unwrap() else {
        panic!("nothing is left")
    };
    assert_eq!((taken(&by_bytes), by_bytes.step.from), (vec![ids[2]], Some(ids[1])));
    // Another replay is quicker with one of the next two.
    let quick = begin(store, shop, ReplayFilter::only(ids[3])).await;
    let quickly = next(store, quick.id, 9).await;
    store.commit(&mut step(&quickly, |_| NOBODY)).await.unwrap();
    let rest = next(store, replay.id, 10).await;
    assert_eq!(taken(&rest), [ids[2], ids[4]]);
    store.commit(&mut step(&rest, |_| NOBODY)).await.unwrap();
    assert!(matches!(
        store.replay_batch(replay.id, 10, 100).await,
        Ok(NextBatch::Exhausted)
    ));
    assert!(store.end_replay(replay.id, ReplayStatus::Done, at(900)).await.unwrap());
    let row = store.replay(replay.id).await.unwrap().unwrap();
    assert_eq!((row.matching, row.done(), row.skipped, row.rejected), (5, 5, 1, 2));
    assert_eq!((row.status, row.ended_at), (ReplayStatus::Done, Some(at(900))));
    assert_eq!(store.past_outcomes(late[0]).await.unwrap(), []);
}
