//! Identity: which data subject an event concerns.
//!
//! Within one controller, and for one event after the other in a batch:
//!
//! - No strong identifier of the event is known: a new subject, unless weak ones corroborate each other (below).
//! - Those that are known lead to one subject: it is this one, and the event's other identifiers are attached to it.
//! - They lead to several: these are one person. The one first seen survives (ties: the smaller id),
//!   the others are merged into it, with the event and its identifiers as evidence.
//! - An event without any identifier concerns nobody that Conduit can name: no subject.
//!
//! ## Rules that keep strangers apart
//! - Only *strong* identifiers link alone, and only they merge. *Weak* ones (a name, a device) resolve an event
//!   that has no strong one at all, and only if two of different kinds (say a name and a date of birth; first
//!   and last name are one kind) lead to the same subject and to no other. A weak
//!   identifier that more than [`WEAK_FAN_OUT`] subjects share says nothing.
//! - A subject holds at most so many distinct values per category ([`LinkCandidate::max_distinct`]). One event with
//!   more than that is a list of people, not a person: none of these values links. A value that would exceed
//!   the limit is not attached, and a merge that would is refused; the event says so in a warning.
//! - Blocklisted values never come here.
//!
//! ## Order
//! What is decided depends on which links are known, not on when events are processed: first-seen times are
//! minima over `triggeredAt`, and a survivor is chosen by them.

mod respelling;

pub use respelling::{Respelling, respell, retired};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::event::{LinkHash, Notice};
use crate::ids::{ControllerId, EventId, SubjectId, Timestamp};
use crate::ports::{KnownLink, Merge, NewLink, NewSubject};

/// More subjects than this behind one weak link, and it is ignored.
pub const WEAK_FAN_OUT: usize = 8;

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

#[derive(Debug, Clone, Copy)]
struct SubjectState {
    first_seen_at: Timestamp,
    merged_into: Option<SubjectId>,
}

/// The part of one controller's identity graph that a batch touches, and what the batch changes in it.
#[derive(Debug)]
pub struct IdentityGraph {
    controller: ControllerId,
    key_version: u32,
    subjects: HashMap<SubjectId, SubjectState>,
    /// Strong links have at most one subject here, weak ones any number.
    links: HashMap<LinkHash, Vec<SubjectId>>,
    counts: HashMap<(SubjectId, Arc<str>), u32>,
    /// What is new, for the store.
    pub new_subjects: Vec<NewSubject>,
    /// What is new, for the store.
    pub new_links: Vec<NewLink>,
    /// What is new, for the store.
    pub merges: Vec<Merge>,
}

impl IdentityGraph {
    /// A graph from what the store and the cache know of a batch's identifiers. `counts` are the distinct
    /// strong links per category of those subjects that may get more, see [`IdentityGraph::growing`].
    #[must_use]
    pub fn new(controller: ControllerId, key_version: u32, known: &[KnownLink]) -> Self {
        let mut subjects = HashMap::new();
        let mut links: HashMap<LinkHash, Vec<SubjectId>> = HashMap::new();
        for link in known {
            subjects.entry(link.subject).or_insert(SubjectState {
                first_seen_at: link.subject_first_seen_at,
                merged_into: None,
            });
            let holders = links.entry(link.hash).or_default();
            if !holders.contains(&link.subject) {
                holders.push(link.subject);
            }
        }
        Self {
            controller,
            key_version,
            subjects,
            links,
            counts: HashMap::new(),
            new_subjects: Vec::new(),
            new_links: Vec::new(),
            merges: Vec::new(),
        }
    }

    /// The known subjects that these events may attach identifiers to or merge: their counts must be
    /// known before [`IdentityGraph::resolve`].
    #[must_use]
    pub fn growing<'a>(&self, sightings: impl Iterator<Item = Sighting<'a>>) -> Vec<SubjectId> {
        let mut growing = BTreeSet::new();
        // Identifiers that are new to the store may tie events of the batch together, so an event is
        // settled only if all its strong identifiers are known and lead to one subject.
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

    /// Whose graph it is.
    #[must_use]
    pub const fn controller(&self) -> ControllerId {
        self.controller
    }

    /// Takes in the counts that [`IdentityGraph::growing`] asked for.
    pub fn set_counts(&mut self, counts: Vec<(SubjectId, Arc<str>, u32)>) {
        self.counts.extend(
            counts
                .into_iter()
                .map(|(subject, category, count)| ((subject, category), count)),
        );
    }

    /// Finds or makes the subject of one event. `None` if the event names nobody.
    pub fn resolve(&mut self, sighting: Sighting<'_>, warnings: &mut Vec<Notice>) -> Option<SubjectId> {
        let links = usable(sighting.links, warnings);
        if links.is_empty() {
            return None;
        }
        let strong: Vec<_> = links.iter().copied().filter(|link| link.strong).collect();
        let hit = self.hit(&strong);
        let (subject, attach) = match hit.len() {
            0 => (
                self.corroborated(&strong, &links)
                    .unwrap_or_else(|| self.create(sighting.triggered_at)),
                true,
            ),
            1 => (hit[0].0, true),
            _ => self.merge(&hit, &strong, sighting, warnings),
        };
        if attach {
            self.attach(subject, &links, sighting.triggered_at, warnings);
        }
        Some(subject)
    }

    /// The subject that is read in place of this one, merges of this batch followed.
    #[must_use]
    pub fn survivor(&self, mut subject: SubjectId) -> SubjectId {
        while let Some(into) = self.subjects.get(&subject).and_then(|state| state.merged_into) {
            subject = into;
        }
        subject
    }

    /// Every strong link that is new, with the subject that it leads to: for a cache.
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

    /// The subjects that known strong identifiers lead to, each with how many of them do.
    fn hit(&self, strong: &[&LinkCandidate]) -> Vec<(SubjectId, usize)> {
        let mut hit: Vec<(SubjectId, usize)> = Vec::new();
        for holder in strong.iter().filter_map(|link| self.links.get(&link.hash)).flatten() {
            let survivor = self.survivor(*holder);
            match hit.iter_mut().find(|(subject, _)| *subject == survivor) {
                Some((_, count)) => *count += 1,
                None => hit.push((survivor, 1)),
            }
        }
        hit
    }

    /// The one subject that two weak identifiers of different kinds agree on, for an event without strong ones.
    fn corroborated(&self, strong: &[&LinkCandidate], links: &[&LinkCandidate]) -> Option<SubjectId> {
        if !strong.is_empty() {
            return None;
        }
        let mut kinds: BTreeMap<SubjectId, HashSet<&str>> = BTreeMap::new();
        for link in links {
            let holders = self.links.get(&link.hash).map_or(&[][..], Vec::as_slice);
            let survivors: BTreeSet<_> = holders.iter().map(|holder| self.survivor(*holder)).collect();
            if survivors.len() <= WEAK_FAN_OUT {
                for survivor in survivors {
                    kinds.entry(survivor).or_default().insert(kind(&link.category));
                }
            }
        }
        let mut agreed = kinds
            .into_iter()
            .filter(|(_, kinds)| kinds.len() >= 2)
            .map(|(subject, _)| subject);
        let first = agreed.next()?;
        agreed.next().is_none().then_some(first)
    }

    fn create(&mut self, first_seen_at: Timestamp) -> SubjectId {
        let id = SubjectId::generate();
        self.subjects.insert(
            id,
            SubjectState {
                first_seen_at,
                merged_into: None,
            },
        );
        self.new_subjects.push(NewSubject {
            id,
            controller: self.controller,
            first_seen_at,
        });
        id
    }

    /// Merges all that were hit into the one first seen, if the limits allow. Otherwise the event goes to the subject
    /// that most of its identifiers lead to, and attaches nothing.
    fn merge(
        &mut self,
        hit: &[(SubjectId, usize)],
        strong: &[&LinkCandidate],
        sighting: Sighting<'_>,
        warnings: &mut Vec<Notice>,
    ) -> (SubjectId, bool) {
        let age = |subject: &SubjectId| (self.subjects.get(subject).map(|state| state.first_seen_at), *subject);
        let mut by_age: Vec<SubjectId> = hit.iter().map(|(subject, _)| *subject).collect();
        by_age.sort_by_key(age);
        let (into, others) = (by_age[0], &by_age[1..]);

        if let Some(category) = self.limit_broken_by_merge(&by_age, strong) {
            warnings.push(Notice::new(
                "",
                "merge_refused",
                format!(
                    "identifiers lead to {} subjects, but as one they would hold more values of {category} than one \
                     person may: look for a shared value",
                    by_age.len()
                ),
            ));
            let most = hit.iter().map(|(_, count)| *count).max();
            let chosen = by_age
                .iter()
                .copied()
                .find(|subject| hit.iter().any(|(s, c)| s == subject && Some(*c) == most));
            return (chosen.unwrap_or(into), false);
        }
        let evidence: Vec<_> = strong
            .iter()
            .filter(|link| self.links.contains_key(&link.hash))
            .map(|link| (link.hash, Arc::clone(&link.category)))
            .collect();
        for from in others {
            self.merge_one(*from, into, sighting, evidence.clone());
        }
        (into, true)
    }

    fn merge_one(
        &mut self,
        from: SubjectId,
        into: SubjectId,
        sighting: Sighting<'_>,
        evidence: Vec<(LinkHash, Arc<str>)>,
    ) {
        if let Some(state) = self.subjects.get_mut(&from) {
            state.merged_into = Some(into);
        }
        let moved: Vec<_> = self.counts.extract_if(|(subject, _), _| *subject == from).collect();
        for ((_, category), count) in moved {
            *self.counts.entry((into, category)).or_default() += count;
        }
        let at = Timestamp::now();
        self.merges.push(Merge {
            controller: self.controller,
            from,
            into,
            at,
            event: sighting.event,
            evidence,
        });
    }

    fn limit_broken_by_merge(&self, subjects: &[SubjectId], strong: &[&LinkCandidate]) -> Option<Arc<str>> {
        let mut limits: BTreeMap<&Arc<str>, u32> = BTreeMap::new();
        for link in strong {
            limits.insert(&link.category, link.max_distinct);
        }
        // Only categories that the event carries have a known limit here; the others were within theirs
        // on either side, and are held by the limit the next time that one of them is attached.
        limits.into_iter().find_map(|(category, limit)| {
            let total: u32 = subjects.iter().map(|subject| self.count(*subject, category)).sum();
            let unknown = strong
                .iter()
                .filter(|link| link.category == *category && !self.links.contains_key(&link.hash))
                .count();
            (total as usize + unknown > limit as usize).then(|| Arc::clone(category))
        })
    }

    fn count(&self, subject: SubjectId, category: &Arc<str>) -> u32 {
        self.counts.get(&(subject, Arc::clone(category))).copied().unwrap_or(0)
    }

    fn attach(&mut self, subject: SubjectId, links: &[&LinkCandidate], seen_at: Timestamp, warnings: &mut Vec<Notice>) {
        for link in links {
            let holders = self.links.entry(link.hash).or_default();
            let held = holders.iter().any(|holder| {
                let mut holder = *holder;
                while let Some(into) = self.subjects.get(&holder).and_then(|state| state.merged_into) {
                    holder = into;
                }
                holder == subject
            });
            if held {
                continue;
            }
            if link.strong {
                let count = self.counts.entry((subject, Arc::clone(&link.category))).or_default();
                if *count >= link.max_distinct {
                    warnings.push(limit_reached(link));
                    holders.is_empty().then(|| self.links.remove(&link.hash));
                    continue;
                }
                *count += 1;
            }
            holders.push(subject);
            self.new_links.push(NewLink {
                controller: self.controller,
                hash: link.hash,
                subject,
                category: Arc::clone(&link.category),
                strong: link.strong,
                key_version: self.key_version,
                first_seen_at: seen_at,
            });
        }
    }
}

/// Weak identifiers corroborate across kinds only: the first two parts of the category's name.
fn kind(category: &str) -> &str {
    category
        .match_indices('.')
        .nth(1)
        .map_or(category, |(end, _)| &category[..end])
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
                "too_many_identifiers",
                format!(
                    "{found} values of {}, more than one person may hold ({}): none of them links this event",
                    link.category, link.max_distinct
                ),
            ));
        }
    }
    links.iter().filter(|link| !crowded.contains(&*link.category)).collect()
}

fn limit_reached(link: &LinkCandidate) -> Notice {
    Notice::new(
        "",
        "identifier_limit_reached",
        format!(
            "the subject holds {} values of {} already: this one was not attached, look for a shared value",
            link.max_distinct, link.category
        ),
    )
}

#[cfg(test)]
mod tests;
