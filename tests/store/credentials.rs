//! The versions of credentials.

use conduit::store::{ChangeError, CredentialVersion, RetiredBecause, Store};
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::Credential;
use conduit_actors::usage::{AddressSketch, CredentialOwner, CredentialUse};

use super::world::{World, at};

fn hash(byte: u8) -> CredentialHash {
    CredentialHash::from_bytes([byte; 32])
}

fn used(owner: CredentialOwner, byte: u8, seconds: i64, addresses: &[u64]) -> CredentialUse {
    let mut sketch = AddressSketch::default();
    addresses.iter().for_each(|address| sketch.insert(*address));
    CredentialUse {
        owner,
        hash: hash(byte),
        last_used_at: at(seconds),
        addresses: sketch,
    }
}

fn rotated(current: u8, previous: u8, until: Timestamp) -> Credential {
    Credential {
        current: hash(current),
        previous: Some((hash(previous), until)),
    }
}

/// Returns the time of the last use, and the number of addresses.
fn seen(version: &CredentialVersion) -> (Option<Timestamp>, u64) {
    (version.last_used_at, version.addresses.count())
}

/// Rotates it, if its previous one is the current one so far.
async fn rotate(store: &dyn Store, owner: CredentialOwner, credential: &Credential) -> Result<(), ChangeError> {
    let (before, _) = credential.previous.unwrap();
    match owner {
        CredentialOwner::Controller(id) => store.set_webhook_secret(id, before, credential).await,
        CredentialOwner::Integration(id) => store.set_api_key(id, before, credential).await,
    }
}

async fn set(store: &dyn Store, owner: CredentialOwner, credential: &Credential) {
    rotate(store, owner, credential).await.unwrap();
}

/// Returns both kinds of credentials of one controller, each with its first hash.
async fn both(world: &World) -> [(CredentialOwner, u8); 2] {
    let shop = world.controller("did:web:shop.example").await;
    let mailer = world.integration(shop.id, "mailer").await;
    [
        (CredentialOwner::Controller(shop.id), 1),
        (CredentialOwner::Integration(mailer.id), 5),
    ]
}

pub async fn versions_of_credentials_are_issued_used_and_replaced(world: World) {
    let store = &*world.store;
    for (owner, first) in both(&world).await {
        let made = store.credential_versions(owner).await.unwrap();
        assert!(made.previous.is_none() && made.current.issued_at.unwrap() <= at(2));
        assert_eq!(seen(&made.current), (None, 0));

        set(store, owner, &rotated(20, first, at(500))).await;
        let uses = [
            used(owner, first, 7, &[1]),
            used(owner, 20, 9, &[2, 3]),
            used(owner, 99, 9, &[4]),
        ];
        store.note_uses(&uses).await.unwrap();
        // Another node, which saw some of it earlier.
        let other = world.node("node-2").await;
        let uses = [used(owner, 20, 8, &[3, 4]), used(owner, first, 11, &[1])];
        other.note_uses(&uses).await.unwrap();
        other.note_uses(&uses).await.unwrap();
        other.close().await;
        let found = store.credential_versions(owner).await.unwrap();
        assert_eq!(seen(&found.current), (Some(at(9)), 3));
        let previous = found.previous.unwrap();
        assert_eq!((seen(&previous), previous.retired), ((Some(at(11)), 1), None));
        assert!(previous.issued_at < found.current.issued_at);

        // The one before that is forgotten.
        set(store, owner, &rotated(21, 20, at(600))).await;
        let found = store.credential_versions(owner).await.unwrap();
        assert_eq!(seen(&found.current), (None, 0));
        assert_eq!(seen(found.previous.as_ref().unwrap()), (Some(at(9)), 3));
        store.note_uses(&[used(owner, first, 99, &[9])]).await.unwrap();
        let again = store.credential_versions(owner).await.unwrap();
        assert_eq!(seen(again.previous.as_ref().unwrap()), (Some(at(9)), 3));
    }
    let nobody = CredentialOwner::Integration(IntegrationId::generate());
    let none = store.credential_versions(nobody).await.unwrap();
    assert!(none.previous.is_none() && none.current.issued_at.is_none());
}

pub async fn credentials_are_revoked(world: World) {
    let store = &*world.store;
    for (owner, first) in both(&world).await {
        assert_eq!(store.revoke_previous(owner, at(100)).await, Ok(false));
        set(store, owner, &rotated(20, first, at(500))).await;
        assert_eq!(store.revoke_previous(owner, at(500)).await, Ok(false), "it has ended");
        assert_eq!(store.revoke_previous(owner, at(100)).await, Ok(true));
        assert_eq!(store.revoke_previous(owner, at(100)).await, Ok(false));
        let found = store.credential_versions(owner).await.unwrap();
        assert_eq!(
            found.previous.unwrap().retired,
            Some((at(100), RetiredBecause::Revoked))
        );

        set(store, owner, &rotated(21, 20, at(600))).await;
        store.revoke_all(owner, hash(22)).await.unwrap();
        let found = store.credential_versions(owner).await.unwrap();
        let (_, because) = found.previous.unwrap().retired.unwrap();
        assert_eq!(because, RetiredBecause::Revoked);
        let credential = match owner {
            CredentialOwner::Controller(_) => store.controllers().await.unwrap()[0].webhook_secret.clone(),
            CredentialOwner::Integration(id) => store.integration(id).await.unwrap().unwrap().api_key,
        };
        assert_eq!(credential.current.as_bytes(), &[22; 32]);
        assert!(credential.previous.is_none());
    }
    let nobody = CredentialOwner::Controller(ControllerId::generate());
    assert_eq!(store.revoke_all(nobody, hash(1)).await, Err(ChangeError::NotFound));
    assert_eq!(store.revoke_previous(nobody, at(1)).await, Ok(false));
}

pub async fn of_two_rotations_of_the_same_version_one_is_refused(world: World) {
    let store = &*world.store;
    let other = world.node("node-2").await;
    for (owner, first) in both(&world).await {
        let (one, two) = (rotated(20, first, at(500)), rotated(21, first, at(500)));
        let answers = tokio::join!(rotate(store, owner, &one), rotate(&*other, owner, &two));
        let winner = match answers {
            (Ok(()), Err(ChangeError::Rotated)) => 20,
            (Err(ChangeError::Rotated), Ok(())) => 21,
            other => panic!("{other:?}"),
        };
        let versions = store.credential_versions(owner).await.unwrap();
        assert_eq!(versions.previous.unwrap().retired, None, "the first one serves on");
        let current = match owner {
            CredentialOwner::Controller(_) => store.controllers().await.unwrap()[0].webhook_secret.current,
            CredentialOwner::Integration(id) => store.integration(id).await.unwrap().unwrap().api_key.current,
        };
        assert_eq!(current.as_bytes(), &[winner; 32]);
        // The loser reads it again, and a revocation comes in between.
        store.revoke_all(owner, hash(22)).await.unwrap();
        let late = rotated(23, winner, at(600));
        assert_eq!(rotate(&*other, owner, &late).await, Err(ChangeError::Rotated));
        set(&*other, owner, &rotated(23, 22, at(600))).await;
    }
    other.close().await;
}

pub async fn what_has_ended_is_removed_and_told_once(world: World) {
    let store = &*world.store;
    let owners = both(&world).await;
    for (owner, first) in owners {
        set(store, owner, &rotated(20, first, at(500))).await;
    }
    assert!(store.remove_ended(at(499)).await.unwrap().is_empty());
    let (key, _) = owners[1];
    store.note_uses(&[used(key, 20, 9, &[1])]).await.unwrap();
    let other = world.node("node-2").await;
    let told = store.remove_ended(at(500)).await.unwrap();
    assert!(other.remove_ended(at(500)).await.unwrap().is_empty());
    other.close().await;
    let shown: Vec<_> = told
        .iter()
        .map(|ended| {
            (
                ended.did.as_str(),
                ended.integration.map(CredentialOwner::Integration),
                ended.at,
                ended.successor_used,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("did:web:shop.example", None, at(500), false),
            ("did:web:shop.example", Some(key), at(500), true)
        ]
    );
    for (owner, _) in owners {
        let found = store.credential_versions(owner).await.unwrap();
        assert_eq!(
            found.previous.unwrap().retired,
            Some((at(500), RetiredBecause::GraceEnded))
        );
    }
    let shop = store.controllers().await.unwrap().pop().unwrap();
    assert!(shop.webhook_secret.previous.is_none());
    store.delete_controller(shop.id).await.unwrap();
    let gone = store
        .credential_versions(CredentialOwner::Controller(shop.id))
        .await
        .unwrap();
    assert!(gone.current.issued_at.is_none());
}
