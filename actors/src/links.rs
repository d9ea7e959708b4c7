//! Keyed hashes: links and dedup keys.
//!
//! A *link* is HMAC-SHA3-256 over (category, normalised value) under a key that is derived for one controller and one
//! key version from the master key. A stolen database without the master key cannot be searched by trying values. The
//! same value at two controllers gives unrelated links.
//!
//! A *dedup key* is HMAC-SHA3-256 over (event type, processor, parts), cut to 16 bytes, under a separate key per
//! controller.
//!
//! A *mapped digest* is SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012) over all mapped fields of an event,
//! under a third key per controller. It shows whether a repeat differs from its first event. It identifies nobody and
//! is not used for look-ups, so a keyed hash at a tenth of the cost is enough.
//!
//! Every part is prefixed by its length (8 bytes, big-endian), so that `ab|c` and `a|bc` differ. Keys are derived as one block of
//! a counter-less KDF with HMAC-SHA3-256 as its PRF (after NIST SP 800-108). The output has the length of one block. The label
//! and the context are length-prefixed.

use std::fmt;
use std::hash::Hasher as _;

use sha3::{Digest, Sha3_256};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::event::{DedupKey, LinkHash, MappedDigest};
use crate::ids::ControllerId;

/// The block that SHA3-256 absorbs at a time (FIPS 202, table 3). HMAC pads its key to this length.
const BLOCK_BYTES: usize = 136;

/// HMAC-SHA3-256 (RFC 2104) over length-prefixed parts, with its key absorbed already. A hash of a short value then
/// costs two rounds of Keccak instead of four.
#[derive(Clone)]
struct KeyedParts {
    inner: Sha3_256,
    outer: Sha3_256,
}

impl KeyedParts {
    fn new(key: &[u8; 32]) -> Self {
        let keyed = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK_BYTES]);
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            Sha3_256::new_with_prefix(*block)
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    fn part(&mut self, bytes: &[u8]) {
        self.inner.update((bytes.len() as u64).to_be_bytes());
        self.inner.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.outer.chain_update(self.inner.finalize()).finalize().into()
    }
}

/// The root of all keys: 32 bytes that are never in the database.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Takes the 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives the 32-byte key that `label` names for one controller and key version.
    #[must_use]
    pub fn derive(&self, label: &str, controller: ControllerId, version: u32) -> [u8; 32] {
        let mut prf = KeyedParts::new(&self.0);
        prf.part(b"conduit/kdf/v1");
        prf.part(label.as_bytes());
        prf.part(controller.as_bytes());
        prf.part(&version.to_be_bytes());
        prf.finish()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The key that seals what the database must not change by itself.
#[derive(Clone)]
pub struct SealKey(KeyedParts);

impl SealKey {
    /// Derives the key, which is the same for all controllers: the parts name them.
    #[must_use]
    pub fn derive(master: &MasterKey) -> Self {
        let mut prf = KeyedParts::new(&master.0);
        prf.part(b"conduit/kdf/v1");
        prf.part(b"seal");
        Self(KeyedParts::new(&prf.finish()))
    }

    /// Seals parts, each with its length before it. The first says what kind of thing they are.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut prf = self.0.clone();
        parts.iter().for_each(|part| prf.part(part));
        prf.finish()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// One controller's keys for links and dedup keys, at one key version.
#[derive(Clone)]
pub struct LinkKey {
    version: u32,
    links: KeyedParts,
    dedup: KeyedParts,
    mapped: SipHasher24,
}

impl LinkKey {
    /// Derives them.
    #[must_use]
    pub fn derive(master: &MasterKey, controller: ControllerId, version: u32) -> Self {
        let mapped = Zeroizing::new(master.derive("mapped", controller, version));
        let mut half = Zeroizing::new([0; 16]);
        half.copy_from_slice(&mapped[..16]);
        Self {
            version,
            links: KeyedParts::new(&master.derive("link", controller, version)),
            dedup: KeyedParts::new(&master.derive("dedup", controller, version)),
            mapped: SipHasher24::new_with_key(&half),
        }
    }

    /// Returns the key's version, stored with each link.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Returns the link of a normalised value.
    #[must_use]
    pub fn link(&self, category: &str, normalised: &str) -> LinkHash {
        let mut prf = self.links.clone();
        prf.part(category.as_bytes());
        prf.part(normalised.as_bytes());
        LinkHash(prf.finish())
    }

    /// Starts a dedup key for events of one type and processor.
    #[must_use]
    pub fn dedup(&self, event_type: &str, processor: &str) -> DedupKeyBuilder {
        let mut prf = self.dedup.clone();
        prf.part(event_type.as_bytes());
        prf.part(processor.as_bytes());
        DedupKeyBuilder(prf)
    }

    /// Starts a mapped digest.
    #[must_use]
    pub fn mapped(&self) -> MappedDigestBuilder {
        MappedDigestBuilder(self.mapped)
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkKey")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A digest over parts, each prefixed by its length.
pub trait Parts {
    /// Adds one part.
    fn part(&mut self, bytes: &[u8]);
}

/// Collects the parts of a dedup key, in an order that the caller makes canonical.
pub struct DedupKeyBuilder(KeyedParts);

impl Parts for DedupKeyBuilder {
    fn part(&mut self, bytes: &[u8]) {
        self.0.part(bytes);
    }
}

impl DedupKeyBuilder {
    /// Returns the key.
    #[must_use]
    pub fn finish(self) -> DedupKey {
        let digest = self.0.finish();
        let mut cut = [0; 16];
        cut.copy_from_slice(&digest[..16]);
        DedupKey(cut)
    }
}

/// Collects the parts of a mapped digest, in an order that the caller makes canonical.
pub struct MappedDigestBuilder(SipHasher24);

impl Parts for MappedDigestBuilder {
    fn part(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_be_bytes());
        self.0.write(bytes);
    }
}

impl MappedDigestBuilder {
    /// Returns the digest.
    #[must_use]
    pub fn finish(self) -> MappedDigest {
        MappedDigest(self.0.finish128().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(controller: ControllerId, version: u32) -> LinkKey {
        LinkKey::derive(&MasterKey::new([7; 32]), controller, version)
    }

    #[test]
    fn the_keyed_hash_is_hmac_sha3_256() {
        use hmac::{KeyInit as _, Mac as _, SimpleHmac};
        for length in [0, 1, 100, 135, 136, 137, 1000] {
            let (key, value) = ([length as u8; 32], vec![7; length]);
            let mut ours = KeyedParts::new(&key);
            ours.part(&value);
            let mut theirs = SimpleHmac::<Sha3_256>::new_from_slice(&key).unwrap();
            theirs.update(&(length as u64).to_be_bytes());
            theirs.update(&value);
            assert_eq!(
                ours.finish(),
                <[u8; 32]>::from(theirs.finalize().into_bytes()),
                "{length}"
            );
        }
    }

    #[test]
    fn links_differ_by_controller_version_category_and_value() {
        let (a, b) = (ControllerId::generate(), ControllerId::generate());
        let base = key(a, 1).link("user.contact.email", "a@b.example");
        assert_eq!(base, key(a, 1).link("user.contact.email", "a@b.example"));
        assert_ne!(base, key(b, 1).link("user.contact.email", "a@b.example"));
        assert_ne!(base, key(a, 2).link("user.contact.email", "a@b.example"));
        assert_ne!(base, key(a, 1).link("user.unique_id", "a@b.example"));
        assert_ne!(base, key(a, 1).link("user.contact.email", "a@b.exampl"));
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let key = key(ControllerId::generate(), 1);
        assert_ne!(key.link("ab", "c"), key.link("a", "bc"));
        let dedup = |parts: &[&[u8]]| {
            let mut builder = key.dedup("type", "processor");
            parts.iter().for_each(|part| builder.part(part));
            builder.finish()
        };
        assert_ne!(dedup(&[b"ab", b"c"]), dedup(&[b"a", b"bc"]));
        assert_ne!(dedup(&[b"ab"]), dedup(&[b"ab", b""]));
    }
}
