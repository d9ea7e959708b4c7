//! What makes two events repeats of each other.
//!
//! The key is a keyed digest over the kind of key, the event type, the processor, and:
//!
//! - `pii`: every piece of personal data, category and normalised value, in their order; where there is none, the
//!   digest of the body, so that only an exact repeat is one;
//! - `mapped`: every mapped field, pointer and normalised value, in their order;
//! - `body`: the digest of the body.
//!
//! `triggeredAt` is not part of it unless it is mapped. The controller is in the key's key, see [`crate::links`].

use sha3::{Digest, Sha3_256};

use crate::event::DedupKey;
use crate::extract::Extraction;
use crate::ids::EventType;
use crate::links::LinkKey;
use crate::mapping::{DedupKeyKind, EventMapping};

/// The dedup key of an event.
#[must_use]
pub fn dedup_key(
    mapping: &EventMapping,
    event_type: &EventType,
    extraction: &Extraction,
    body: &[u8],
    link_key: &LinkKey,
    processor: &str,
) -> DedupKey {
    let mut key = link_key.dedup(event_type.as_str(), processor);
    match mapping.dedup_key() {
        DedupKeyKind::Pii if !extraction.values.is_empty() => {
            key.part(b"pii");
            let mut values: Vec<_> = extraction
                .values
                .iter()
                .map(|value| (&*value.category.key, value.value.expose().as_str()))
                .collect();
            values.sort_unstable();
            for (category, value) in values {
                key.part(category.as_bytes());
                key.part(value.as_bytes());
            }
        }
        DedupKeyKind::Mapped => {
            key.part(b"mapped");
            let mut fields: Vec<_> = extraction.mapped.expose().iter().collect();
            fields.sort_unstable();
            for field in fields {
                key.part(field.pointer.as_bytes());
                key.part(field.value.as_bytes());
            }
        }
        DedupKeyKind::Pii | DedupKeyKind::Body => {
            key.part(b"body");
            key.part(&Sha3_256::digest(body));
        }
    }
    key.finish()
}
