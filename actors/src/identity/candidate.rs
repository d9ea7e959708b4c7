//! The people of an event, as identity sees them.

use std::sync::Arc;

use crate::event::LinkHash;
use crate::ids::{EventId, Timestamp};

/// One identifier of an event that may link it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCandidate {
    /// Its keyed hash.
    pub hash: LinkHash,
    /// The hash of how an earlier generation of the normaliser spelt it, if differently: looked up, never written.
    pub earlier: Option<LinkHash>,
    /// Its category.
    pub category: Arc<str>,
    /// Whether it may link alone.
    pub strong: bool,
    /// How many distinct values of the category one subject may hold.
    pub max_distinct: u32,
}

impl LinkCandidate {
    /// Returns the hashes for the look-up: today's, and the one of an earlier generation if it differs.
    pub fn hashes(&self) -> impl Iterator<Item = LinkHash> + use<> {
        std::iter::once(self.hash).chain(self.earlier)
    }
}

/// An event, as far as identity is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// The event.
    pub event: EventId,
    /// When it happened.
    pub triggered_at: Timestamp,
    /// The identifiers that it carries.
    pub links: &'a [LinkCandidate],
}
