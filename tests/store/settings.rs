//! Names and limits of controllers.

use conduit::store::ChangeError;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::personal::CredentialHash;

use super::world::World;

pub async fn limits_are_set_at_their_version_only(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    assert!(store.limits(None).await.unwrap().is_empty());
    let some = LimitOverrides {
        events_per_second: Some(u32::MAX),
        burst: None,
        backlog_events: Some(0),
    };
    let late = store.set_limits(shop.id, Some(3), &some).await;
    assert_eq!(late, Err(ChangeError::VersionMismatch { current: 0 }));
    assert_eq!(store.set_limits(shop.id, Some(0), &some).await, Ok(1));
    let late = store.set_limits(shop.id, Some(0), &some).await;
    assert_eq!(late, Err(ChangeError::VersionMismatch { current: 1 }));
    let none = LimitOverrides::default();
    assert_eq!(store.set_limits(rival.id, None, &none).await, Ok(1));
    assert_eq!(store.set_limits(rival.id, None, &none).await, Ok(2));
    assert_eq!(store.set_limits(rival.id, Some(2), &some).await, Ok(3));
    let nobody = store.set_limits(ControllerId::generate(), None, &none).await;
    assert_eq!(nobody, Err(ChangeError::NotFound));

    let found = store.limits(Some(shop.id)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].controller, found[0].overrides, found[0].version),
        (shop.id, some, 1)
    );
    assert_eq!(store.limits(None).await.unwrap().len(), 2);
    store.delete_controller(rival.id).await.unwrap();
    assert_eq!(store.limits(None).await.unwrap(), found);
}

pub async fn a_management_token_is_replaced_by_who_knows_it(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let [first, second] = [[7; 32], [8; 32]].map(CredentialHash::from_bytes);
    store
        .set_management_token(shop.id, shop.management_token, first)
        .await
        .unwrap();
    let late = store.set_management_token(shop.id, shop.management_token, second).await;
    assert_eq!(late, Err(ChangeError::Rotated));
    let token = async |did| {
        *store
            .controller(did)
            .await
            .unwrap()
            .unwrap()
            .management_token
            .as_bytes()
    };
    assert_eq!(token(&shop.did).await, [7; 32]);
    assert_eq!(token(&rival.did).await, *rival.management_token.as_bytes());
    let nobody = store
        .set_management_token(ControllerId::generate(), first, second)
        .await;
    assert_eq!(nobody, Err(ChangeError::NotFound));
}

pub async fn a_controller_is_renamed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    store.rename_controller(shop.id, None, "Büdchen").await.unwrap();
    let name = async |did| store.controller(did).await.unwrap().unwrap().name;
    assert_eq!(name(&shop.did).await, "Büdchen");
    assert_eq!(name(&rival.did).await, rival.name);
    let late = store.rename_controller(shop.id, Some("Shop"), "x").await;
    assert_eq!(late, Err(ChangeError::Changed));
    store
        .rename_controller(shop.id, Some("Büdchen"), "Büdchen")
        .await
        .unwrap();
    let nobody = store.rename_controller(ControllerId::generate(), None, "x").await;
    assert_eq!(nobody, Err(ChangeError::NotFound));
}
