//! The links that a batch adds, each once. For every database.

use std::hash::Hash;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{NewLink, StoreError};
use conduit_actors::random_keys::RandomKeyMap;

/// A link that is not stored yet.
pub(super) struct Addition<'a, C> {
    /// The controller, as the database names it.
    pub(super) controller: C,
    pub(super) link: &'a NewLink,
    /// The earliest of its sightings.
    pub(super) first_seen_at: i64,
}

/// Returns each link once. Leaves out the links of a controller if `name` returns `None` for it. It is a conflict if a
/// strong link leads to two subjects.
pub(super) fn additions<C: Copy + Eq + Hash>(
    links: &[NewLink],
    name: impl Fn(&ControllerId) -> Option<C>,
) -> Result<Vec<Addition<'_, C>>, StoreError> {
    let mut additions: Vec<Addition<C>> = Vec::with_capacity(links.len());
    let mut places: RandomKeyMap<(C, LinkHash, SubjectId), usize> = RandomKeyMap::default();
    places.reserve(links.len());
    let mut strong: RandomKeyMap<(C, LinkHash), SubjectId> = RandomKeyMap::default();
    strong.reserve(links.len());
    for link in links {
        let Some(controller) = name(&link.controller) else {
            continue;
        };
        if link.strong && *strong.entry((controller, link.hash)).or_insert(link.subject) != link.subject {
            return Err(StoreError::Conflict);
        }
        let first_seen_at = link.first_seen_at.as_millis();
        let place = *places
            .entry((controller, link.hash, link.subject))
            .or_insert(additions.len());
        match additions.get_mut(place) {
            Some(addition) => addition.first_seen_at = addition.first_seen_at.min(first_seen_at),
            None => additions.push(Addition {
                controller,
                link,
                first_seen_at,
            }),
        }
    }
    Ok(additions)
}

/// Returns the first eight bytes of a hash as a signed number, by which hashes are indexed.
pub(super) fn prefix(hash: &[u8; 32]) -> i64 {
    hash.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}
