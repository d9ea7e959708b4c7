//! The private key that receipts are signed with: from a file that is named, or generated into the data directory.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conduit_actors::receipt::{KeyId, SignedTree, Tree, to_sign};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::config::text_file::without_mark;
use crate::secrets::{SecretError, write_secret};

const LABEL: &str = "PRIVATE KEY";

/// Signs receipts. Shows nothing of itself.
pub struct ReceiptKey {
    pair: Ed25519KeyPair,
    public_key: [u8; 32],
    id: KeyId,
}

impl std::fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReceiptKey").field(&self.id).finish()
    }
}

impl ReceiptKey {
    /// Reads PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it. Errors do not quote the text.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn from_pem(pem: &[u8]) -> Result<Self, &'static str> {
        const WRONG: &str = "must hold an Ed25519 private key in PEM, without a password: make one by \
                             `openssl genpkey -algorithm ed25519`";
        let der = PrivatePkcs8KeyDer::from_pem_slice(without_mark(pem)).map_err(|_| WRONG)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| WRONG)?;
        let public_key: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| WRONG)?;
        let id = KeyId::of(&public_key);
        Ok(Self { pair, public_key, id })
    }

    /// Returns the public key, which verifies the signatures.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// Signs a tree.
    #[must_use]
    pub fn sign(&self, tree: Tree) -> SignedTree {
        let mut signature = [0; 64];
        let signed = self.pair.sign(&to_sign(self.id, tree.size(), &tree.root()));
        signature.copy_from_slice(signed.as_ref());
        SignedTree {
            tree,
            key: self.id,
            signature,
        }
    }
}

/// Returns the key from the named file, or from the data directory. Generates it there the first time.
///
/// # Errors
/// [`SecretError`].
pub fn receipt_key(file: &Path, data_dir: &Path) -> Result<ReceiptKey, SecretError> {
    let named = !file.as_os_str().is_empty();
    let path = if named {
        file.to_owned()
    } else {
        data_dir.join("receipt.key")
    };
    let pem = match fs::read(&path) {
        Ok(pem) => Zeroizing::new(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => {
            let pem = generate().ok_or_else(|| SecretError::new(&path, "no key can be generated"))?;
            write_secret(&path, pem.trim_end())?;
            tracing::info!(path = %path.display(), "generated a key to sign receipts with");
            Zeroizing::new(pem.as_bytes().to_vec())
        }
        Err(error) => return Err(SecretError::new(&path, error)),
    };
    ReceiptKey::from_pem(&pem).map_err(|what| SecretError::new(&path, what))
}

fn generate() -> Option<Zeroizing<String>> {
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).ok()?;
    let base64 = Zeroizing::new(BASE64.encode(der.as_ref()));
    let mut pem = Zeroizing::new(format!("-----BEGIN {LABEL}-----\n"));
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).ok()?);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Some(pem)
}
