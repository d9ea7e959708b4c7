//! Receipts: the statement about an event, and the hash tree by which one signature attests a whole commit batch.
//! ```text
//!  statement:  version 2 · event id 16 · mapping version 8 · SHA-256 of the body 32
//!              · length of the DID 2 · DID · length of the processor id 2 · processor id       (big-endian)
//!  leaf:       SHA-256(0x00 · statement)
//!  node:       SHA-256(0x01 · left · right)
//!  signed:     "conduit-receipt-2" · 0x00 · key id 8 · leaves 4 · root 32
//! ```
//!
//! The tree and its hash are those of RFC 9162 (Certificate Transparency). The first byte distinguishes leaves from
//! nodes, and a tree of one leaf has no nodes. The receive time is the event id's (UUIDv7).
//!
//! Other parts of Conduit hash by SHA-3. Receipts use SHA-256 because processors have instructions for it: every event
//! hashes its body and about three places in a tree on the way to its 200. (Version 1 had SHA3-256.)
//!
//! The tree is our own code. It lives for one commit batch and gives each leaf one proof; crates for transparency logs have
//! trees that grow, with proofs of consistency.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::ids::{ControllerDid, EventId, ProcessorId};

/// A hash in the tree.
pub type Hash = [u8; 32];

const VERSION: u8 = 2;
const DIGEST_AT: usize = 1 + 16 + 8;
const DID_AT: usize = DIGEST_AT + 32;
/// A batch of the journal has fewer events than make a proof longer than this.
const MAX_PROOF: usize = 32;

/// The signing key of a receipt: the first bytes of the SHA-256 of the public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// Returns the id of a public key.
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        let digest: Hash = Sha256::digest(public_key).into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

/// Returns the SHA-256 of a body.
#[must_use]
pub fn body_digest(body: &[u8]) -> Hash {
    Sha256::digest(body).into()
}

/// A statement in the making: all but the event's id, which the journal gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft(Vec<u8>);

impl Draft {
    /// Creates the draft of a statement: this body was received for this integration, whose mapping has this version.
    #[must_use]
    pub fn new(did: &ControllerDid, processor: &ProcessorId, mapping_version: u64, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(DID_AT + 4 + did.as_str().len() + processor.as_str().len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&mapping_version.to_be_bytes());
        bytes.extend_from_slice(&body_digest(body));
        for text in [did.as_str(), processor.as_str()] {
            // Both have far fewer bytes than fit.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
        }
        Self(bytes)
    }

    /// Returns the statement about this event.
    #[must_use]
    pub fn about(mut self, event: EventId) -> Statement {
        self.0[1..17].copy_from_slice(event.as_bytes());
        Statement(self.0)
    }
}

/// A statement, as its bytes are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement(Vec<u8>);

/// The content of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The event, with its receive time.
    pub event: EventId,
    /// The version of the integration's mapping that was in force when it was received.
    pub mapping_version: u64,
    /// Of its body.
    pub body_digest: Hash,
    /// Whose event it is.
    pub did: ControllerDid,
    /// The processor that sent it.
    pub processor: ProcessorId,
}

impl Statement {
    /// Takes bytes for a statement; [`Statement::read`] tells whether they are one.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns its leaf in the tree.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update([0]);
        hash.update(&self.0);
        hash.finalize().into()
    }

    /// Returns its content. Returns `None` for malformed bytes, or an unknown version.
    #[must_use]
    pub fn read(&self) -> Option<Stated> {
        let bytes = self.0.as_slice();
        if bytes.first() != Some(&VERSION) {
            return None;
        }
        let event = EventId::from_uuid(Uuid::from_slice(bytes.get(1..17)?).ok()?);
        let mapping_version = u64::from_be_bytes(bytes.get(17..DIGEST_AT)?.try_into().ok()?);
        let body_digest = bytes.get(DIGEST_AT..DID_AT)?.try_into().ok()?;
        let (did, rest) = text(&bytes[DID_AT..])?;
        let (processor, rest) = text(rest)?;
        rest.is_empty().then_some(Stated {
            event,
            mapping_version,
            body_digest,
            did: did.parse().ok()?,
            processor: processor.parse().ok()?,
        })
    }
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The hash tree over the statements of a commit batch.
#[derive(Debug, Clone)]
pub struct Tree {
    /// From the leaves to the root. A last hash without a partner goes up as it is.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree. Returns `None` if there are no leaves.
    #[must_use]
    pub fn over(leaves: Vec<Hash>) -> Option<Self> {
        let mut levels = vec![leaves];
        loop {
            let below = levels.last().filter(|level| !level.is_empty())?;
            if below.len() == 1 {
                return Some(Self { levels });
            }
            let pair = |pair: &[Hash]| match pair {
                [left, right] => node(left, right),
                rest => rest[0],
            };
            let above = below.chunks(2).map(pair).collect();
            levels.push(above);
        }
    }

    /// Returns its root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// Returns the number of its leaves.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.levels[0].len()).unwrap_or(u32::MAX)
    }

    /// Returns the hashes that lead from a leaf to the root, from below.
    pub fn proof(&self, index: u32) -> impl Iterator<Item = &Hash> + '_ {
        let mut at = index as usize;
        self.levels.iter().filter_map(move |level| {
            let partner = level.get(at ^ 1);
            at /= 2;
            partner
        })
    }
}

/// Returns the root to which a proof leads from a leaf. Returns `None` if the proof does not fit the place and the size
/// (RFC 9162, 2.1.3.2).
#[must_use]
pub fn root_by(leaf: Hash, index: u32, size: u32, proof: &[Hash]) -> Option<Hash> {
    if index >= size || proof.len() > MAX_PROOF {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf);
    for partner in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(partner, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, partner);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Returns the bytes to sign for a tree.
#[must_use]
pub fn to_sign(key: KeyId, size: u32, root: &Hash) -> Vec<u8> {
    [&b"conduit-receipt-2\0"[..], &key.0, &size.to_be_bytes(), root].concat()
}

/// A tree with its signature.
#[derive(Debug, Clone)]
pub struct SignedTree {
    /// The tree.
    pub tree: Tree,
    /// The signing key.
    pub key: KeyId,
    /// Ed25519 (RFC 8032) over [`to_sign`].
    pub signature: [u8; 64],
}

/// A statement that is attested.
#[derive(Debug, Clone)]
pub struct Attested {
    /// The statement.
    pub statement: Statement,
    /// Its place among the leaves.
    pub index: u32,
    /// The tree that it is in.
    pub signed: Arc<SignedTree>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|n| Statement(vec![n]).leaf()).collect()
    }

    #[test]
    fn every_leaf_of_every_size_leads_to_the_root_and_nothing_else_does() {
        assert!(Tree::over(Vec::new()).is_none());
        for size in 1..=40 {
            let leaves = leaves(size);
            let tree = Tree::over(leaves.clone()).unwrap();
            let size = u32::from(size);
            assert_eq!(tree.size(), size);
            for (index, leaf) in (0..).zip(&leaves) {
                let proof: Vec<Hash> = tree.proof(index).copied().collect();
                assert_eq!(root_by(*leaf, index, size, &proof), Some(tree.root()));
                let root = Some(tree.root());
                assert_ne!(root_by([9; 32], index, size, &proof), root);
                assert_eq!(root_by(*leaf, size, size, &proof), None);
                if size > 1 {
                    assert_ne!(root_by(*leaf, (index + 1) % size, size, &proof), root);
                    assert_ne!(root_by(*leaf, index, size, &proof[1..]), root);
                }
                assert_ne!(root_by(*leaf, index, size, &[&proof[..], &[[0; 32]]].concat()), root);
            }
        }
    }

    #[test]
    fn the_tree_is_that_of_the_rfc() {
        // RFC 9162, 2.1.1: split at the largest power of two below the size.
        fn by_definition(leaves: &[Hash]) -> Hash {
            if leaves.len() == 1 {
                return leaves[0];
            }
            let split = leaves.len().next_power_of_two() / 2;
            node(&by_definition(&leaves[..split]), &by_definition(&leaves[split..]))
        }
        for size in 1..=40 {
            let leaves = leaves(size);
            assert_eq!(Tree::over(leaves.clone()).unwrap().root(), by_definition(&leaves));
        }
    }

    #[test]
    fn a_statement_reads_back_and_a_part_of_it_does_not() {
        let (did, processor) = ("did:web:shop.example".parse().unwrap(), "web-shop".parse().unwrap());
        let event = EventId::generate();
        let statement = Draft::new(&did, &processor, 7, b"{}").about(event);
        let stated = statement.read().unwrap();
        assert_eq!((stated.event, stated.mapping_version), (event, 7));
        assert_eq!((stated.did, stated.processor), (did, processor));
        assert_eq!(stated.body_digest, body_digest(b"{}"));
        let bytes = statement.as_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Statement(bytes[..end].to_vec()).read(), None, "{end}");
        }
        assert_eq!(Statement([bytes, b"x"].concat()).read(), None);
        assert_eq!(Statement([b"\x01", &bytes[1..]].concat()).read(), None);
    }
}
