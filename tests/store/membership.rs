//! Which database it is, and who serves which node.

use conduit::store::{Holder, Instance, InstanceId};
use conduit_actors::ids::ControllerId;
use uuid::Uuid;

use super::world::{World, at};

pub async fn a_database_is_named_once_and_remembers_who_was_deleted(world: World) {
    let store = &*world.store;
    assert_eq!(store.instance().await.unwrap(), None);
    let named = |byte: u8| Instance {
        id: InstanceId::generate(),
        key_check: [byte; 32],
    };
    let (first, second) = (named(1), named(2));
    assert_eq!(store.name_instance(&first).await.unwrap(), first);
    assert_eq!(store.name_instance(&second).await.unwrap(), first);
    assert_eq!(store.instance().await.unwrap(), Some(first));

    let gone = world.controller("did:web:gone.example").await;
    world.controller("did:web:shop.example").await;
    assert_eq!(store.deleted_controllers().await.unwrap(), []);
    store.delete_controller(gone.id).await.unwrap();
    assert_eq!(store.deleted_controllers().await.unwrap(), [gone.id]);
    let other = ControllerId::generate();
    store.note_deleted(&[gone.id, other], at(5)).await.unwrap();
    let deleted = store.deleted_controllers().await.unwrap();
    assert!(deleted.len() == 2 && deleted.contains(&other));
}

pub async fn a_node_has_one_process_at_a_time(world: World) {
    let store = &*world.store;
    let holder = || Holder {
        node: "node-1".to_owned(),
        process: Uuid::now_v7(),
        host: "host".to_owned(),
        pid: 7,
        place: "place".to_owned(),
        beats: 0,
    };
    let (first, second) = (holder(), holder());
    assert!(store.take_hold(&first, &[], at(1)).await.unwrap());
    assert!(!store.take_hold(&second, &[], at(2)).await.unwrap());
    assert!(store.beat(&first, at(3)).await.unwrap());
    assert!(!store.beat(&second, at(3)).await.unwrap());
    let beaten = Holder {
        beats: 1,
        ..first.clone()
    };
    assert_eq!(store.holders().await.unwrap(), std::slice::from_ref(&beaten));
    // Known to be gone, it gives way.
    assert!(store.take_hold(&second, &[first.process], at(4)).await.unwrap());
    assert!(!store.beat(&first, at(5)).await.unwrap());
    store.let_go(&first).await.unwrap();
    assert_eq!(store.holders().await.unwrap(), std::slice::from_ref(&second));
    store.let_go(&second).await.unwrap();
    assert_eq!(store.holders().await.unwrap(), []);
    assert!(store.take_hold(&first, &[], at(6)).await.unwrap());
    assert_eq!(store.nodes().await.unwrap(), ["node-1"]);
}
