//! How subjects grow: by identifiers of an event, and by merges.

use std::sync::Arc;

use super::party::Party;
use super::{IdentityGraph, LinkCandidate, Sighting};
use crate::codes::EventCode;
use crate::event::{LinkHash, Notice};
use crate::ids::{SubjectId, Timestamp};
use crate::ports::{Merge, NewLink};

impl IdentityGraph {
    /// Merges all of these into the one first seen. The identifiers of the event are the evidence.
    pub(super) fn merge(
        &mut self,
        parties: &[Party<'_>],
        links: &[&LinkCandidate],
        sighting: Sighting<'_>,
    ) -> SubjectId {
        let mut by_age: Vec<SubjectId> = parties.iter().map(|party| party.subject).collect();
        by_age.sort_by_key(|subject| (self.first_seen_at(*subject), *subject));
        let (into, others) = (by_age[0], &by_age[1..]);
        let evidence: Vec<_> = links
            .iter()
            .filter(|link| parties.iter().any(|party| party.holds(link)))
            .map(|link| (link.hash, Arc::clone(&link.category)))
            .collect();
        for from in others {
            self.merge_one(*from, into, sighting, evidence.clone());
        }
        into
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
        if self.is_stored(from) || self.is_stored(into) {
            self.grown.insert(into);
        }
        let moved = self.counts.remove(&from).unwrap_or_default();
        let held = self.counts.entry(into).or_default();
        for (category, count) in moved {
            *held.entry(category).or_default() += count;
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

    /// Attaches identifiers that the subject does not hold yet. The limits were checked before, and are enforced all
    /// the same.
    pub(super) fn attach(
        &mut self,
        subject: SubjectId,
        links: &[&LinkCandidate],
        seen_at: Timestamp,
        warnings: &mut Vec<Notice>,
    ) {
        for link in links {
            let holders = self.links.get(&link.hash).map_or(&[][..], Vec::as_slice);
            if holders.iter().any(|holder| self.survivor(*holder) == subject) {
                continue;
            }
            if link.strong {
                let held = self.counts.entry(subject).or_default();
                let count = held.entry(Arc::clone(&link.category)).or_default();
                if *count >= link.max_distinct {
                    warnings.push(limit_reached(link));
                    continue;
                }
                *count += 1;
                if self.is_stored(subject) {
                    self.grown.insert(subject);
                }
            }
            self.links.entry(link.hash).or_default().push(subject);
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

fn limit_reached(link: &LinkCandidate) -> Notice {
    Notice::new(
        "",
        EventCode::IdentifierLimitReached,
        format!(
            "the subject holds {} values of {} already: this one was not attached, look for a shared value",
            link.max_distinct, link.category
        ),
    )
}
