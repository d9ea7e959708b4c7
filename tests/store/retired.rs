//! Links that count no more.

use conduit_actors::ports::{RetiredLink, Retirement};

use super::world::{Batch, World, hash};

fn link(byte: u8, because: Retirement) -> RetiredLink {
    RetiredLink {
        hash: hash(byte),
        category: "user.contact.email".into(),
        because,
    }
}

pub async fn retired_links_stay_and_count_no_more(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1, 3, 4], 1);
    batch.commit(store).await;
    let count = async || {
        let counts = store.strong_link_counts(shop.id, &[ada]).await.unwrap();
        counts.first().map_or(0, |(_, _, count)| *count)
    };
    assert_eq!(count().await, 3);
    // A missing link, and one of another controller, leave nothing.
    let respelt = [link(1, Retirement::Respelt), link(9, Retirement::Respelt)];
    for _ in 0..2 {
        store.retire_links(shop.id, &respelt).await.unwrap();
        store.retire_links(rival.id, &respelt).await.unwrap();
        assert_eq!(count().await, 2);
    }
    assert_eq!(store.links(shop.id, &[hash(1)], 9).await.unwrap().len(), 1);
    assert_eq!(world.sql("UPDATE retired_links SET at = at").await, 1);
    store.delete_controller(shop.id).await.unwrap();
    assert_eq!(world.sql("UPDATE retired_links SET at = at").await, 0);
}

pub async fn people_who_rest_on_a_placeholder_are_found_with_their_merges(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let (ada, bob, eve) = (batch.subject(&[1], 1), batch.subject(&[2], 2), batch.subject(&[3], 3));
    batch.merge(bob, ada);
    batch.link(eve, 4, false, 3);
    batch.commit(store).await;
    assert_eq!(store.placeholder_people(None, 9).await.unwrap(), (Vec::new(), 0));
    let placeholders = [
        link(1, Retirement::Placeholder),
        link(3, Retirement::Placeholder),
        link(4, Retirement::Placeholder),
        link(2, Retirement::Respelt),
    ];
    store.retire_links(shop.id, &placeholders).await.unwrap();
    let (found, count) = store.placeholder_people(Some(shop.id), 9).await.unwrap();
    let mut found: Vec<_> = found.iter().map(|person| (person.subject, person.merges)).collect();
    found.sort_unstable();
    let mut expected = [(ada, 1), (eve, 0)];
    expected.sort_unstable();
    assert_eq!((found.as_slice(), count), (&expected[..], 2));
    let (some, all) = store.placeholder_people(None, 1).await.unwrap();
    assert_eq!((some.len(), all), (1, 2));
    assert_eq!(store.placeholder_people(Some(rival.id), 9).await.unwrap().1, 0);
}

pub async fn a_sweep_is_noted_for_each_controller(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    assert_eq!(store.swept(shop.id).await.unwrap(), None);
    for digest in [[1; 32], [2; 32], [2; 32]] {
        store.set_swept(shop.id, &digest).await.unwrap();
        assert_eq!(store.swept(shop.id).await.unwrap(), Some(digest.to_vec()));
    }
    store.delete_controller(shop.id).await.unwrap();
    store.set_swept(shop.id, &[3; 32]).await.unwrap();
    assert_eq!(store.swept(shop.id).await.unwrap(), None);
}
