//! The public keys of receipts.

use conduit::store::ReceiptKeyRow;

use super::world::{World, at};

pub async fn public_keys_of_receipts_are_kept_as_they_came_first(world: World) {
    let store = &*world.store;
    assert!(store.receipt_keys().await.unwrap().is_empty());
    let key = |byte: u8, time| ReceiptKeyRow {
        public_key: [byte; 32],
        first_seen_at: at(time),
    };
    for row in [key(1, 10), key(2, 20), key(1, 30)] {
        store.add_receipt_key(&row).await.unwrap();
    }
    let expected = [key(2, 20), key(1, 10)];
    assert_eq!(store.receipt_keys().await.unwrap(), expected);
    let node = world.node("node-2").await;
    assert_eq!(node.receipt_keys().await.unwrap(), expected);
    node.close().await;
}
