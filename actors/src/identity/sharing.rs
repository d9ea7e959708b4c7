//! Shared identifiers: identifiers of many people count for nothing in an event, so that its people stay separate.
//!
//! Each subject of the event's identifiers is a [`Party`]. Parties are left out one by one until the rest are one
//! person: first those with used-up identifiers, then, of people who cannot be merged, the fullest. The choice depends
//! on what they hold, not on the order of the identifiers or the events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::party::Party;
use super::{IdentityGraph, LinkCandidate};
use crate::codes::EventCode;
use crate::event::{LinkHash, Notice};
use crate::ids::SubjectId;

/// The rest of an event while parties are left out.
struct Rest<'p, 'a> {
    parties: &'p mut Vec<Party<'a>>,
    strong: Vec<&'a LinkCandidate>,
    left_out: BTreeSet<LinkHash>,
}

impl<'a> Rest<'_, 'a> {
    fn leave_out(&mut self, index: usize) -> Vec<&'a LinkCandidate> {
        let party = self.parties.remove(index);
        self.left_out.extend(party.own.iter().map(|link| link.hash));
        self.strong.retain(|link| !party.holds(link));
        for other in &mut *self.parties {
            other.own.retain(|link| !party.holds(link));
        }
        self.parties.retain(|other| !other.own.is_empty());
        party.own
    }

    /// Returns how many identifiers of a category lead nowhere.
    fn unknown(&self, category: &str) -> u32 {
        let unknown =
            |link: &&&LinkCandidate| &*link.category == category && !self.parties.iter().any(|party| party.holds(link));
        u32::try_from(self.strong.iter().filter(unknown).count()).unwrap_or(u32::MAX)
    }
}

impl IdentityGraph {
    /// Leaves parties out until the others, with unknown identifiers, can be one person. Returns the identifiers that
    /// count for nothing.
    pub(super) fn leave_out<'a>(
        &self,
        parties: &mut Vec<Party<'a>>,
        strong: &[&'a LinkCandidate],
        apart: &[SubjectId],
        warnings: &mut Vec<Notice>,
    ) -> BTreeSet<LinkHash> {
        let mut rest = Rest {
            parties,
            strong: strong.to_vec(),
            left_out: BTreeSet::new(),
        };
        let mut shared: BTreeSet<&Arc<str>> = BTreeSet::new();
        while let Some(index) = rest
            .parties
            .iter()
            .position(|party| apart.contains(&party.subject) && party.own.len() < rest.strong.len())
        {
            shared.extend(rest.leave_out(index).into_iter().map(|link| &link.category));
        }
        while let Some(index) = self.used_up(&rest) {
            shared.extend(rest.leave_out(index).into_iter().map(|link| &link.category));
        }
        warnings.extend(shared.into_iter().map(|category| identifier_shared(category)));
        let several = rest.parties.len();
        let mut refused: Option<Arc<str>> = None;
        while let Some((category, index)) = self.fullest(&rest) {
            refused.get_or_insert(category);
            rest.leave_out(index);
        }
        warnings.extend(refused.map(|category| merge_refused(several, &category)));
        rest.left_out
    }

    /// Returns the party that exceeds its limits most with the event's other identifiers. Returns `None` if all can
    /// hold them.
    fn used_up(&self, rest: &Rest<'_, '_>) -> Option<usize> {
        let excess = |party: &Party<'_>| -> u32 {
            let mut added: BTreeMap<&str, u32> = BTreeMap::new();
            for link in rest.strong.iter().filter(|link| !party.holds(link)) {
                *added.entry(&link.category).or_default() += 1;
            }
            let excess = added.into_iter().map(|(category, added)| {
                let held = self.count(party.subject, category);
                (held + added).saturating_sub(self.limit(category, &rest.strong))
            });
            excess.sum()
        };
        let parties = rest.parties.iter().enumerate();
        let cannot = parties
            .map(|(index, party)| (excess(party), index))
            .filter(|(excess, _)| *excess > 0);
        let furthest = cannot.max_by_key(|(excess, index)| (*excess, self.fullness(&rest.parties[*index])))?;
        Some(furthest.1)
    }

    /// Returns a category of which the rest together would hold too many values, and the party with the most of them.
    /// Returns `None` if they fit.
    fn fullest(&self, rest: &Rest<'_, '_>) -> Option<(Arc<str>, usize)> {
        if rest.parties.len() < 2 {
            return None;
        }
        let held: BTreeMap<&Arc<str>, Vec<u32>> = self.held(&rest.parties[..]);
        let carried = rest.strong.iter().map(|link| &link.category);
        let categories: BTreeSet<&Arc<str>> = held.keys().copied().chain(carried).collect();
        for category in categories {
            let none = Vec::new();
            let counts = held.get(category).unwrap_or(&none);
            let (unknown, together) = (rest.unknown(category), counts.iter().sum::<u32>());
            let contributors = counts.len() + usize::from(unknown > 0);
            if contributors > 1 && together + unknown > self.limit(category, &rest.strong) {
                let parties = rest.parties.iter().enumerate();
                let (index, _) =
                    parties.max_by_key(|(_, party)| (self.count(party.subject, category), self.fullness(party)))?;
                return Some((Arc::clone(category), index));
            }
        }
        None
    }

    /// Returns the number of values of each subject, by category.
    fn held(&self, parties: &[Party<'_>]) -> BTreeMap<&Arc<str>, Vec<u32>> {
        let mut held: BTreeMap<&Arc<str>, Vec<u32>> = BTreeMap::new();
        for party in parties {
            for (category, count) in self.counts.get(&party.subject).into_iter().flatten() {
                held.entry(category).or_default().push(*count);
            }
        }
        held
    }

    /// Returns the order in which parties are left out. The first is more likely to be many people: it holds more, or
    /// the event has less of it. Ties: the one first seen.
    fn fullness(&self, party: &Party<'_>) -> impl Ord + use<> {
        let held: u32 = self
            .counts
            .get(&party.subject)
            .into_iter()
            .flatten()
            .map(|(_, count)| count)
            .sum();
        let age = self.first_seen_at(party.subject);
        (held, Reverse(party.own.len()), Reverse(age), Reverse(party.subject))
    }
}

fn identifier_shared(category: &str) -> Notice {
    Notice::new(
        "",
        EventCode::IdentifierShared,
        format!(
            "this value of {category} is shared: it leads to somebody who cannot hold the event's other identifiers as \
             well. It counted for nothing here, and the event belongs to its other identifiers"
        ),
    )
}

fn merge_refused(parties: usize, category: &str) -> Notice {
    Notice::new(
        "",
        EventCode::MergeRefused,
        format!(
            "identifiers lead to {parties} subjects, but as one they would hold more values of {category} than one \
             person may: look for a shared value"
        ),
    )
}
