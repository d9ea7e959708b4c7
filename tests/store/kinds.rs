//! Lists that a filter narrows to what few integrations, types and statuses have.

use conduit::store::{ActivityFilter, EventFilter, EventRow, Page, Store};
use conduit_actors::event::{Activity, Outcome, Status};
use conduit_actors::ids::{EventId, IntegrationId};

use super::activities::page;
use super::world::{Batch, World, at};

/// Checks every filter by controller, integration, type and status, page by page, against the same events of a full
/// list.
pub async fn events_of_a_kind_are_found_among_all_others(world: World) {
    let store = &*world.store;
    let controllers = [
        world.controller("did:web:shop.example").await.id,
        world.controller("did:web:rival.example").await.id,
    ];
    // None of them is in the table of integrations: they are deleted by now.
    let integrations: [IntegrationId; 2] = std::array::from_fn(|_| IntegrationId::generate());
    let types = ["contact", "order_placed", "account_deleted"];
    let outcomes = [
        Outcome::Processed { subject: None },
        Outcome::Rejected { reasons: Vec::new() },
        Outcome::Failed { reasons: Vec::new() },
    ];
    for n in 0..40 {
        let mut batch = Batch::of(controllers[n % 2]).by(integrations[n % 5 % 2]);
        batch.event(outcomes[n % 7 % 3].clone(), 1);
        batch.effects.outcomes[0].shown_event_type = types[n % 8 % 3].parse().unwrap();
        batch.commit(store).await;
    }
    let everything = Page { after: None, limit: 99 };
    let all = store.events(&EventFilter::default(), everything).await.unwrap();
    assert_eq!(all.len(), 40);

    let statuses = [Status::Processed, Status::Duplicate, Status::Rejected, Status::Failed];
    let unknown = IntegrationId::generate();
    for controller in [None].into_iter().chain(controllers.map(Some)) {
        for integration in [None, Some(unknown)].into_iter().chain(integrations.map(Some)) {
            for event_type in [None, Some("no_such")].into_iter().chain(types.map(Some)) {
                for status in [None].into_iter().chain(statuses.map(Some)) {
                    let filter = EventFilter {
                        controller,
                        status,
                        integration,
                        event_type: event_type.map(str::to_owned),
                        ..EventFilter::default()
                    };
                    let matching = all
                        .iter()
                        .filter(|event| matches_event(&filter, event))
                        .map(|event| event.id);
                    assert_eq!(
                        paged_events(store, &filter).await,
                        matching.collect::<Vec<_>>(),
                        "{filter:?}"
                    );
                }
            }
        }
    }
}

fn matches_event(filter: &EventFilter, event: &EventRow) -> bool {
    filter
        .controller
        .is_none_or(|controller| event.controller == controller)
        && filter.status.is_none_or(|status| event.status == status)
        && filter
            .integration
            .is_none_or(|integration| event.integration == integration)
        && filter
            .event_type
            .as_ref()
            .is_none_or(|name| event.event_type.as_str() == name)
}

async fn paged_events(store: &dyn Store, filter: &EventFilter) -> Vec<EventId> {
    let mut events: Vec<EventId> = Vec::new();
    loop {
        let page = Page {
            after: events.last().copied(),
            limit: 3,
        };
        let found = store.events(filter, page).await.unwrap();
        if found.is_empty() {
            return events;
        }
        events.extend(found.iter().map(|event| event.id));
    }
}

/// Checks every filter by integration, type and time, page by page, against the same activities of a full list.
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
                    let expected: Vec<EventId> = all
                        .iter()
                        .filter(|a| matches_activity(&filter, a))
                        .map(|a| a.event)
                        .collect();
                    assert_eq!(paged_activities(store, &filter).await, expected, "{filter:?}");
                }
            }
        }
    }
}

fn matches_activity(filter: &ActivityFilter, activity: &Activity) -> bool {
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

async fn paged_activities(store: &dyn Store, filter: &ActivityFilter) -> Vec<EventId> {
    let (mut events, mut cursor) = page(store, filter, None, 3).await;
    while cursor.is_some() {
        let (next, end) = page(store, filter, cursor, 3).await;
        events.extend(next);
        cursor = end;
    }
    events
}
