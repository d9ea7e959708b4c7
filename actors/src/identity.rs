//! Identity: the data subject of an event.
//!
//! The rules apply within one controller, and to one event of a batch after the other:
//!
//! - If no strong identifier of the event is known, there is a new subject, unless weak ones corroborate each other
//!   (below).
//! - If the known ones lead to one subject, the event belongs to it, and the event's other identifiers are attached to
//!   it.
//! - If they lead to several, these are one person. The one first seen survives (ties: the smaller id). The others are
//!   merged into it, with the event and its identifiers as evidence.
//! - An event without any identifier has no subject.
//!
//! ## Rules that keep strangers apart
//! - A subject holds a limited number of distinct values per category ([`LinkCandidate::max_distinct`]), after every attachment
//!   and merge. One event with more values is a list of people, not a person: none of these values links.
//! - An identifier is *used up* when its subject cannot hold the event's other strong identifiers within the
//!   limits: many people share it. It counts for nothing in such an event (see `sharing`). The event belongs to the person
//!   of its other strong identifiers, is found by them, and has a warning. If all fit one by one, but the subjects
//!   together would be more than a person, the merge is refused: the fullest of them is left out.
//! - Only *strong* identifiers link alone, and only they merge. *Weak* ones (a name, a device) attach an event
//!   without any strong one, and only under the rules of `weak`.
//! - Each person of an event is a [`Sighting`] of their own: shared values never make two of them one.
//! - Blocklisted values never come here.
//!
//! ## Order
//! The decisions depend on the known links, not on the time of processing: first-seen times are
//! minima over `triggeredAt`, and a survivor is chosen by them.

mod candidate;
mod growth;
mod party;
mod respelling;
mod sharing;
mod weak;

pub use candidate::{LinkCandidate, Sighting};
pub use respelling::{Respelling, respell, retired};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::codes::EventCode;
use crate::event::{LinkHash, Notice};
use crate::ids::{ControllerId, SubjectId, Timestamp};
use crate::ports::{Ceiling, KnownLink, Merge, NewLink, NewSubject};
use crate::random_keys::RandomKeyMap;
use crate::taxonomy::Taxonomy;
use party::Party;
pub use weak::WEAK_FAN_OUT;

#[derive(Debug, Clone, Copy)]
struct SubjectState {
    first_seen_at: Timestamp,
    merged_into: Option<SubjectId>,
    /// The store has it, so another writer may change it.
    is_stored: bool,
}

/// The part of one controller's identity graph that a batch touches, and what the batch changes in it.
#[derive(Debug, Clone)]
pub struct IdentityGraph {
    controller: ControllerId,
    key_version: u32,
    taxonomy: Option<Arc<Taxonomy>>,
    subjects: RandomKeyMap<SubjectId, SubjectState>,
    /// Strong links have at most one subject here, weak ones any number.
    links: RandomKeyMap<LinkHash, Vec<SubjectId>>,
    /// Distinct strong links by category.
    counts: RandomKeyMap<SubjectId, BTreeMap<Arc<str>, u32>>,
    /// Subjects that hold more than the store knows.
    grown: BTreeSet<SubjectId>,
    /// The new subjects, for the store.
    pub new_subjects: Vec<NewSubject>,
    /// The new links, for the store.
    pub new_links: Vec<NewLink>,
    /// The new merges, for the store.
    pub merges: Vec<Merge>,
}

impl IdentityGraph {
    /// Creates a graph from the known identifiers of a batch, in the store and the cache. `counts` are the distinct
    /// strong links per category of the subjects that may get more, see [`IdentityGraph::growing`].
    #[must_use]
    pub fn new(controller: ControllerId, key_version: u32, known: &[KnownLink]) -> Self {
        let mut subjects = RandomKeyMap::default();
        let mut links: RandomKeyMap<LinkHash, Vec<SubjectId>> = RandomKeyMap::default();
        for link in known {
            subjects.entry(link.subject).or_insert(SubjectState {
                first_seen_at: link.subject_first_seen_at,
                merged_into: None,
                is_stored: true,
            });
            let holders = links.entry(link.hash).or_default();
            if !holders.contains(&link.subject) {
                holders.push(link.subject);
            }
        }
        Self {
            controller,
            key_version,
            taxonomy: None,
            subjects,
            links,
            counts: RandomKeyMap::default(),
            grown: BTreeSet::new(),
            new_subjects: Vec::new(),
            new_links: Vec::new(),
            merges: Vec::new(),
        }
    }

    /// Takes the limits of categories that an event does not carry from here. They matter when subjects are merged.
    #[must_use]
    pub fn limited_by(mut self, taxonomy: Option<&Arc<Taxonomy>>) -> Self {
        self.taxonomy = taxonomy.cloned();
        self
    }

    /// Returns the known subjects that these events may attach identifiers to or merge. Their counts must be known
    /// before [`IdentityGraph::resolve`].
    #[must_use]
    pub fn growing<'a>(&self, sightings: impl Iterator<Item = Sighting<'a>>) -> Vec<SubjectId> {
        let mut growing = BTreeSet::new();
        // Identifiers that are new to the store may connect events of the batch. So an event is settled only if all its
        // strong identifiers are known and lead to one subject.
        for sighting in sightings {
            let strong: Vec<_> = sighting.links.iter().filter(|link| link.strong).collect();
            let hit: BTreeSet<_> = strong
                .iter()
                .filter_map(|link| self.links.get(&link.hash))
                .flatten()
                .collect();
            let all_known = strong.iter().all(|link| self.links.contains_key(&link.hash));
            if !(all_known && hit.len() <= 1) {
                growing.extend(hit.into_iter().copied());
            }
        }
        growing.into_iter().collect()
    }

    /// Returns the graph's controller.
    #[must_use]
    pub const fn controller(&self) -> ControllerId {
        self.controller
    }

    /// Takes in the counts that [`IdentityGraph::growing`] asked for.
    pub fn set_counts(&mut self, counts: Vec<(SubjectId, Arc<str>, u32)>) {
        for (subject, category, count) in counts {
            self.counts.entry(subject).or_default().insert(category, count);
        }
    }

    /// Finds or makes the subject of one event. `None` if the event names nobody.
    pub fn resolve(&mut self, sighting: Sighting<'_>, warnings: &mut Vec<Notice>) -> Option<SubjectId> {
        self.resolve_apart(sighting, &[], warnings)
    }

    /// Resolves another person of an event that also names those of `apart`. An identifier that leads to one of these
    /// counts for nothing, unless there is no other. Then it is the same person, named twice.
    pub fn resolve_apart(
        &mut self,
        sighting: Sighting<'_>,
        apart: &[SubjectId],
        warnings: &mut Vec<Notice>,
    ) -> Option<SubjectId> {
        let mut links = usable(sighting.links, warnings);
        if links.is_empty() {
            return None;
        }
        let strong: Vec<_> = links.iter().copied().filter(|link| link.strong).collect();
        let mut parties = self.parties(&strong);
        let is_settled = match parties.as_slice() {
            [] => true,
            [only] => only.own.len() == strong.len(),
            _ => false,
        };
        if !is_settled {
            let left_out = self.leave_out(&mut parties, &strong, apart, warnings);
            if !left_out.is_empty() {
                links.retain(|link| !left_out.contains(&link.hash));
            }
        }
        let subject = match parties.as_slice() {
            [] if strong.is_empty() => self
                .corroborated(&links, apart, warnings)
                .unwrap_or_else(|| self.create(sighting.triggered_at)),
            [] => self.create(sighting.triggered_at),
            [only] => only.subject,
            several => self.merge(several, &links, sighting),
        };
        self.attach(subject, &links, sighting.triggered_at, warnings);
        Some(subject)
    }

    /// Finds or makes the other people whom an event names beside `subject`, each once.
    pub fn resolve_others<'a>(
        &mut self,
        subject: Option<SubjectId>,
        others: impl Iterator<Item = Sighting<'a>>,
        warnings: &mut Vec<Notice>,
    ) -> Vec<SubjectId> {
        let mut people: Vec<SubjectId> = subject.into_iter().collect();
        let before = people.len();
        for other in others {
            if let Some(found) = self.resolve_apart(other, &people, warnings)
                && !people.contains(&found)
            {
                people.push(found);
            }
        }
        people.split_off(before)
    }

    /// Returns the limits of the subjects that grew, which the store checks against identifiers of other writers.
    #[must_use]
    pub fn ceilings(&self) -> Vec<Ceiling> {
        let grown: BTreeSet<_> = self.grown.iter().map(|subject| self.survivor(*subject)).collect();
        let mut ceilings = Vec::new();
        for subject in grown {
            let held = self.counts.get(&subject).into_iter().flat_map(BTreeMap::keys);
            let known = self.taxonomy.iter().flat_map(|taxonomy| taxonomy.categories());
            let known = known
                .filter(|category| category.max_distinct > 0)
                .map(|category| &category.key);
            let categories: BTreeSet<_> = held.chain(known).collect();
            ceilings.extend(categories.into_iter().map(|category| Ceiling {
                controller: self.controller,
                subject,
                category: Arc::clone(category),
                // A subject above the limit for other reasons did not grow in this batch.
                max: self.limit(category, &[]).max(self.count(subject, category)),
            }));
        }
        ceilings
    }

    /// Returns the subject that is read in place of this one, with merges of this batch followed.
    #[must_use]
    pub fn survivor(&self, mut subject: SubjectId) -> SubjectId {
        while let Some(into) = self.subjects.get(&subject).and_then(|state| state.merged_into) {
            subject = into;
        }
        subject
    }

    /// Returns every new strong link with its subject, for a cache.
    pub fn strong_links(&self) -> impl Iterator<Item = KnownLink> + '_ {
        self.new_links.iter().filter(|link| link.strong).map(|link| {
            let subject = self.survivor(link.subject);
            let first_seen = self
                .subjects
                .get(&subject)
                .map_or(link.first_seen_at, |state| state.first_seen_at);
            KnownLink {
                hash: link.hash,
                subject,
                subject_first_seen_at: first_seen,
            }
        })
    }

    /// Returns the subjects of known strong identifiers, each with its identifiers.
    fn parties<'a>(&self, strong: &[&'a LinkCandidate]) -> Vec<Party<'a>> {
        let mut parties: Vec<Party<'a>> = Vec::new();
        for link in strong {
            for holder in self.links.get(&link.hash).into_iter().flatten() {
                let subject = self.survivor(*holder);
                match parties.iter_mut().find(|party| party.subject == subject) {
                    Some(party) if party.holds(link) => {}
                    Some(party) => party.own.push(link),
                    None => parties.push(Party {
                        subject,
                        own: vec![link],
                    }),
                }
            }
        }
        parties
    }

    fn create(&mut self, first_seen_at: Timestamp) -> SubjectId {
        let id = SubjectId::generate();
        self.subjects.insert(
            id,
            SubjectState {
                first_seen_at,
                merged_into: None,
                is_stored: false,
            },
        );
        self.new_subjects.push(NewSubject {
            id,
            controller: self.controller,
            first_seen_at,
        });
        id
    }

    fn first_seen_at(&self, subject: SubjectId) -> Option<Timestamp> {
        self.subjects.get(&subject).map(|state| state.first_seen_at)
    }

    fn is_stored(&self, subject: SubjectId) -> bool {
        self.subjects.get(&subject).is_some_and(|state| state.is_stored)
    }

    fn count(&self, subject: SubjectId, category: &str) -> u32 {
        let held = self.counts.get(&subject);
        held.and_then(|held| held.get(category)).copied().unwrap_or(0)
    }

    /// Returns how many values of a category one subject may hold, by an identifier of the event, or by the taxonomy.
    fn limit(&self, category: &str, strong: &[&LinkCandidate]) -> u32 {
        let own = strong.iter().find(|link| &*link.category == category);
        let known = own.map(|link| link.max_distinct).or_else(|| {
            let category = self.taxonomy.as_ref()?.get(category)?;
            Some(category.max_distinct)
        });
        // Values of a category that is missing in the taxonomy are not attached any more.
        known.unwrap_or(u32::MAX)
    }
}

/// Leaves out categories of which the event carries more values than one person may hold.
fn usable<'a>(links: &'a [LinkCandidate], warnings: &mut Vec<Notice>) -> Vec<&'a LinkCandidate> {
    let mut per_category: BTreeMap<&str, usize> = BTreeMap::new();
    for link in links.iter().filter(|link| link.strong) {
        *per_category.entry(&link.category).or_default() += 1;
    }
    let mut crowded = BTreeSet::new();
    for link in links.iter().filter(|link| link.strong) {
        let found = per_category.get(&*link.category).copied().unwrap_or(0);
        if found > link.max_distinct as usize && crowded.insert(&*link.category) {
            warnings.push(Notice::new(
                "",
                EventCode::TooManyIdentifiers,
                format!(
                    "{found} values of {}, more than one person may hold ({}): none of them links this event",
                    link.category, link.max_distinct
                ),
            ));
        }
    }
    links.iter().filter(|link| !crowded.contains(&*link.category)).collect()
}

#[cfg(test)]
mod tests;
