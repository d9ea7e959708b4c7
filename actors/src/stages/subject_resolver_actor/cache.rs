//! A bounded cache of strong links.
//!
//! It has two generations. A used link moves to the young one. When the young one has half the size, it replaces the
//! old one, which is dropped. So used links stay, at a constant cost.

use crate::event::LinkHash;
use crate::identity::IdentityGraph;
use crate::ids::{ControllerId, SubjectId, Timestamp};
use crate::ports::KnownLink;
use crate::random_keys::RandomKeyMap;

type Generation = RandomKeyMap<(ControllerId, LinkHash), (SubjectId, Timestamp)>;

/// Strong links that were read or committed lately, merges followed.
#[derive(Debug)]
pub(super) struct LinkCache {
    young: Generation,
    old: Generation,
    half: usize,
}

impl LinkCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            half: capacity.div_ceil(2),
        }
    }

    pub(super) fn get(&mut self, controller: ControllerId, hash: LinkHash) -> Option<KnownLink> {
        let key = (controller, hash);
        let found = match self.young.get(&key) {
            Some(found) => *found,
            None => {
                let found = self.old.remove(&key)?;
                self.insert(key, found);
                found
            }
        };
        Some(KnownLink {
            hash,
            subject: found.0,
            subject_first_seen_at: found.1,
        })
    }

    /// Returns whether it holds a link. This does not count as a use.
    pub(super) fn contains(&self, key: &(ControllerId, LinkHash)) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub(super) fn put(&mut self, controller: ControllerId, link: &KnownLink) {
        self.insert((controller, link.hash), (link.subject, link.subject_first_seen_at));
    }

    /// Takes in what a batch made new. A merge changes what any link may lead to: everything is forgotten,
    /// merges being rare.
    pub(super) fn learn(&mut self, graph: &IdentityGraph) {
        if !graph.merges.is_empty() {
            self.clear();
        }
        for link in graph.strong_links() {
            self.put(graph.controller(), &link);
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn insert(&mut self, key: (ControllerId, LinkHash), value: (SubjectId, Timestamp)) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(value: u8) -> KnownLink {
        KnownLink {
            hash: LinkHash([value; 32]),
            subject: SubjectId::generate(),
            subject_first_seen_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let (mut cache, controller, used) = (LinkCache::new(8), ControllerId::generate(), link(0));
        cache.put(controller, &used);
        for value in 1..=200 {
            cache.put(controller, &link(value));
            assert_eq!(cache.get(controller, used.hash), Some(used.clone()));
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
        assert_eq!(cache.get(ControllerId::generate(), used.hash), None);
        cache.clear();
        assert_eq!(cache.get(controller, used.hash), None);
    }
}
