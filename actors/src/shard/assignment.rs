//! Which controller is on which shard.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::ids::ControllerDid;

/// Returns the shard of a controller.
#[must_use]
pub fn shard_of(did: &ControllerDid, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    did.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or(0)
}
