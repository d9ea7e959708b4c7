//! Keys at rest: each controller's random data key, wrapped under the master key.
//!
//! A data key encrypts what Conduit keeps of a controller's payloads (the journal, and the payloads of
//! rejected and failed events). It is stored with the controller's row, wrapped; deleting the row makes
//! everything that it encrypted unreadable.
//!
//! No nonce is ever used twice under one key: a data key itself encrypts nothing. Each *epoch* (one
//! run of the program, named by 16 random bytes) derives a key of its own from it, and counts its nonces.
//! AEAD is AES-256-GCM (NIST SP 800-38D).

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use conduit_actors::hex::Hex;
use conduit_actors::ids::ControllerId;
use conduit_actors::links::{MasterKey, SealKey};
use conduit_actors::ports::ChainHead;
use dashmap::DashMap;
use rand::Rng as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Why a key or a ciphertext cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The controller is not known here: deleted, or never made.
    #[error("no data key for this controller")]
    Unknown,
    /// The ciphertext, its context or the key differs from the sealed one.
    #[error("decryption failed: wrong master key, or damaged data")]
    Refused,
}

/// A seal under the master key: HMAC-SHA3-256 over the sealed value.
pub type Seal = [u8; 32];

/// Names one run of the program, see the module's docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub [u8; 16]);

impl Epoch {
    /// Generates a new, random epoch.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// All controllers' data keys, unwrapped, in memory only.
pub struct Keyring {
    master: MasterKey,
    seals: SealKey,
    data_keys: DashMap<ControllerId, MasterKey>,
}

const WRAP_NONCE_BYTES: usize = 12;

impl Keyring {
    /// Returns an empty keyring under this master key.
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        Self {
            seals: SealKey::derive(&master),
            master,
            data_keys: DashMap::new(),
        }
    }

    /// Returns the master key, to derive link keys from.
    #[must_use]
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Tells this master key from another one, and nothing else of it.
    #[must_use]
    pub fn key_check(&self) -> [u8; 32] {
        let nobody = ControllerId::from_uuid(uuid::Uuid::nil());
        self.master.derive("key-check", nobody, 1)
    }

    /// Returns the seal of the anchor of a controller's audit chain. The database alone is not enough to forge it.
    #[must_use]
    pub fn vouch(&self, controller: ControllerId, anchor: ChainHead) -> [u8; 32] {
        let label = format!("audit-anchor/{}/{}", anchor.sequence, anchor.hash);
        self.master.derive(&label, controller, 1)
    }

    /// Seals the end of a controller's audit chain.
    #[must_use]
    pub fn seal_end(&self, controller: ControllerId, head: ChainHead) -> Seal {
        let (sequence, hash) = (head.sequence.0.to_be_bytes(), head.hash.0);
        self.seals
            .seal(&[b"audit-end", controller.as_bytes(), &sequence, &hash])
    }

    /// Returns whether a seal is genuine for this end.
    #[must_use]
    pub fn is_end_sealed(&self, controller: ControllerId, head: ChainHead, seal: &[u8]) -> bool {
        self.seal_end(controller, head)[..].ct_eq(seal).into()
    }

    /// Seals the pair of a controller and its DID.
    #[must_use]
    pub fn seal_name(&self, controller: ControllerId, did: &str) -> Seal {
        self.seals.seal(&[b"did", controller.as_bytes(), did.as_bytes()])
    }

    /// Returns whether a seal is genuine for this id and DID.
    #[must_use]
    pub fn is_name_sealed(&self, controller: ControllerId, did: &str, seal: &[u8]) -> bool {
        self.seal_name(controller, did)[..].ct_eq(seal).into()
    }

    /// Seals the deletion of a controller by Conduit.
    #[must_use]
    pub fn seal_deletion(&self, controller: ControllerId) -> Seal {
        self.seals.seal(&[b"deleted", controller.as_bytes()])
    }

    /// Returns whether a seal is genuine for this deletion.
    #[must_use]
    pub fn is_deletion_sealed(&self, controller: ControllerId, seal: &[u8]) -> bool {
        self.seal_deletion(controller)[..].ct_eq(seal).into()
    }

    /// Seals the statement that all audit chains are sealed.
    #[must_use]
    pub fn seal_all_sealed(&self) -> Seal {
        self.seals.seal(&[b"all-sealed"])
    }

    /// Returns whether a seal is genuine for the statement that all audit chains are sealed.
    #[must_use]
    pub fn is_all_sealed(&self, seal: &[u8]) -> bool {
        self.seal_all_sealed()[..].ct_eq(seal).into()
    }

    /// Makes a data key for a new controller, keeps it, and answers it wrapped, for the store.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cipher fails.
    pub fn create(&self, controller: ControllerId) -> Result<Vec<u8>, KeyError> {
        let mut key = Zeroizing::new([0u8; 32]);
        rand::rng().fill_bytes(key.as_mut());
        let mut nonce = [0; WRAP_NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);

        let mut sealed = key.to_vec();
        self.wrapping_key(controller)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(controller.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| KeyError::Refused)?;
        self.data_keys.insert(controller, MasterKey::new(*key));
        Ok([&nonce[..], &sealed].concat())
    }

    /// Unwraps a stored data key and keeps it.
    ///
    /// # Errors
    /// [`KeyError::Refused`] under another master key than it was wrapped with.
    pub fn load(&self, controller: ControllerId, wrapped: &[u8]) -> Result<(), KeyError> {
        let (nonce, sealed) = wrapped
            .split_first_chunk::<WRAP_NONCE_BYTES>()
            .ok_or(KeyError::Refused)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = self
            .wrapping_key(controller)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(controller.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| KeyError::Refused)?;
        let key: [u8; 32] = (&*key).try_into().map_err(|_| KeyError::Refused)?;
        self.data_keys.insert(controller, MasterKey::new(key));
        Ok(())
    }

    /// Forgets a deleted controller's data key.
    pub fn forget(&self, controller: ControllerId) {
        self.data_keys.remove(&controller);
    }

    /// Returns the key that `purpose` uses in one epoch.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] for a controller that is not (or no longer) here.
    pub fn epoch_key(&self, controller: ControllerId, purpose: &str, epoch: Epoch) -> Result<EpochKey, KeyError> {
        let data_key = self.data_keys.get(&controller).ok_or(KeyError::Unknown)?;
        let label = format!("{purpose}/{}", Hex(&epoch.0));
        let key = Zeroizing::new(data_key.derive(&label, controller, 1));
        Ok(EpochKey {
            aead: Arc::new(aead(&key)?),
        })
    }

    fn wrapping_key(&self, controller: ControllerId) -> Result<LessSafeKey, KeyError> {
        aead(&Zeroizing::new(self.master.derive("wrap-data-key", controller, 1)))
    }
}

fn aead(key: &[u8; 32]) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| KeyError::Refused)
}

/// Seals and opens under one controller's key for one epoch.
#[derive(Clone)]
pub struct EpochKey {
    aead: Arc<LessSafeKey>,
}

impl EpochKey {
    /// The bytes that sealing adds.
    pub const TAG_BYTES: usize = 16;

    /// Seals `buffer` in place and appends the tag. `counter` must be new within the epoch; `context` is
    /// authenticated with it, not stored.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cipher fails.
    pub fn seal(&self, counter: u64, context: &[u8], buffer: &mut Vec<u8>) -> Result<(), KeyError> {
        self.aead
            .seal_in_place_append_tag(nonce(counter), Aad::from(context), buffer)
            .map_err(|_| KeyError::Refused)
    }

    /// Opens `buffer` in place and cuts off the tag.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if anything is not as it was sealed.
    pub fn open(&self, counter: u64, context: &[u8], buffer: &mut Vec<u8>) -> Result<(), KeyError> {
        let length = self
            .aead
            .open_in_place(nonce(counter), Aad::from(context), buffer)
            .map_err(|_| KeyError::Refused)?
            .len();
        buffer.truncate(length);
        Ok(())
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_under_the_same_key_epoch_counter_and_context_only() {
        let controller = ControllerId::generate();
        let keyring = Keyring::new(MasterKey::new([1; 32]));
        let wrapped = keyring.create(controller).unwrap();
        let epoch = Epoch::generate();
        let mut sealed = b"a@b.example".to_vec();
        keyring
            .epoch_key(controller, "test", epoch)
            .unwrap()
            .seal(1, b"context", &mut sealed)
            .unwrap();

        let again = Keyring::new(MasterKey::new([1; 32]));
        again.load(controller, &wrapped).unwrap();
        let open = |purpose: &str, epoch, counter, context: &[u8]| {
            let mut buffer = sealed.clone();
            again
                .epoch_key(controller, purpose, epoch)
                .unwrap()
                .open(counter, context, &mut buffer)
                .map(|()| buffer)
        };
        assert_eq!(open("test", epoch, 1, b"context").unwrap(), b"a@b.example");
        assert!(open("other", epoch, 1, b"context").is_err());
        assert!(open("test", Epoch::generate(), 1, b"context").is_err());
        assert!(open("test", epoch, 2, b"context").is_err());
        assert!(open("test", epoch, 1, b"other").is_err());
        assert!(
            Keyring::new(MasterKey::new([2; 32]))
                .load(controller, &wrapped)
                .is_err()
        );

        again.forget(controller);
        assert_eq!(
            again.epoch_key(controller, "test", epoch).err(),
            Some(KeyError::Unknown)
        );
    }
}
