//! The audit log as lists: its orders, filters and pages.

use conduit::store::{ActivityCursor, ActivityFilter, ActivityOrder, Page, Store};
use conduit_actors::event::{Activity, Outcome};
use conduit_actors::ids::{EventId, IntegrationId};

use super::world::{Batch, World, at};

/// The events of a page's activities, and where it ends.
async fn page(
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

/// Every filter by integration, type and time, page by page, beside the same taken from a list of all.
pub async fn activities_of_a_kind_are_found_among_all_others(world: World) {
    let store = &*world.store;
    let controllers = [
        world.controller("did:web:shop.example").await.id,
        world.controller("did:web:rival.example").await.id,
    ];
    // None of them is in the table of integrations: they are deleted by now.
    let integrations: [IntegrationId; 3] = std::array::from_fn(|_| IntegrationId::generate());
    let types = ["contact", "order_placed", "account_deleted"];
    for n in 0..60_usize {
        let mut batch = Batch::of(controllers[n % 2]).by(integrations[n % 5 % 3]);
        // Several at the same moment; the order of commits is not that of times.
        batch.event(Outcome::Processed { subject: None }, (n * 7 % 20).cast_signed() as i64);
        batch.effects.activities[0].event_type = types[n % 7 % 3].parse().unwrap();
        batch.commit(store).await;
    }
    let all = store
        .activities(&ActivityFilter::default(), Page { after: None, limit: 99 })
        .await
        .unwrap();
    assert_eq!(all.len(), 60);

    let unknown = IntegrationId::generate();
    for controller in [None, Some(controllers[0]), Some(controllers[1])] {
        for integration in [None, Some(unknown)].into_iter().chain(integrations.map(Some)) {
            for event_type in [None, Some("no_such")].into_iter().chain(types.map(Some)) {
                for (from, to) in [(None, None), (Some(at(5)), Some(at(15)))] {
                    let filter = ActivityFilter {
                        controller,
                        integration,
                        event_type: event_type.map(str::to_owned),
                        from,
                        to,
                        ..ActivityFilter::default()
                    };
                    let expected: Vec<EventId> = all.iter().filter(|a| matches(&filter, a)).map(|a| a.event).collect();
                    assert_eq!(paged(store, &filter).await, expected, "{filter:?}");
                }
            }
        }
    }
}

fn matches(filter: &ActivityFilter, activity: &Activity) -> bool {
    filter
        .controller
        .is_none_or(|controller| activity.controller == controller)
        && filter
            .integration
            .is_none_or(|integration| activity.integration == integration)
        && filter
            .event_type
            .as_ref()
            .is_none_or(|name| activity.event_type.as_str() == name)
        && filter.from.is_none_or(|from| activity.triggered_at >= from)
        && filter.to.is_none_or(|to| activity.triggered_at < to)
}

async fn paged(store: &dyn Store, filter: &ActivityFilter) -> Vec<EventId> {
    let (mut events, mut cursor) = page(store, filter, None, 3).await;
    while cursor.is_some() {
        let (next, end) = page(store, filter, cursor, 3).await;
        events.extend(next);
        cursor = end;
    }
    events
}
