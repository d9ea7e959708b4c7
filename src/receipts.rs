//! Signed receipts prove to a sender that its event was received.
//!
//! The 200 of the event endpoint carries a receipt, which is made once the event is durable. `conduit_actors::receipt`
//! has the statement, and the hash tree by which one Ed25519 signature attests a whole commit batch. As text, a receipt
//! is
//! ```text
//!  cr2.<statement>.<place 4 · leaves 4 · proof 32 each>.<key id 8 · signature 64>
//! ```
//!
//! with each part in base64url without padding (RFC 4648, 5), numbers big-endian.
//!
//! Each node has its own key unless all nodes are given the same. The database keeps all public keys for ever, and
//! every node serves all of them at [`KEYS_PATH`]. So a receipt of any node can be verified as long as the database
//! lives.

mod key;
mod notary;
mod verify;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use conduit_actors::receipt::{Attested, KeyId};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use key::{ReceiptKey, receipt_key};
pub use notary::{Notary, Pending};
pub use verify::{NotGenuine, verify};

pub use crate::config::Issue;

use crate::config::Config;
use crate::store::{ReceiptKeyRow, Store};

/// Where the public keys are served (RFC 8615).
pub const KEYS_PATH: &str = "/.well-known/conduit-receipt-keys.json";

/// The prefix of a receipt: its form, and the form's version.
pub const PREFIX: &str = "cr2";

/// For how long public keys are served as they were read last.
const CURRENT: Duration = Duration::from_secs(5);

/// Notes a fault of the file with the private key.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    let receipts = &config.receipts;
    if !receipts.enabled || receipts.key_file.as_os_str().is_empty() {
        return;
    }
    let name = receipts.key_file.display();
    match std::fs::read(&receipts.key_file) {
        Ok(pem) => {
            if let Err(what) = ReceiptKey::from_pem(&pem) {
                wrong.push(format!("receipts.key_file: {name} {what}"));
            }
        }
        Err(error) => wrong.push(format!("receipts.key_file: cannot read {name}: {error}")),
    }
}

/// Returns a receipt as text.
#[must_use]
pub fn text(attested: &Attested) -> String {
    let signed = &attested.signed;
    let statement = attested.statement.as_bytes();
    let mut proof = Vec::with_capacity(8 + 32 * 14);
    proof.extend_from_slice(&attested.index.to_be_bytes());
    proof.extend_from_slice(&signed.tree.size().to_be_bytes());
    signed
        .tree
        .proof(attested.index)
        .for_each(|hash| proof.extend_from_slice(hash));
    let mut signature = [0; 72];
    signature[..8].copy_from_slice(&signed.key.0);
    signature[8..].copy_from_slice(&signed.signature);
    let mut text = String::with_capacity(16 + (statement.len() + proof.len() + signature.len()) * 4 / 3);
    text.push_str(PREFIX);
    for part in [statement, &proof, &signature] {
        text.push('.');
        BASE64URL.encode_string(part, &mut text);
    }
    text
}

/// Returns a key's id as text.
#[must_use]
pub fn kid(id: KeyId) -> String {
    BASE64URL.encode(id.0)
}

/// Public keys as they are served: a JWK set (RFC 7517) of Ed25519 keys (RFC 8037).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReceiptKeys")]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReceiptKey")]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The 32 bytes of the public key, in base64url.
    pub x: String,
    /// The key id that receipts name, in base64url.
    pub kid: String,
    /// `EdDSA`.
    #[serde(default)]
    pub alg: String,
    /// `sig`.
    #[serde(default, rename = "use")]
    pub usage: String,
}

impl From<&ReceiptKeyRow> for Jwk {
    fn from(row: &ReceiptKeyRow) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: BASE64URL.encode(row.public_key),
            kid: kid(KeyId::of(&row.public_key)),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
        }
    }
}

/// The public keys, as far as they are known here.
#[derive(Default)]
pub struct PublicKeys {
    known: Mutex<Option<(Instant, KeySet)>>,
}

impl PublicKeys {
    /// Returns all keys of the database. While the database is away, returns the keys of the last reading.
    ///
    /// # Errors
    /// The database's error, if the keys were never read.
    pub async fn read(&self, store: &dyn Store) -> Result<KeySet, conduit_actors::ports::StoreError> {
        let known = self.known.lock().clone();
        if let Some((read, keys)) = &known
            && read.elapsed() < CURRENT
        {
            return Ok(keys.clone());
        }
        let keys = match store.receipt_keys().await {
            Ok(rows) => KeySet {
                keys: rows.iter().map(Jwk::from).collect(),
            },
            Err(error) => known.map(|(_, keys)| keys).ok_or(error)?,
        };
        *self.known.lock() = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }
}
