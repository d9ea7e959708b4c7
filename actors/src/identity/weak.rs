//! Weak evidence: names, birth dates, places, devices. Each is true of many people.
//!
//! It attaches an event that has no strong identifier to a known subject, and never merges. Three kinds must agree, one of
//! them a name, and lead to one subject only; otherwise the event is of somebody new. First and last name are one kind, and
//! so are street and postal code. A value that more than [`WEAK_FAN_OUT`] subjects share says nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{IdentityGraph, LinkCandidate};
use crate::codes::EventCode;
use crate::event::Notice;
use crate::ids::SubjectId;

/// More subjects than this behind one weak link, and it is ignored.
pub const WEAK_FAN_OUT: usize = 8;

/// So many kinds must agree.
const KINDS: usize = 3;

/// The kind that must be among them.
const NAME: &str = "user.name";

impl IdentityGraph {
    /// The one subject that the weak identifiers of an event without strong ones agree on. The event is told.
    pub(super) fn corroborated(&self, links: &[&LinkCandidate], warnings: &mut Vec<Notice>) -> Option<SubjectId> {
        let mut agreed: BTreeMap<SubjectId, BTreeSet<&str>> = BTreeMap::new();
        for link in links {
            let holders = self.links.get(&link.hash).map_or(&[][..], Vec::as_slice);
            let survivors: BTreeSet<_> = holders.iter().map(|holder| self.survivor(*holder)).collect();
            if survivors.len() <= WEAK_FAN_OUT {
                for survivor in survivors {
                    agreed.entry(survivor).or_default().insert(kind(&link.category));
                }
            }
        }
        let mut found = agreed
            .into_iter()
            .filter(|(_, kinds)| kinds.len() >= KINDS && kinds.contains(NAME));
        let (subject, kinds) = found.next()?;
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

/// The first two parts of a category's name.
fn kind(category: &str) -> &str {
    category
        .match_indices('.')
        .nth(1)
        .map_or(category, |(end, _)| &category[..end])
}
