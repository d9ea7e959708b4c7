//! The third actor: finds the personal data in an event, by its mapping, and forgets the values.
//!
//! The result of this stage has categories, keyed hashes and a dedup key, but no value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::codes::EventCode;
use crate::dedup_key::generation1;
use crate::dedup_key::{dedup_key, mapped_digest};
use crate::event::{JournaledEvent, LinkHash, MappedDigest, Notice};
use crate::extract::{ExtractContext, ExtractedValue, Extraction, Person};
use crate::identity::LinkCandidate;
use crate::ids::{EventType, Timestamp};
use crate::links::LinkKey;
use crate::mapping::EventMapping;
use crate::ports::{Claim, Directory, Integration, RetiredLink, Retirement};
use crate::stages::{ExtractedEvent, Finding, Fitting};
use crate::supervisor::{Stage, Supervised};
use crate::taxonomy::Class;

/// Extracts a batch by its tenants' mappings.
pub type PiiExtractorActor = Supervised<PiiExtractor>;

/// After so many events the thread serves other tasks, because the edge shares it.
const EVENTS_PER_TURN: usize = 4;

/// Other people of one event who become data subjects.
const MAX_OTHERS: usize = 100;

/// The extraction, without the actor.
pub struct PiiExtractor {
    directory: Arc<dyn Directory>,
}

impl PiiExtractor {
    /// Extracts by the mappings in this directory.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory }
    }

    /// Extracts one event under its integration's mapping as it stands now.
    #[must_use]
    pub fn extract(&self, journaled: JournaledEvent) -> ExtractedEvent {
        let Some(integration) = self.directory.by_id(journaled.event.integration) else {
            let shown = shown_if_harmless(&journaled.event.event_type);
            let reason = Notice::new(
                "",
                EventCode::IntegrationDeleted,
                "the integration was deleted after it accepted this event",
            );
            return rejected(journaled, None, shown, vec![reason]);
        };
        Self::extract_under(integration, journaled)
    }

    /// Returns the claim that generation 1 of the normaliser would have made of an event. Returns `None` if the key is
    /// the same, or may mean another event. See `generation1`.
    #[must_use]
    pub fn earlier_claim(event: &ExtractedEvent) -> Option<Claim> {
        let Finding::Fits(fitting) = &event.finding else {
            return None;
        };
        let claim = fitting.claim?;
        let (accepted, integration) = (&event.journaled.event, event.integration.as_ref()?);
        let mapping = integration.mapping.event(&accepted.event_type)?;
        let link_key = &integration.controller.link_key;
        let processor = integration.processor.as_str();
        let key = generation1::dedup_key(
            mapping,
            &accepted.event_type,
            accepted.body.expose(),
            link_key,
            processor,
        )?;
        (key != claim.key).then_some(Claim { key, ..claim })
    }

    /// Extracts one event under this integration, independently of the directory.
    #[must_use]
    pub fn extract_under(integration: Arc<Integration>, journaled: JournaledEvent) -> ExtractedEvent {
        crate::fail_point!(
            "PiiExtractorActor::event",
            journaled.event.event_type.as_str() == "poison",
            |_| { panic!("injected") }
        );
        let Some(mapping) = integration.mapping.event(&journaled.event.event_type) else {
            let shown = shown_if_harmless(&journaled.event.event_type);
            let reason = Notice::new(
                "/event",
                EventCode::EventUnknown,
                integration
                    .mapping
                    .unknown_event_message(&journaled.event.event_type, &shown),
            );
            return rejected(journaled, Some(integration), shown, vec![reason]);
        };
        let context = ExtractContext {
            processor: integration.processor.as_str(),
        };
        let mut extraction = mapping.extract(journaled.event.body.expose(), &context);
        let shown = journaled.event.event_type.clone();
        let finding = if extraction.reasons.is_empty() {
            let body = journaled.event.body.expose();
            let key = || {
                let link_key = &integration.controller.link_key;
                dedup_key(
                    mapping,
                    &shown,
                    &extraction,
                    body,
                    link_key,
                    integration.processor.as_str(),
                )
            };
            let window = Duration::from_secs(u64::from(mapping.dedup_window_seconds()));
            let claim = (!window.is_zero()).then(|| Claim {
                key: key(),
                event: journaled.event.id,
                window,
            });
            let link_key = &integration.controller.link_key;
            let mapped_digest = claim.and_then(|_| mapped_digest(mapping, &extraction, link_key));
            Finding::Fits(fitting(mapping, &integration, &mut extraction, claim, mapped_digest))
        } else {
            Finding::Rejected(extraction.reasons)
        };
        ExtractedEvent {
            journaled,
            integration: Some(integration),
            shown_event_type: shown,
            finding,
            categories: extraction.categories,
            warnings: extraction.warnings,
            extracted_at: Timestamp::now(),
        }
    }
}

fn fitting(
    mapping: &EventMapping,
    integration: &Integration,
    extraction: &mut Extraction,
    claim: Option<Claim>,
    mapped_digest: Option<MappedDigest>,
) -> Fitting {
    let link_key = &integration.controller.link_key;
    let mut links: Vec<LinkCandidate> = Vec::new();
    let mut others: BTreeMap<usize, Vec<LinkCandidate>> = BTreeMap::new();
    for value in extraction.values.iter().filter(|value| value.linkable) {
        let category = &value.category;
        let hash = link_key.link(&category.key, value.value.expose());
        let links = match value.person {
            Person::Subject => &mut links,
            Person::Other(person) => others.entry(person).or_default(),
        };
        if !links.iter().any(|link| link.hash == hash) {
            links.push(LinkCandidate {
                hash,
                earlier: earlier(value, link_key),
                category: Arc::clone(&category.key),
                strong: category.class == Class::Strong,
                max_distinct: category.max_distinct,
            });
        }
    }
    let refused = extraction.refused.iter().map(|value| RetiredLink {
        hash: link_key.link(&value.category.key, value.spelling.expose()),
        category: Arc::clone(&value.category.key),
        because: Retirement::Placeholder,
    });
    let refused = refused.collect();
    if others.len() > MAX_OTHERS {
        let message = "more than 100 other people: those beyond are no data subjects of this event";
        extraction
            .warnings
            .push(Notice::new("", EventCode::TooManyPeople, message));
    }
    Fitting {
        links,
        refused,
        others: others.into_values().take(MAX_OTHERS).collect(),
        claim,
        mapped_digest,
        purpose: mapping.purpose().cloned(),
        legal_basis: mapping.legal_basis(),
    }
}

/// Returns the hash of the spelling of an earlier generation. Returns `None` if there is no other spelling.
fn earlier(value: &ExtractedValue, link_key: &LinkKey) -> Option<LinkHash> {
    let spelling = value.earlier.as_ref()?;
    Some(link_key.link(&value.category.key, spelling.expose()))
}

fn rejected(
    journaled: JournaledEvent,
    integration: Option<Arc<Integration>>,
    shown_event_type: EventType,
    reasons: Vec<Notice>,
) -> ExtractedEvent {
    ExtractedEvent {
        journaled,
        integration,
        shown_event_type,
        finding: Finding::Rejected(reasons),
        categories: Vec::new(),
        warnings: Vec::new(),
        extracted_at: Timestamp::now(),
    }
}

/// Returns an unknown type only if it looks like a type name, else a stand-in. The text may be an e-mail address or a
/// number in the wrong field, and types are kept in clear.
#[must_use]
pub fn shown_if_harmless(event_type: &EventType) -> EventType {
    let text = event_type.as_str();
    let harmless = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte))
        && text.bytes().filter(u8::is_ascii_digit).count() <= 4;
    if harmless {
        return event_type.clone();
    }
    #[allow(clippy::expect_used)] // A constant of the right form.
    "(withheld)".parse().expect("a constant of the right form")
}

impl Stage for PiiExtractor {
    type Job = Vec<JournaledEvent>;
    type Output = Vec<ExtractedEvent>;
    const ACTOR: &'static str = "PiiExtractorActor";

    async fn handle(&mut self, batch: Vec<JournaledEvent>) -> Vec<ExtractedEvent> {
        crate::fail_point!("PiiExtractorActor");
        let mut extracted = Vec::with_capacity(batch.len());
        for (index, event) in batch.into_iter().enumerate() {
            if index % EVENTS_PER_TURN == EVENTS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            extracted.push(self.extract(event));
        }
        extracted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_is_shown_only_if_it_looks_like_one() {
        let shown = |text: &str| shown_if_harmless(&text.parse().unwrap()).to_string();
        for harmless in ["acount_created", "order.paid/v2", "user:deleted"] {
            assert_eq!(shown(harmless), harmless);
        }
        for suspect in [
            "ada@example.com",
            "+49 30 901820",
            "Ada Lovelace",
            "x4915123456789",
            "ünlü",
        ] {
            assert_eq!(shown(suspect), "(withheld)");
        }
    }
}
