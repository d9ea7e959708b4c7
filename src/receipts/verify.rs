//! Verifies a receipt, with nothing but public keys.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use conduit_actors::receipt::{Hash, KeyId, Stated, Statement, root_by, to_sign};

use super::{KeySet, PREFIX, kid};

/// Why a text is no genuine receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// Not a receipt, or one of a form that is not known here.
    #[error("this is no receipt of the form cr2: {0}")]
    Malformed(&'static str),
    /// None of the keys is the one that it names.
    #[error("it is signed by the key {0}, which is not among the keys: fetch them from the server that made it")]
    UnknownKey(String),
    /// The signature is not that of the key for this statement.
    #[error("the signature does not match the statement: it was changed, or never made by this key")]
    Forged,
}

/// Returns the statement of a receipt, and the key that signed it.
///
/// # Errors
/// [`NotGenuine`].
pub fn verify(receipt: &str, keys: &KeySet) -> Result<(Stated, KeyId), NotGenuine> {
    use NotGenuine::{Forged, Malformed, UnknownKey};
    let mut parts = receipt.trim().split('.');
    if parts.next() != Some(PREFIX) {
        return Err(Malformed("it does not begin with cr2."));
    }
    let mut part = || {
        let text = parts.next().ok_or(Malformed("a part is missing"))?;
        BASE64URL.decode(text).map_err(|_| Malformed("a part is not base64url"))
    };
    let (statement, place, signature) = (Statement::from_bytes(part()?), part()?, part()?);
    if parts.next().is_some() {
        return Err(Malformed("there is a part too many"));
    }
    let stated = statement.read().ok_or(Malformed("its statement cannot be read"))?;
    let (index, size, proof) = read_place(&place).ok_or(Malformed("its proof cannot be read"))?;
    let Some((id, signature)) = signature.split_first_chunk::<8>().filter(|(_, rest)| rest.len() == 64) else {
        return Err(Malformed("its signature cannot be read"));
    };
    let id = KeyId(*id);
    let key = keys.keys.iter().find_map(|key| {
        let public: [u8; 32] = BASE64URL.decode(&key.x).ok()?.try_into().ok()?;
        // The id follows from the key, so a claimed id counts for nothing.
        (key.crv == "Ed25519" && KeyId::of(&public) == id).then_some(public)
    });
    let key = key.ok_or_else(|| UnknownKey(kid(id)))?;
    let root = root_by(statement.leaf(), index, size, &proof).ok_or(Forged)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&to_sign(id, size, &root), signature)
        .map_err(|_| Forged)?;
    Ok((stated, id))
}

fn read_place(bytes: &[u8]) -> Option<(u32, u32, Vec<Hash>)> {
    let (index, rest) = bytes.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (proof, rest) = rest.as_chunks::<32>();
    rest.is_empty()
        .then(|| (u32::from_be_bytes(*index), u32::from_be_bytes(*size), proof.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conduit_actors::ids::EventId;
    use conduit_actors::receipt::{Attested, Draft, Tree};

    use super::super::{Jwk, ReceiptKey, text};
    use super::*;
    use crate::store::ReceiptKeyRow;

    /// RFC 8410, 10.3.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----\n";

    fn keys(key: &ReceiptKey) -> KeySet {
        let row = ReceiptKeyRow {
            public_key: *key.public_key(),
            first_seen_at: conduit_actors::ids::Timestamp::from_millis(0),
        };
        KeySet {
            keys: vec![Jwk::from(&row)],
        }
    }

    fn receipts(key: &ReceiptKey, count: usize) -> Vec<String> {
        let (did, processor) = ("did:web:shop.example".parse().unwrap(), "web".parse().unwrap());
        let draft = Draft::new(&did, &processor, 1, b"{}");
        let statements: Vec<_> = (0..count).map(|_| draft.clone().about(EventId::generate())).collect();
        let tree = Tree::over(statements.iter().map(Statement::leaf).collect()).unwrap();
        let signed = Arc::new(key.sign(tree));
        let attested = |(index, statement): (u32, &Statement)| Attested {
            statement: statement.clone(),
            index,
            signed: Arc::clone(&signed),
        };
        (0..).zip(&statements).map(attested).map(|one| text(&one)).collect()
    }

    #[test]
    fn every_receipt_of_a_batch_verifies_and_no_changed_character_does() {
        let key = ReceiptKey::from_pem(PEM.as_bytes()).unwrap();
        let keys = keys(&key);
        for count in [1, 2, 5, 64] {
            for receipt in receipts(&key, count) {
                verify(&receipt, &keys).unwrap();
            }
        }
        let receipt = receipts(&key, 3).remove(1);
        for at in 0..receipt.len() {
            let mut changed = receipt.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&changed, &keys).is_err(), "{at}");
            assert!(verify(&receipt[..at], &keys).is_err(), "{at}");
        }
        assert!(matches!(
            verify(&receipt, &KeySet::default()),
            Err(NotGenuine::UnknownKey(_))
        ));
    }

    #[test]
    fn a_part_of_another_receipt_does_not_fit() {
        let key = ReceiptKey::from_pem(PEM.as_bytes()).unwrap();
        let keys = keys(&key);
        let (one, other) = (receipts(&key, 4), receipts(&key, 4));
        let parts = |receipt: &str| receipt.split('.').map(str::to_owned).collect::<Vec<_>>();
        for part in 1..=3 {
            for from in [&one[1], &other[0]] {
                let mut mixed = parts(&one[0]);
                mixed[part].clone_from(&parts(from)[part]);
                // Receipts of one batch have the same signature.
                let same = mixed == parts(&one[0]);
                assert_eq!(verify(&mixed.join("."), &keys).is_ok(), same, "{part}");
            }
        }
    }
}
