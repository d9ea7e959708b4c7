//! Links in PostgreSQL: those of a former build, and many of them.

use conduit::store::Store;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{RetiredLink, Retirement, StoreError};

use super::world::{Batch, World, at, hash};

/// Puts all links where a former build would have put them.
const AS_BEFORE: &str = "WITH gone AS (DELETE FROM links RETURNING *) INSERT INTO links_former \
    (controller, hash, subject, category, strong, key_version, first_seen_at) \
    SELECT controller, hash, subject, category, strong, key_version, first_seen_at FROM gone";

async fn convert(store: &dyn Store) {
    while !store.convert().await.unwrap() {}
}

/// Asserts that Ada's links lead to her, and that those of both people are counted.
async fn assert_found(store: &dyn Store, shop: ControllerId, [ada, bob]: [SubjectId; 2]) {
    let asked = [hash(1), hash(2), hash(3), hash(9)];
    let mut known: Vec<_> = store
        .links(shop, &asked, 9)
        .await
        .unwrap()
        .iter()
        .map(|link| (link.hash, link.subject))
        .collect();
    known.sort_unstable();
    let mut expected = [
        (hash(1), ada),
        (hash(2), bob),
        (hash(3), ada),
        (hash(9), ada),
        (hash(9), bob),
    ];
    expected.sort_unstable();
    assert_eq!(known, expected);
    assert_eq!(store.links(shop, &[hash(9)], 1).await.unwrap().len(), 1);
    let mut counts = store.strong_link_counts(shop, &[ada, bob]).await.unwrap();
    counts.sort_unstable();
    let mut expected = [
        (ada, "user.contact.email".into(), 2),
        (bob, "user.contact.email".into(), 1),
    ];
    expected.sort_unstable();
    assert_eq!(counts, expected);
    let links = store.subject(&ada.did()).await.unwrap().unwrap().links;
    let seen: Vec<_> = links.iter().map(|link| link.first_seen_at).collect();
    assert_eq!(seen, [at(10), at(30), at(20)]);
}

pub async fn links_of_a_former_build_are_found_and_moved(world: World) {
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let people @ [ada, bob] = [batch.subject(&[1], 20), batch.subject(&[2], 20)];
    batch.link(ada, 9, false, 20);
    batch.link(bob, 9, false, 20);
    batch.commit(&*world.store).await;
    assert_eq!(world.sql(AS_BEFORE).await, 4);

    let node = world.node("node-2").await;
    let mut batch = Batch::of(shop.id);
    batch.link(ada, 3, true, 30);
    // It is there, and was seen earlier.
    batch.link(ada, 1, true, 10);
    batch.commit(&*node).await;
    assert_found(&*node, shop.id, people).await;
    for is_moved in [false, true] {
        if is_moved {
            convert(&*node).await;
            assert_eq!(world.sql("DELETE FROM links_former").await, 0);
            assert_eq!(world.sql("UPDATE links SET prefix = prefix").await, 5);
            assert_found(&*node, shop.id, people).await;
        }
        let mut late = Batch::of(shop.id);
        late.subject(&[4, 1], 2);
        let mut late = late.ready(&*node).await;
        assert_eq!(node.commit(&mut late).await, Err(StoreError::Conflict));
        // The holder's own again is none.
        let mut again = Batch::of(shop.id);
        again.link(bob, 2, true, 40);
        again.link(bob, 9, false, 40);
        again.commit(&*node).await;
    }
    node.close().await;
}

pub async fn former_links_are_retired_and_go_with_their_controller(world: World) {
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    batch.subject(&[1], 1);
    batch.subject(&[2], 1);
    batch.commit(&*world.store).await;
    assert_eq!(world.sql(AS_BEFORE).await, 2);
    let node = world.node("node-2").await;
    let mut batch = Batch::of(shop.id);
    batch.subject(&[3], 1);
    batch.commit(&*node).await;
    let retired = [1, 3, 4].map(|byte| RetiredLink {
        hash: hash(byte),
        category: "user.contact.email".into(),
        because: Retirement::Placeholder,
    });
    node.retire_links(shop.id, &retired).await.unwrap();
    for is_moved in [false, true] {
        if is_moved {
            convert(&*node).await;
        }
        let (people, count) = node.placeholder_people(Some(shop.id), 9).await.unwrap();
        assert_eq!((people.len(), count), (2, 2));
    }
    assert_eq!(world.sql(AS_BEFORE).await, 3);
    node.delete_controller(shop.id).await.unwrap();
    for left in ["DELETE FROM links_former", "DELETE FROM links", "DELETE FROM subjects"] {
        assert_eq!(world.sql(left).await, 0, "{left}");
    }
    node.close().await;
}

/// Looks for links without statistics, for which a scan of the table would take minutes.
pub async fn a_link_is_found_among_many(world: World) {
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1], 1);
    batch.commit(&*world.store).await;
    world
        .sql(
            "INSERT INTO links (prefix, first_seen_at, key_version, subject, controller, strong, hash, category) \
             SELECT n * 7919, 1, 1, gen_random_uuid(), gen_random_uuid(), true, sha256(n::text::bytea), 'user.name' \
             FROM generate_series(1, 200000) AS n",
        )
        .await;
    let mut asked: Vec<LinkHash> = (0..4_000_u64)
        .map(|number| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&(number * 7919).to_be_bytes());
            LinkHash(hash)
        })
        .collect();
    asked.push(hash(1));
    let known = world.store.links(shop.id, &asked, 65).await.unwrap();
    assert_eq!(known.iter().map(|link| link.subject).collect::<Vec<_>>(), [ada]);
    let mut batch = Batch::of(shop.id);
    for byte in 2..200 {
        batch.subject(&[byte], 1);
    }
    batch.commit(&*world.store).await;
}
