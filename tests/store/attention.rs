//! Events that ended badly, counted by their kind.

use conduit::store::Unsettled;
use conduit_actors::event::{Outcome, Status};
use conduit_actors::ids::{IntegrationId, Timestamp};

use super::world::{Batch, World};

pub async fn what_ended_badly_is_counted_by_its_kind(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await.id;
    let rival = world.controller("did:web:rival.example").await.id;
    let [web, app] = [
        world.integration(shop, "web").await.id,
        world.integration(shop, "app").await.id,
    ];
    let other = world.integration(rival, "web").await.id;
    let gone = IntegrationId::generate();
    let rejected = || Outcome::Rejected { reasons: Vec::new() };
    let mut before = Timestamp::now();
    for (controller, integration, event_type, outcome, many) in [
        (shop, web, "order", rejected(), 300),
        (shop, web, "contact", rejected(), 2),
        (shop, app, "order", rejected(), 1),
        (shop, app, "order", Outcome::Failed { reasons: Vec::new() }, 4),
        (shop, web, "order", Outcome::Processed { subject: None }, 5),
        (rival, other, "order", rejected(), 3),
        (shop, gone, "order", rejected(), 9),
    ] {
        let mut batch = Batch::of(controller).by(integration);
        for _ in 0..many {
            batch.event(outcome.clone(), 1);
        }
        for record in &mut batch.effects.outcomes {
            record.shown_event_type = event_type.parse().unwrap();
            before = before.min(record.event.id.received_at());
        }
        batch.commit(store).await;
    }
    let kind = |controller, integration, name: &str, status, count, all| Unsettled {
        controller,
        integration,
        event_type: name.to_owned(),
        status,
        count,
        count_in_all: all,
        kinds_in_all: if status == Status::Failed { 1 } else { 0 },
    };
    let kinds = |found: Vec<Unsettled>, kinds_in_all: u64| {
        let of = |kind: Unsettled| {
            let is_failed = kind.status == Status::Failed;
            assert_eq!(kind.kinds_in_all, if is_failed { 1 } else { kinds_in_all });
            Unsettled {
                kinds_in_all: u64::from(is_failed),
                ..kind
            }
        };
        found.into_iter().map(of).collect::<Vec<_>>()
    };
    let failed = kind(shop, app, "order", Status::Failed, 4, 4);
    let all = store.unsettled(None, before, 9).await.unwrap();
    assert_eq!(
        kinds(all, 4),
        [
            failed.clone(),
            kind(shop, web, "order", Status::Rejected, 300, 306),
            kind(rival, other, "order", Status::Rejected, 3, 306),
            kind(shop, web, "contact", Status::Rejected, 2, 306),
            kind(shop, app, "order", Status::Rejected, 1, 306),
        ]
    );
    let first = store.unsettled(Some(shop), before, 1).await.unwrap();
    assert_eq!(
        kinds(first, 3),
        [failed, kind(shop, web, "order", Status::Rejected, 300, 303)]
    );
    let later = Timestamp::from_millis(Timestamp::now().as_millis() + 60_000);
    assert_eq!(store.unsettled(None, later, 9).await.unwrap(), []);
}
