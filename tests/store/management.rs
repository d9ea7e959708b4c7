//! Controllers and integrations.

use conduit::store::{ActivityFilter, ChangeError, EventFilter, Page};
use conduit_actors::event::Outcome;
use conduit_actors::ids::{ControllerId, IntegrationId, Sequence};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{ChainHead, Credential};
use futures_util::future::join_all;

use super::world::{Batch, World, at, credential, hash, integration_row};

pub async fn controllers_are_made_found_and_changed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut taken = world.controller_row("did:web:shop.example");
    assert_eq!(store.create_controller(&taken).await, Err(ChangeError::Exists));
    taken.did = "did:web:other.example".parse().unwrap();
    taken.id = shop.id;
    assert_eq!(store.create_controller(&taken).await, Err(ChangeError::Exists));

    let listed = store.controllers().await.unwrap();
    assert_eq!(listed.iter().map(|c| c.id).collect::<Vec<_>>(), [rival.id, shop.id]);
    let mut paged = Vec::new();
    while let Some(row) = store
        .controllers_page(Page {
            after: paged.last().copied(),
            limit: 1,
        })
        .await
        .unwrap()
        .pop()
    {
        paged.push(row.id);
    }
    assert_eq!(paged, [rival.id, shop.id]);
    let found = store.controller(&shop.did).await.unwrap().unwrap();
    assert_eq!(
        (
            found.id,
            &found.did,
            &found.name,
            found.created_at,
            found.link_key_version
        ),
        (shop.id, &shop.did, &shop.name, shop.created_at, 3)
    );
    assert_eq!(found.wrapped_data_key, shop.wrapped_data_key);
    assert_eq!(found.management_token.as_bytes(), shop.management_token.as_bytes());
    assert!(found.webhook_secret.previous.is_none());
    let unknown = "did:web:nobody.example".parse().unwrap();
    assert!(store.controller(&unknown).await.unwrap().is_none());

    let rotated = Credential {
        current: CredentialHash::from_bytes([8; 32]),
        previous: Some((CredentialHash::from_bytes([9; 32]), at(77))),
    };
    let before = shop.webhook_secret.current;
    store.set_webhook_secret(shop.id, before, &rotated).await.unwrap();
    let found = store.controller(&shop.did).await.unwrap().unwrap().webhook_secret;
    let (previous, until) = found.previous.unwrap();
    assert_eq!(
        (found.current.as_bytes(), previous.as_bytes(), until),
        (&[8; 32], &[9; 32], at(77))
    );
    let nobody = ControllerId::generate();
    assert_eq!(
        store.set_webhook_secret(nobody, before, &rotated).await,
        Err(ChangeError::NotFound)
    );
    assert_eq!(store.delete_controller(nobody).await, Err(ChangeError::NotFound));
    assert_eq!(store.chain_head(nobody).await.unwrap(), ChainHead::EMPTY);
    store.ping().await.unwrap();
}

pub async fn integrations_are_made_found_and_changed(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let one = world.integration(shop.id, "mailer").await;
    let two = world.integration(shop.id, "crm").await;
    let other = world.integration(rival.id, "mailer").await;
    let taken = integration_row(shop.id, "mailer");
    assert_eq!(store.create_integration(&taken).await, Err(ChangeError::Exists));
    let orphan = integration_row(ControllerId::generate(), "mailer");
    assert_eq!(store.create_integration(&orphan).await, Err(ChangeError::NotFound));

    let ids = |rows: Vec<conduit::store::IntegrationRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(store.integrations(Some(shop.id)).await.unwrap()), [two.id, one.id]);
    assert_eq!(ids(store.integrations(None).await.unwrap()), [other.id, two.id, one.id]);
    let found = store.integration(one.id).await.unwrap().unwrap();
    assert_eq!(
        (found.controller, found.processor.as_str(), &found.spec, found.version),
        (shop.id, "mailer", &one.spec, 1)
    );

    let before = one.api_key.current;
    store.set_api_key(one.id, before, &credential(66)).await.unwrap();
    let found = store.integration(one.id).await.unwrap().unwrap();
    assert_eq!(found.api_key.current.as_bytes(), &[66; 32]);
    let nobody = IntegrationId::generate();
    assert_eq!(
        store.set_api_key(nobody, before, &credential(66)).await,
        Err(ChangeError::NotFound)
    );
    let late = store.delete_integration(one.id, Some(2)).await;
    assert_eq!(late, Err(ChangeError::VersionMismatch { current: 1 }));
    assert!(store.integration(one.id).await.unwrap().is_some());
    store.delete_integration(one.id, Some(1)).await.unwrap();
    assert_eq!(store.delete_integration(one.id, None).await, Err(ChangeError::NotFound));
    assert!(store.integration(one.id).await.unwrap().is_none());
}

pub async fn many_are_made_at_once_and_those_that_are_refused_take_nothing_along(world: World) {
    let store = &*world.store;
    // Each DID is asked for twice.
    let rows: Vec<_> = (0..600)
        .map(|number| world.controller_row(&format!("did:web:shop{}.example", number / 2)))
        .collect();
    let made = join_all(rows.iter().map(|row| store.create_controller(row))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 300);
    assert!(
        made.iter()
            .all(|made| matches!(made, Ok(()) | Err(ChangeError::Exists)))
    );
    let ids: Vec<_> = rows
        .iter()
        .zip(&made)
        .filter_map(|(row, made)| made.is_ok().then_some(row.id))
        .collect();
    let mut stored: Vec<_> = store.controllers().await.unwrap().iter().map(|row| row.id).collect();
    stored.sort_unstable();
    let mut expected = ids.clone();
    expected.sort_unstable();
    assert_eq!(stored, expected);

    let nobody = ControllerId::generate();
    let owners = ids.iter().flat_map(|id| [*id, nobody]);
    let integrations: Vec<_> = owners.map(|owner| integration_row(owner, "mailer")).collect();
    let made = join_all(integrations.iter().map(|row| store.create_integration(row))).await;
    for (row, made) in integrations.iter().zip(made) {
        let is_orphan = row.controller == nobody;
        assert_eq!(made, if is_orphan { Err(ChangeError::NotFound) } else { Ok(()) });
        assert_eq!(store.integration(row.id).await.unwrap().is_some(), !is_orphan);
    }
}

pub async fn sizes_of_integrations_are_paged(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let one = world.integration(shop.id, "mailer").await.id;
    let other = world.integration(rival.id, "mailer").await.id;
    let two = world.integration(shop.id, "crm").await.id;
    let page = async |controller, after, limit| {
        let sizes = store
            .integration_sizes(controller, Page { after, limit })
            .await
            .unwrap();
        assert!(sizes.iter().all(|size| size.bytes > 20));
        sizes.iter().map(|size| size.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, None, 9).await, [two, other, one]);
    assert_eq!(page(None, None, 2).await, [two, other]);
    assert_eq!(page(None, Some(other), 2).await, [one]);
    assert_eq!(page(Some(shop.id), None, usize::MAX).await, [two, one]);
    assert_eq!(page(Some(shop.id), Some(two), 9).await, [one]);
    assert_eq!(page(Some(shop.id), Some(one), 9).await, []);
}

pub async fn an_integration_is_replaced_at_its_version_only(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let row = world.integration(shop.id, "mailer").await;
    let mut spec = row.spec.clone();
    spec.name = "Newer".to_owned();
    let replaced = store.replace_integration(row.id, Some(1), &spec, at(9)).await.unwrap();
    assert_eq!(
        (replaced.version, replaced.spec.name.as_str(), replaced.updated_at),
        (2, "Newer", at(9))
    );
    assert_eq!(replaced.created_at, row.created_at);
    let late = store.replace_integration(row.id, Some(1), &row.spec, at(10)).await;
    assert_eq!(late.unwrap_err(), ChangeError::VersionMismatch { current: 2 });
    let any = store
        .replace_integration(row.id, None, &row.spec, at(11))
        .await
        .unwrap();
    assert_eq!(any.version, 3);
    let nobody = store
        .replace_integration(IntegrationId::generate(), None, &spec, at(12))
        .await;
    assert_eq!(nobody.unwrap_err(), ChangeError::NotFound);
}

pub async fn deletion_removes_all_that_is_a_controller_s_and_nothing_else(world: World) {
    let store = &*world.store;
    let (shop, rival) = (
        world.controller("did:web:shop.example").await,
        world.controller("did:web:rival.example").await,
    );
    let mut kept = Vec::new();
    for controller in [&shop, &rival] {
        let integration = world.integration(controller.id, "mailer").await;
        let mut batch = Batch::of(controller.id).by(integration.id);
        let (one, two) = (batch.subject(&[1], 1), batch.subject(&[2], 2));
        batch.merge(two, one);
        let processed = batch.processed(one, 3);
        let failed = batch.event(Outcome::Failed { reasons: Vec::new() }, 4);
        batch.commit(store).await;
        kept.push((integration.id, one, processed, failed));
    }
    store.delete_controller(shop.id).await.unwrap();

    let there = [(&shop, false), (&rival, true)];
    for ((controller, there), (integration, subject, processed, failed)) in there.into_iter().zip(kept) {
        let id = controller.id;
        assert_eq!(store.controller(&controller.did).await.unwrap().is_some(), there);
        assert_eq!(store.integration(integration).await.unwrap().is_some(), there);
        assert_eq!(store.subject(&subject.did()).await.unwrap().is_some(), there);
        assert_eq!(store.event(processed).await.unwrap().is_some(), there);
        assert_eq!(store.payload(failed).await.unwrap().is_some(), there);
        assert_eq!(!store.links(id, &[hash(1)], 10).await.unwrap().is_empty(), there);
        assert_eq!(!store.chain(id, Sequence(0), 10).await.unwrap().is_empty(), there);
        assert_eq!(store.checkpoint(id).await.unwrap() > Sequence(0), there);
    }
    let all = Page { after: None, limit: 10 };
    assert_eq!(store.events(&EventFilter::default(), all).await.unwrap().len(), 2);
    let all = Page { after: None, limit: 10 };
    let activities = store.activities(&ActivityFilter::default(), all).await.unwrap();
    assert_eq!(activities.len(), 1);
    let counts = store.outcome_counts(None).await.unwrap();
    assert_eq!((counts.processed, counts.failed, counts.checkpoints.len()), (1, 1, 1));
}
