use std::sync::Arc;

use super::*;
use crate::links::{LinkKey, MasterKey};
use crate::mapping::{DedupDefaults, Mapping};
use crate::ports::{Controller, Credential};
use crate::taxonomy::Taxonomy;

fn hash(byte: u8) -> CredentialHash {
    CredentialHash::from_bytes([byte; 32])
}

fn integration() -> Arc<Integration> {
    let spec = serde_json::from_str(r#"{"name": "Shop", "events": [{"name": "a"}]}"#).unwrap();
    let defaults = DedupDefaults { window_seconds: 60 };
    let credential = |byte| Credential {
        current: hash(byte),
        previous: None,
    };
    let id = ControllerId::generate();
    Arc::new(Integration {
        id: IntegrationId::generate(),
        controller: Arc::new(Controller {
            id,
            did: "did:web:shop.example".parse().unwrap(),
            webhook_secret: credential(1),
            link_key: LinkKey::derive(&MasterKey::new([1; 32]), id, 1),
            gate: None,
        }),
        processor: "shop".parse().unwrap(),
        api_key: credential(2),
        version: 1,
        mapping: Arc::new(Mapping::compile(&spec, &Arc::new(Taxonomy::bundled()), defaults).unwrap()),
    })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn client(last: u8) -> Personal<IpAddr> {
    Personal::new(IpAddr::from([192, 0, 2, last]))
}

/// Returns for each credential the last use and the number of addresses.
fn seen(uses: &[CredentialUse]) -> Vec<(u8, i64, u64)> {
    let mut seen: Vec<_> = uses
        .iter()
        .map(|found| {
            let at = found.last_used_at.as_millis() / 1000;
            (found.hash.as_bytes()[0], at, found.addresses.count())
        })
        .collect();
    seen.sort_unstable();
    seen
}

#[test]
fn what_threads_note_is_taken_together_and_once() {
    let (books, shop) = (UsageBooks::default(), integration());
    let (one, other) = (books.book(), books.book());
    one.note(&shop, &hash(2), &hash(1), &client(1), at(5));
    other.note(&shop, &hash(3), &hash(1), &client(1), at(9));
    other.note(&shop, &hash(3), &hash(1), &client(2), at(7));
    let taken = books.take();
    assert_eq!(seen(&taken), [(1, 9, 2), (2, 5, 1), (3, 9, 2)]);
    assert!(books.take().is_empty());

    books.give_back(taken);
    one.note(&shop, &hash(2), &hash(1), &client(3), at(4));
    assert_eq!(seen(&books.take()), [(1, 9, 3), (2, 5, 2), (3, 9, 2)]);
}

#[test]
fn an_address_is_another_one_at_another_controller() {
    let (shop, rival) = (integration(), integration());
    let hash = |integration: &Integration, last| address_hash(&integration.controller.link_key, *client(last).expose());
    assert_eq!(hash(&shop, 1), hash(&shop, 1));
    assert_ne!(hash(&shop, 1), hash(&shop, 2));
    assert_ne!(hash(&shop, 1), hash(&rival, 1));
}

#[test]
fn a_book_keeps_few_senders_and_counts_all() {
    let (books, shop) = (UsageBooks::default(), integration());
    let book = books.book();
    for _ in 0..2 {
        for number in 0..u16::try_from(3 * KEPT).unwrap() {
            let [a, b] = number.to_be_bytes();
            let client = Personal::new(IpAddr::from([10, 0, a, b]));
            book.note(&shop, &hash(2), &hash(1), &client, at(i64::from(number)));
            assert!(lock(&book.0).senders.len() <= KEPT);
        }
    }
    let taken = books.take();
    assert_eq!(taken.len(), 2);
    for (_, last, count) in seen(&taken) {
        assert_eq!(last, 767);
        assert!((600..950).contains(&count), "{count}");
    }
}
