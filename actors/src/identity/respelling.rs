//! Links that an earlier generation of the normaliser spelt differently.
//!
//! Such a link is looked up by both hashes, and leads to its person under today's as if it had been stored so. Today's is
//! then written beside it, and the former is retired: it counts no more towards the values that one person may hold.

use super::{IdentityGraph, LinkCandidate};
use crate::event::LinkHash;
use crate::ids::{SubjectId, Timestamp};
use crate::ports::{KnownLink, NewLink, RetiredLink, Retirement};

/// A link that is known by its former hash.
#[derive(Debug, Clone)]
pub struct Respelling {
    candidate: LinkCandidate,
    former: LinkHash,
    seen_at: Timestamp,
    /// Whether today's hash is stored already.
    is_stored: bool,
}

/// Adds to `known` the links that lead from the events' former hashes.
pub fn respell<'a>(
    known: &mut Vec<KnownLink>,
    candidates: impl Iterator<Item = (&'a LinkCandidate, Timestamp)>,
) -> Vec<Respelling> {
    let mut found: Vec<Respelling> = Vec::new();
    for (candidate, seen_at) in candidates {
        let Some(former) = candidate.earlier else {
            continue;
        };
        let is_repeated = |other: &Respelling| other.candidate.hash == candidate.hash && other.former == former;
        let holders: Vec<KnownLink> = known.iter().filter(|link| link.hash == former).cloned().collect();
        if holders.is_empty() || found.iter().any(is_repeated) {
            continue;
        }
        let earlier = found.iter().find(|other| other.candidate.hash == candidate.hash);
        let is_stored = match earlier {
            Some(other) => other.is_stored,
            None => known.iter().any(|link| link.hash == candidate.hash),
        };
        for holder in holders {
            let alias = KnownLink {
                hash: candidate.hash,
                ..holder
            };
            if !known.contains(&alias) {
                known.push(alias);
            }
        }
        found.push(Respelling {
            candidate: candidate.clone(),
            former,
            seen_at,
            is_stored,
        });
    }
    found
}

/// Returns the former links that no longer count: strong ones, because only these are counted.
pub fn retired(respellings: &[Respelling]) -> impl Iterator<Item = RetiredLink> + '_ {
    let strong = respellings.iter().filter(|respelling| respelling.candidate.strong);
    strong.map(|respelling| RetiredLink {
        hash: respelling.former,
        category: respelling.candidate.category.clone(),
        because: Retirement::Respelt,
    })
}

impl IdentityGraph {
    /// Writes the links that are known by their former hashes alone. A strong one that leads to several people, because
    /// they could not be merged, is left as it is.
    pub fn write_respelt(&mut self, respellings: &[Respelling]) {
        for respelling in respellings.iter().filter(|respelling| !respelling.is_stored) {
            let link = &respelling.candidate;
            let mut holders: Vec<SubjectId> = self.links.get(&link.hash).cloned().unwrap_or_default();
            holders.iter_mut().for_each(|holder| *holder = self.survivor(*holder));
            holders.sort_unstable();
            holders.dedup();
            if link.strong && holders.len() != 1 {
                continue;
            }
            for subject in holders {
                let is_written = |new: &NewLink| new.hash == link.hash && new.subject == subject;
                if !self.new_links.iter().any(is_written) {
                    self.new_links.push(NewLink {
                        controller: self.controller,
                        hash: link.hash,
                        subject,
                        category: link.category.clone(),
                        strong: link.strong,
                        key_version: self.key_version,
                        first_seen_at: respelling.seen_at,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Sighting;
    use crate::ids::{ControllerId, EventId};

    const FORMER: LinkHash = LinkHash([1; 32]);
    const TODAY: LinkHash = LinkHash([2; 32]);

    fn email(hash: LinkHash, earlier: Option<LinkHash>) -> LinkCandidate {
        LinkCandidate {
            hash,
            earlier,
            category: "user.contact.email".into(),
            strong: true,
            max_distinct: 2,
        }
    }

    fn known(hash: LinkHash, subject: SubjectId, millis: i64) -> KnownLink {
        KnownLink {
            hash,
            subject,
            subject_first_seen_at: Timestamp::from_millis(millis),
        }
    }

    /// Resolves one event; its subject, and the graph.
    fn resolve(mut stored: Vec<KnownLink>, links: &[LinkCandidate]) -> (SubjectId, IdentityGraph, Vec<Respelling>) {
        let at = Timestamp::from_millis(10);
        let respellings = respell(&mut stored, links.iter().map(|link| (link, at)));
        let mut graph = IdentityGraph::new(ControllerId::generate(), 1, &stored);
        let sighting = Sighting {
            event: EventId::generate(),
            triggered_at: at,
            links,
        };
        let subjects: Vec<_> = stored
            .iter()
            .map(|link| (link.subject, "user.contact.email".into(), 1))
            .collect();
        graph.set_counts(subjects);
        let subject = graph.resolve(sighting, &mut Vec::new()).unwrap();
        graph.write_respelt(&respellings);
        (subject, graph, respellings)
    }

    #[test]
    fn a_former_link_leads_to_its_person_and_is_written_anew() {
        let ada = SubjectId::generate();
        let (subject, graph, respellings) = resolve(vec![known(FORMER, ada, 1)], &[email(TODAY, Some(FORMER))]);
        assert_eq!((subject, graph.new_subjects.len()), (ada, 0));
        let written: Vec<_> = graph.new_links.iter().map(|link| (link.hash, link.subject)).collect();
        assert_eq!(written, [(TODAY, ada)]);
        let retired: Vec<_> = retired(&respellings).map(|link| (link.hash, link.because)).collect();
        assert_eq!(retired, [(FORMER, Retirement::Respelt)]);
    }

    #[test]
    fn two_people_of_one_become_one() {
        let (ada, twin) = (SubjectId::generate(), SubjectId::generate());
        let stored = vec![known(FORMER, ada, 1), known(TODAY, twin, 2)];
        let (subject, graph, _) = resolve(stored, &[email(TODAY, Some(FORMER))]);
        assert_eq!(subject, ada);
        assert_eq!(graph.merges.len(), 1);
        assert!(graph.new_links.is_empty(), "today's link is stored already");
    }

    #[test]
    fn without_a_former_link_nothing_is_different() {
        let (_, graph, respellings) = resolve(Vec::new(), &[email(TODAY, Some(FORMER))]);
        assert!(respellings.is_empty());
        let written: Vec<_> = graph.new_links.iter().map(|link| link.hash).collect();
        assert_eq!(written, [TODAY]);
    }
}
