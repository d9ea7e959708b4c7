//! Weak evidence: names, birth dates, places, devices. Each is true of many people.
//!
//! It attaches an event without a strong identifier to a known subject, and never merges. Three kinds must agree, one
//! of them a name, and lead to one subject only. Otherwise the event belongs to a new subject. First and last name are
//! one kind, and so are street and postal code. A first name alone is no name here, and user agents are no evidence. A
//! value that more than [`WEAK_FAN_OUT`] subjects share says nothing.
//!
//! People of one family share a name, a street and a telephone. So all names, birth dates and user names of the event
//! must belong to the subject already: a new one speaks for another person.

use std::collections::{BTreeMap, BTreeSet};

use super::{IdentityGraph, LinkCandidate};
use crate::codes::EventCode;
use crate::event::Notice;
use crate::ids::SubjectId;

/// More subjects than this behind one weak link, and it is ignored.
pub const WEAK_FAN_OUT: usize = 8;

/// So many kinds must agree.
const KINDS: usize = 3;

/// The categories of which one must be among them.
const NAMES: [&str; 2] = ["user.name", "user.name.last"];

/// Categories of which a person has one value.
const PERSONAL: [&str; 5] = [
    "user.name",
    "user.name.first",
    "user.name.last",
    "user.demographic.date_of_birth",
    "user.account.username",
];

/// Millions of people have the same.
const NO_EVIDENCE: &str = "user.device.user_agent";

/// The agreement of an event with a subject.
#[derive(Default)]
struct Agreement<'a> {
    kinds: BTreeSet<&'a str>,
    /// How many of what a person has one of.
    personal: usize,
    has_name: bool,
}

impl IdentityGraph {
    /// Returns the one subject on which the weak identifiers of an event without strong ones agree, and adds a warning
    /// to the event. Returns `None` without such a subject. `apart` are the other people of the event.
    pub(super) fn corroborated(
        &self,
        links: &[&LinkCandidate],
        apart: &[SubjectId],
        warnings: &mut Vec<Notice>,
    ) -> Option<SubjectId> {
        let mut agreements: BTreeMap<SubjectId, Agreement<'_>> = BTreeMap::new();
        let evidence = links.iter().filter(|link| &*link.category != NO_EVIDENCE);
        for link in evidence {
            let holders = self.links.get(&link.hash).map_or(&[][..], Vec::as_slice);
            let survivors: BTreeSet<_> = holders.iter().map(|holder| self.survivor(*holder)).collect();
            if survivors.len() > WEAK_FAN_OUT {
                continue;
            }
            for survivor in survivors {
                let agreement = agreements.entry(survivor).or_default();
                agreement.kinds.insert(kind(&link.category));
                agreement.personal += usize::from(is_personal(link));
                agreement.has_name |= NAMES.contains(&&*link.category);
            }
        }
        let personal = links.iter().filter(|link| is_personal(link)).count();
        let mut found = agreements.into_iter().filter(|(subject, agreement)| {
            agreement.kinds.len() >= KINDS
                && agreement.has_name
                && agreement.personal == personal
                && !apart.contains(subject)
        });
        let (subject, Agreement { kinds, .. }) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        let kinds: Vec<_> = kinds.into_iter().collect();
        warnings.push(Notice::new(
            "",
            EventCode::WeakEvidence,
            format!(
                "there was no identifier of one person alone: the event was attached to a known subject by what agrees \
                 with it ({}). Send an identifier that is the person's own",
                kinds.join(", ")
            ),
        ));
        Some(subject)
    }
}

fn is_personal(link: &LinkCandidate) -> bool {
    PERSONAL.contains(&&*link.category)
}

/// Returns the first two parts of a category's name.
fn kind(category: &str) -> &str {
    category
        .match_indices('.')
        .nth(1)
        .map_or(category, |(end, _)| &category[..end])
}
