//! A case that a real store cannot produce: a store that is away at just one question.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::event::{AcceptedEvent, JournaledEvent};
use crate::identity::LinkCandidate;
use crate::ids::{EventId, IntegrationId, SubjectId};
use crate::personal::Personal;
use crate::ports::{BatchEffects, Claim, DedupError, RetiredLink, StoreError};

/// Knows one link, and is away when it is asked for the first time.
struct AwayAtFirst {
    known: KnownLink,
    asked: AtomicUsize,
}

#[async_trait]
impl PipelineStore for AwayAtFirst {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        _: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        let known = asked.iter().filter(|(_, hashes)| hashes.contains(&self.known.hash));
        Ok(known.map(|(controller, _)| (*controller, self.known.clone())).collect())
    }

    async fn strong_link_counts(
        &self,
        _: ControllerId,
        _: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        Ok(Vec::new())
    }

    async fn retire_links(&self, _: ControllerId, _: &[RetiredLink]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn mapped_digests(
        &self,
        _: ControllerId,
        _: &[EventId],
    ) -> Result<Vec<(EventId, crate::event::MappedDigest)>, StoreError> {
        Ok(Vec::new())
    }

    async fn commit(&self, _: &mut BatchEffects) -> Result<(), StoreError> {
        Ok(())
    }

    async fn checkpoint(&self, _: ControllerId) -> Result<Sequence, StoreError> {
        Ok(Sequence(0))
    }
}

struct NoWindow;

#[async_trait]
impl DedupWindow for NoWindow {
    async fn claim(&self, _: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        Ok(vec![Verdict::First; claims.len()])
    }

    fn advance(&self, _: ControllerId, _: Timestamp) {}

    fn forget(&self, _: ControllerId) {}
}

fn event(controller: ControllerId, hash: LinkHash) -> ExtractedEvent {
    let event_type: crate::ids::EventType = "contact".parse().unwrap();
    let accepted = AcceptedEvent {
        id: EventId::generate(),
        controller,
        integration: IntegrationId::generate(),
        event_type: event_type.clone(),
        triggered_at: Timestamp::now(),
        body: Personal::new(bytes::Bytes::new()),
    };
    let link = LinkCandidate {
        earlier: None,
        hash,
        category: "user.contact.email".into(),
        strong: true,
        max_distinct: 5,
    };
    ExtractedEvent {
        journaled: JournaledEvent {
            sequence: Sequence(1),
            journaled_at: Timestamp::now(),
            event: accepted,
        },
        integration: None,
        shown_event_type: event_type,
        finding: Finding::Fits(Fitting {
            links: vec![link],
            refused: Vec::new(),
            others: Vec::new(),
            claim: None,
            mapped_digest: None,
            purpose: None,
            legal_basis: None,
        }),
        categories: Vec::new(),
        warnings: Vec::new(),
        extracted_at: Timestamp::now(),
    }
}

#[actix_rt::test]
async fn what_was_asked_ahead_in_vain_is_asked_again() {
    let (controller, subject) = (ControllerId::generate(), SubjectId::generate());
    let hash = LinkHash([7; 32]);
    let store = Arc::new(AwayAtFirst {
        known: KnownLink {
            hash,
            subject,
            subject_first_seen_at: Timestamp::now(),
        },
        asked: AtomicUsize::new(0),
    });
    let mut resolver = SubjectResolver::new(Arc::new(NoWindow), store.clone(), 10);
    let ahead = ResolverJob::LookAhead(vec![(controller, vec![hash])]);
    assert!(resolver.handle(ahead).await.is_err());
    let batch = ResolverJob::Resolve(ResolveJob {
        groups: vec![(controller, Sequence(0), vec![event(controller, hash)])],
        cache_is_valid: true,
        replayed: None,
        traced: false,
    });
    let resolved = resolver.handle(batch).await.unwrap();
    assert_eq!(
        resolved.events[0].outcome,
        Outcome::Processed { subject: Some(subject) },
        "a person who is known was taken for a new one"
    );
    assert!(resolved.subjects.is_empty());
    assert_eq!(store.asked.load(Ordering::Relaxed), 2);
}
