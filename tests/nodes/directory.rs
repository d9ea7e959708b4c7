//! One node's directory, while another node changes the database.

use std::sync::Arc;

use conduit::directory::LiveDirectory;
use conduit::keys::Keyring;
use conduit::store::{ChangeError, Changed, ControllerRow, IntegrationRow, Store};
use conduit_actors::links::MasterKey;
use conduit_actors::mapping::DedupDefaults;
use conduit_actors::ports::Directory as _;
use conduit_actors::taxonomy::Taxonomy;

use crate::store::world::{World, credential, integration_row, on_postgres};

fn directory(keyring: &Arc<Keyring>) -> LiveDirectory {
    let defaults = DedupDefaults { window_seconds: 60 };
    LiveDirectory::new(Arc::clone(keyring), Arc::new(Taxonomy::bundled()), defaults, None)
}

async fn catch_up(directory: &LiveDirectory, store: &dyn Store) {
    let feed = store.change_feed().expect("several nodes may be here");
    directory.catch_up(store, feed).await.unwrap();
}

fn is_open(directory: &LiveDirectory, controller: &ControllerRow) -> bool {
    directory.by_url(&controller.did, &"mailer".parse().unwrap()).is_some()
}

async fn with_an_integration(world: &World, did: &str) -> ControllerRow {
    let controller = world.controller(did).await;
    let row = integration(&controller, "mailer");
    world.store.create_integration(&row).await.unwrap();
    controller
}

fn integration(controller: &ControllerRow, processor: &str) -> IntegrationRow {
    let mut row = integration_row(controller.id, processor);
    row.spec.events[0].name = "contact".to_owned();
    row
}

#[test]
fn a_controller_made_anew_under_its_did_takes_nothing_over() {
    on_postgres(async |world| {
        let old = with_an_integration(&world, "did:web:shop.example").await;
        let node = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let directory = directory(&node);
        directory.load(&*world.store).await.unwrap();
        assert!(is_open(&directory, &old));
        // Both before the next look.
        world.store.delete_controller(old.id).await.unwrap();
        let new = world.controller("did:web:shop.example").await;
        catch_up(&directory, &*world.store).await;
        assert_eq!(directory.take_gone(), [old.id]);
        assert_eq!(directory.controller_by_did(&new.did).unwrap().id, new.id);
        assert!(directory.controller(old.id).is_none() && !is_open(&directory, &new));
        let epoch = conduit::keys::Epoch([0; 16]);
        assert!(node.epoch_key(old.id, "journal", epoch).is_err());
        assert!(node.epoch_key(new.id, "journal", epoch).is_ok());
    });
}

#[test]
fn a_controller_that_cannot_be_used_is_closed_and_the_others_go_on() {
    on_postgres(async |world| {
        let bad = with_an_integration(&world, "did:web:bad.example").await;
        let good = with_an_integration(&world, "did:web:good.example").await;
        let directory = directory(&world.keyring);
        directory.load(&*world.store).await.unwrap();
        assert!(is_open(&directory, &bad) && is_open(&directory, &good));

        // A category that this node's taxonomy does not have.
        let mut foreign = integration(&bad, "crm");
        let pii = &mut foreign.spec.events[0].fields[0].pii;
        *pii = Some("user.of_another_taxonomy".to_owned());
        world.store.create_integration(&foreign).await.unwrap();
        let before = good.webhook_secret.current;
        let new = credential(9);
        world.store.set_webhook_secret(good.id, before, &new).await.unwrap();
        catch_up(&directory, &*world.store).await;
        assert!(!is_open(&directory, &bad) && is_open(&directory, &good));
        let current = directory.controller(good.id).unwrap().webhook_secret.current;
        assert_eq!(current.as_bytes(), &[9; 32]);
        // Events in flight still find their controller.
        assert!(directory.controller(bad.id).is_some());

        world.store.delete_integration(foreign.id, None).await.unwrap();
        catch_up(&directory, &*world.store).await;
        assert!(is_open(&directory, &bad));
    });
}

#[test]
fn a_change_that_was_not_made_is_not_counted() {
    on_postgres(async |world| {
        let feed = world.store.change_feed().unwrap();
        let shop = world.controller("did:web:shop.example").await;
        let integration = world.integration(shop.id, "mailer").await;
        let before = feed.version().await.unwrap();
        let taken = integration_row(shop.id, "mailer");
        world.store.create_integration(&taken).await.unwrap_err();
        let key = integration.api_key.current;
        let new = credential(1);
        world.store.set_api_key(taken.id, key, &new).await.unwrap_err();
        let late = world
            .store
            .replace_integration(integration.id, Some(7), &taken.spec, shop.created_at);
        late.await.unwrap_err();
        assert_eq!(feed.version().await.unwrap(), before);

        world.store.set_api_key(integration.id, key, &new).await.unwrap();
        let late = world.store.set_api_key(integration.id, key, &new).await;
        assert_eq!(late, Err(ChangeError::Rotated));
        let secret = shop.webhook_secret.current;
        world.store.set_webhook_secret(shop.id, secret, &new).await.unwrap();
        let changes = feed.changes(before).await.unwrap();
        assert_eq!(changes.version.0, before.0 + 2);
        assert_eq!(changes.changed, Changed::Controllers(vec![shop.did]));
    });
}
