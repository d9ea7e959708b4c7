//! The dedup key decides whether two events are repeats of each other.
//!
//! The key is a keyed digest over the kind of key, the event type, the processor, and:
//!
//! - `pii`: every piece of personal data, category and normalised value, in their order, and the assignment of values
//!   to other people. If there is no personal data, or only placeholders, the digest of the body, so that only an exact
//!   repeat counts. Values that are recorded as present but not kept, such as health data, go in as they were sent;
//! - `mapped`: every mapped field, pointer and normalised value, in their order. Without a meaningful value, the digest
//!   of the body;
//! - `body`: the digest of the body.
//!
//! A value that was left out as wrong goes in as it was sent: two such values are equal only if their bytes are. An
//! event with more values than the limit is keyed by its body.
//!
//! `triggeredAt` is part of the key only if it is mapped. The controller is in the key's key, see [`crate::links`].

pub(crate) mod generation1;

use sha3::{Digest, Sha3_256};

use crate::event::{DedupKey, MappedDigest};
use crate::extract::{Extraction, LeftOut, MappedField, Person};
use crate::ids::EventType;
use crate::links::{LinkKey, Parts};
use crate::mapping::{DedupKeyKind, EventMapping};

/// Returns the dedup key of an event.
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
    let is_known = || extraction.values.iter().any(|value| !value.blocked);
    let says_something = || extraction.mapped.expose().iter().any(|field| !field.is_blocked);
    match mapping.dedup_key() {
        DedupKeyKind::Pii if !extraction.truncated && is_known() => {
            key.part(b"pii");
            personal(&mut key, extraction);
            left_out(&mut key, extraction, |value| value.is_personal);
        }
        DedupKeyKind::Mapped if !extraction.truncated && says_something() => {
            key.part(b"mapped");
            mapped(&mut key, extraction, |_| true);
            left_out(&mut key, extraction, |_| true);
        }
        DedupKeyKind::Pii | DedupKeyKind::Mapped | DedupKeyKind::Body => {
            key.part(b"body");
            key.part(&Sha3_256::digest(body));
        }
    }
    key.finish()
}

/// Returns a digest of the mapped fields of an event, to compare repeats that share a key of personal data. Returns
/// `None` if the fields add nothing to the key.
#[must_use]
pub fn mapped_digest(mapping: &EventMapping, extraction: &Extraction, link_key: &LinkKey) -> Option<MappedDigest> {
    let says_more = mapping.dedup_key() == DedupKeyKind::Pii && mapping.says_more() && !extraction.truncated;
    says_more.then(|| {
        let mut digest = link_key.mapped();
        // A repeat may be sent with another time: that is no difference.
        mapped(&mut digest, extraction, |field| field.pointer != "/triggeredAt");
        left_out(&mut digest, extraction, |_| true);
        digest.finish()
    })
}

/// Adds the subject's values one by one, then the values of each other person as one part.
fn personal(key: &mut impl Parts, extraction: &Extraction) {
    let present = extraction.present.expose().iter();
    let mut values: Vec<_> = extraction
        .values
        .iter()
        .map(|value| (value.person, &*value.category.key, value.value.expose().as_str()))
        .chain(present.map(|value| (value.person, &*value.category, value.text.as_str())))
        .collect();
    values.sort_unstable();
    let mut others: Vec<Vec<u8>> = Vec::new();
    for of_one in values.chunk_by(|a, b| a.0 == b.0) {
        let mut other = Vec::new();
        for (person, category, value) in of_one {
            for part in [category, value] {
                match person {
                    Person::Subject => key.part(part.as_bytes()),
                    Person::Other(_) => {
                        other.extend_from_slice(&(part.len() as u64).to_be_bytes());
                        other.extend_from_slice(part.as_bytes());
                    }
                }
            }
        }
        if !other.is_empty() {
            others.push(other);
        }
    }
    others.sort_unstable();
    for other in others {
        // No category is called so.
        key.part(b"other person");
        key.part(&other);
    }
}

fn mapped(key: &mut impl Parts, extraction: &Extraction, counts: impl Fn(&MappedField) -> bool) {
    let mut fields: Vec<_> = extraction
        .mapped
        .expose()
        .iter()
        .filter(|field| counts(field))
        .collect();
    fields.sort_unstable();
    for field in fields {
        key.part(field.pointer.as_bytes());
        key.part(field.value.as_bytes());
    }
}

fn left_out(key: &mut impl Parts, extraction: &Extraction, counts: impl Fn(&LeftOut) -> bool) {
    let mut values: Vec<_> = extraction
        .left_out
        .expose()
        .iter()
        .filter(|value| counts(value))
        .collect();
    values.sort_unstable();
    for value in values {
        // No category is called so, and no pointer.
        key.part(b"left out");
        key.part(value.pointer.as_bytes());
        key.part(value.value.as_bytes());
    }
}
