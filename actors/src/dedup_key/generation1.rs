//! Dedup keys as generation 1 made them: a replayed event may repeat one that was processed under its rules.
//!
//! Generation 1 gave some events one key that are two today: it dropped extensions and queries, left out what did not
//! validate, and rounded long numbers. The key of such an event may be another's, so it is not asked for.

use std::collections::HashSet;

use sha3::{Digest, Sha3_256};

use crate::event::DedupKey;
use crate::ids::{EventType, Timestamp};
use crate::json::{Json, number, push_name};
use crate::links::{LinkKey, Parts as _};
use crate::mapping::{DedupKeyKind, EventMapping, FieldMapping, FieldType, PathStep};
use crate::taxonomy::generation1::spelling;
use crate::taxonomy::{Category, NormaliseContext, Normaliser};

/// Values that generation 1 looked at.
const MAX_VALUES: usize = 1_000;

/// Returns the dedup key that generation 1 made of an event, or `None` if other events may have had it too.
pub(crate) fn dedup_key(
    mapping: &EventMapping,
    event_type: &EventType,
    body: &[u8],
    link_key: &LinkKey,
    processor: &str,
) -> Option<DedupKey> {
    let mut former = Former {
        mapping,
        context: NormaliseContext {
            processor,
            default_region: mapping.default_region.as_deref(),
        },
        values: HashSet::new(),
        mapped: Vec::new(),
        seen: 0,
        is_of_somebody: false,
    };
    let kind = mapping.dedup_key();
    if kind != DedupKeyKind::Body {
        let root = Json::parse(body).ok()?;
        for field in &mapping.fields {
            former.walk(field, field.path.steps(), &root, &mut String::new())?;
        }
    }
    let mut key = link_key.dedup(event_type.as_str(), processor);
    match kind {
        DedupKeyKind::Pii if !former.values.is_empty() => {
            if !former.is_of_somebody {
                return None;
            }
            key.part(b"pii");
            let mut values: Vec<_> = former.values.iter().collect();
            values.sort_unstable();
            for (category, value) in values {
                key.part(category.as_bytes());
                key.part(value.as_bytes());
            }
        }
        DedupKeyKind::Mapped => {
            key.part(b"mapped");
            former.mapped.sort_unstable();
            for (pointer, value) in &former.mapped {
                key.part(pointer.as_bytes());
                key.part(value.as_bytes());
            }
        }
        DedupKeyKind::Pii | DedupKeyKind::Body => {
            key.part(b"body");
            key.part(&Sha3_256::digest(body));
        }
    }
    Some(key.finish())
}

struct Former<'a> {
    mapping: &'a EventMapping,
    context: NormaliseContext<'a>,
    /// Category and spelling.
    values: HashSet<(String, String)>,
    /// Pointer and spelling.
    mapped: Vec<(String, String)>,
    seen: usize,
    /// Whether a value is no placeholder.
    is_of_somebody: bool,
}

impl Former<'_> {
    /// Visits every place that the path leads to. `None`: the key is no key of this event alone.
    fn walk(&mut self, field: &FieldMapping, steps: &[PathStep], at: &Json<'_>, pointer: &mut String) -> Option<()> {
        let length = pointer.len();
        match (steps, at) {
            (_, Json::Null) => {}
            ([], _) => self.value(field, at, pointer)?,
            ([PathStep::Name(name), rest @ ..], Json::Object(members)) => {
                if let Some(next) = members.get(name) {
                    push_name(pointer, name);
                    self.walk(field, rest, next, pointer)?;
                }
            }
            ([PathStep::Each, rest @ ..], Json::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    pointer.push('/');
                    pointer.push_str(&index.to_string());
                    self.walk(field, rest, element, pointer)?;
                    pointer.truncate(length);
                }
            }
            _ => return None,
        }
        pointer.truncate(length);
        Some(())
    }

    fn value(&mut self, field: &FieldMapping, at: &Json<'_>, pointer: &str) -> Option<()> {
        self.seen += 1;
        if self.seen > MAX_VALUES {
            return None;
        }
        let text = text(field.field_type, at)?;
        let Some(category) = &field.category else {
            self.mapped.push((pointer.to_owned(), text));
            return Some(());
        };
        if matches!(category.normalise, Normaliser::Presence | Normaliser::Password) {
            self.mapped.push((pointer.to_owned(), String::new()));
            return Some(());
        }
        if text.trim().is_empty() {
            return Some(());
        }
        let written = match at {
            Json::String(written) => &**written,
            _ => &text,
        };
        let former = self.spelling(category, &text, written)?;
        self.mapped.push((pointer.to_owned(), former.clone()));
        self.values.insert((category.key.to_string(), former));
        Some(())
    }

    /// Returns the spelling of generation 1, if it meant the same value then as today. Returns `None` otherwise.
    fn spelling(&mut self, category: &Category, text: &str, written: &str) -> Option<String> {
        let former = spelling(category.normalise, text, &self.context)?;
        let today = category.normalise.normalise(written, &self.context).ok()?;
        let value = today.value?;
        let is_same = *value.expose() == former || today.earlier.is_some_and(|earlier| *earlier.expose() == former);
        self.is_of_somebody |= !self.mapping.taxonomy.is_blocked(category, value.expose());
        is_same.then_some(former)
    }
}

/// Returns the value as text. Returns `None` if it has another type, or lost digits.
fn text(field_type: FieldType, at: &Json<'_>) -> Option<String> {
    match (field_type, at) {
        (FieldType::String, Json::String(text)) => Some(text.clone().into_owned()),
        (FieldType::Boolean, Json::Bool(value)) => Some(value.to_string()),
        (FieldType::Number, Json::Number(digits)) => {
            let read: serde_json::Number = digits.parse().ok()?;
            let text = read.to_string();
            (number(&text) == number(digits)).then_some(text)
        }
        (FieldType::Integer, Json::Number(digits)) => {
            const EXACT: f64 = 9_007_199_254_740_992.0;
            let read: serde_json::Number = digits.parse().ok()?;
            if read.is_i64() || read.is_u64() {
                return Some(read.to_string());
            }
            let value = read
                .as_f64()
                .filter(|value| value.fract() == 0.0 && value.abs() <= EXACT)?;
            Some(format!("{value:.0}"))
        }
        (FieldType::Timestamp, Json::String(text)) => Timestamp::parse_rfc3339(text).map(|time| time.to_string()),
        _ => None,
    }
}
