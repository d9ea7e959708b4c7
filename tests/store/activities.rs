//! The audit log as lists: its orders, filters and pages.

use conduit::store::{ActivityCursor, ActivityFilter, ActivityOrder, Page, Store};
use conduit_actors::event::Outcome;
use conduit_actors::ids::EventId;

use super::world::{Batch, World, at};

/// Returns the events of a page's activities, and the end of the page.
pub async fn page(
    store: &dyn Store,
    filter: &ActivityFilter,
    after: Option<ActivityCursor>,
    limit: usize,
) -> (Vec<EventId>, Option<ActivityCursor>) {
    let found = store.activities(filter, Page { after, limit }).await.unwrap();
    let cursor = found.last().map(|last| ActivityCursor {
        triggered_at: last.triggered_at,
        event: last.event,
        sequence: last.sequence,
    });
    (found.iter().map(|activity| activity.event).collect(), cursor)
}

pub async fn activities_are_filtered_and_paged_in_both_orders(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let (ada, bob) = (batch.subject(&[1], 1), batch.subject(&[2], 1));
    let late = batch.processed(ada, 30);
    let early = batch.processed(bob, 10);
    let between = batch.processed(ada, 20);
    batch.commit(store).await;
    let mut batch = Batch::of(rival.id);
    batch.event(Outcome::Processed { subject: None }, 15);
    batch.commit(store).await;

    let list = async |filter: ActivityFilter, after, limit| page(store, &filter, after, limit).await;
    let of_shop = || ActivityFilter {
        controller: Some(shop.id),
        ..ActivityFilter::default()
    };
    let (page, cursor) = list(of_shop(), None, 2).await;
    assert_eq!(page, [late, between]);
    assert_eq!(list(of_shop(), cursor, 2).await.0, [early]);
    let by_sequence = || ActivityFilter {
        order: ActivityOrder::Sequence,
        ..of_shop()
    };
    let (page, cursor) = list(by_sequence(), None, 2).await;
    assert_eq!(page, [between, early]);
    assert_eq!(list(by_sequence(), cursor, 2).await.0, [late]);
    let narrowed = ActivityFilter {
        subject: Some(ada),
        from: Some(at(20)),
        to: Some(at(30)),
        event_type: Some("contact".to_owned()),
        ..of_shop()
    };
    assert_eq!(list(narrowed, None, 9).await.0, [between]);
    assert_eq!(list(ActivityFilter::default(), None, 9).await.0.len(), 4);
}
