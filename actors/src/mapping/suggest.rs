//! Suggests a mapping from a sample payload: which fields there are, and which of them look like personal data.
//!
//! A field is recognised by its name, in the light of what it is part of, and by its value, which must be what the category
//! takes; a value that can be nothing else, as an e-mail address, is recognised by itself. What is suggested is only a
//! beginning: its owner knows better, and checks it.

mod names;

use std::sync::Arc;

use serde_json::Value;

use super::check::fits;
use super::{FieldType, Path, whose};
use crate::ids::Timestamp;
use crate::taxonomy::{Category, NormaliseContext, Normaliser, Taxonomy};

/// Fields that are suggested, at most.
const MAX_FIELDS: usize = 200;
/// Elements of an array that are looked at.
const MAX_ELEMENTS: usize = 20;
/// How deep: as deep as an event may be mapped.
const MAX_DEPTH: usize = super::path::MAX_STEPS;

/// How a category was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// By the field's name; a value, if there was one, agrees.
    ByName,
    /// By its value alone.
    ByValue,
}

/// One field of the sample.
#[derive(Debug, Clone)]
pub struct SuggestedField {
    /// Its path, as a mapping has it.
    pub path: String,
    /// What its value is.
    pub field_type: FieldType,
    /// What it seems to be, and how that was recognised; none: nothing personal, as far as one can see.
    pub category: Option<(Arc<Category>, Recognised)>,
}

/// What a sample suggests.
#[derive(Debug, Clone, Default)]
pub struct Suggestion {
    /// The event's type, if the sample has one.
    pub event: Option<String>,
    /// The fields that can be mapped, in the sample's order.
    pub fields: Vec<SuggestedField>,
    /// Whether there are more fields than are suggested.
    pub has_more: bool,
}

impl Suggestion {
    /// The fields of which the sample does not tell whose they are: a strong category in an array, or of two places, and what
    /// else is personal at the same place.
    #[must_use]
    pub fn unclear(&self, taxonomy: &Taxonomy) -> Vec<usize> {
        let key = |field: &'_ SuggestedField| field.category.as_ref().map(|(category, _)| Arc::clone(&category.key));
        let keys: Vec<_> = self.fields.iter().map(key).collect();
        let fields = self.fields.iter().zip(&keys);
        let strong = whose(
            fields.map(|(field, key)| (field.path.as_str(), key.as_deref())),
            taxonomy,
        );
        let places: Vec<&str> = strong.iter().map(|index| place(&self.fields[*index].path)).collect();
        let beside = |index: &usize| {
            let place = place(&self.fields[*index].path);
            keys[*index].is_some() && !place.is_empty() && places.contains(&place)
        };
        (0..self.fields.len())
            .filter(|index| strong.contains(index) || beside(index))
            .collect()
    }
}

/// What one person's fields have in common: the element of an array, else the object.
fn place(path: &str) -> &str {
    let array = path.rfind("[]").map(|at| &path[..at]);
    array
        .or_else(|| path.rfind('.').map(|at| &path[..at]))
        .unwrap_or_default()
}

/// Suggests a mapping. `default_region` is that of national telephone numbers.
///
/// # Errors
/// What is wrong with the sample; nothing of it is repeated.
pub fn suggest(taxonomy: &Taxonomy, sample: &str, default_region: Option<&str>) -> Result<Suggestion, String> {
    let root: Value = serde_json::from_str(sample)
        .map_err(|error| format!("is not valid JSON at line {}, column {}", error.line(), error.column()))?;
    let Value::Object(members) = &root else {
        return Err("must be a JSON object: { … }".to_owned());
    };
    if members.get("event").is_some_and(|event| !event.is_string()) {
        return Err("has an event that is not a text: it is the name of the event, as \"order_placed\"".to_owned());
    }
    let mut found = Suggestion {
        event: members.get("event").and_then(Value::as_str).map(str::to_owned),
        ..Suggestion::default()
    };
    let context = NormaliseContext {
        processor: "sample",
        default_region,
    };
    let mut walk = Walk {
        taxonomy,
        context,
        found: &mut found,
    };
    for (name, value) in members {
        // The envelope's own.
        if !matches!(name.as_str(), "event" | "triggeredAt") {
            walk.member("", &[], name, value, 0);
        }
    }
    Ok(found)
}

struct Walk<'a> {
    taxonomy: &'a Taxonomy,
    context: NormaliseContext<'a>,
    found: &'a mut Suggestion,
}

impl Walk<'_> {
    fn member(&mut self, parent: &str, parents: &[&str], name: &str, value: &Value, depth: usize) {
        // A path divides names by dots: such a name cannot be in one.
        if depth >= MAX_DEPTH || name.contains(['.', '[', ']']) {
            return;
        }
        let path = if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        };
        self.value(path, parents, name, value, depth);
    }

    fn value(&mut self, path: String, parents: &[&str], name: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(members) => {
                let below = [parents, &[name]].concat();
                for (inner, value) in members {
                    self.member(&path, &below, inner, value, depth + 1);
                }
            }
            Value::Array(elements) => {
                let path = format!("{path}[]");
                for element in elements.iter().take(MAX_ELEMENTS) {
                    self.value(path.clone(), parents, name, element, depth + 1);
                }
            }
            leaf => self.leaf(path, parents, name, leaf),
        }
    }

    fn leaf(&mut self, path: String, parents: &[&str], name: &str, value: &Value) {
        if Path::parse(&path).is_err() {
            return;
        }
        let category = self.recognise(parents, name, value);
        let known = self.found.fields.iter_mut().find(|field| field.path == path);
        if let Some(known) = known {
            // Another element of the same array: what one of them tells is enough.
            if known.category.is_none() {
                known.category = category.filter(|_| known.field_type == type_of(value));
            }
            return;
        }
        if self.found.fields.len() == MAX_FIELDS {
            self.found.has_more = true;
            return;
        }
        let is_plain_text = category
            .as_ref()
            .is_some_and(|(category, _)| !fits(category.normalise, type_of(value)));
        self.found.fields.push(SuggestedField {
            path,
            field_type: if is_plain_text {
                FieldType::String
            } else {
                type_of(value)
            },
            category,
        });
    }

    fn recognise(&self, parents: &[&str], name: &str, value: &Value) -> Option<(Arc<Category>, Recognised)> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => String::new(),
        };
        let by_name = names::category(self.taxonomy, parents, name)
            .filter(|category| value.is_null() || text.is_empty() || self.takes(category, value, &text));
        if let Some(category) = by_name {
            return Some((Arc::clone(category), Recognised::ByName));
        }
        if !value.is_string() || text.is_empty() {
            return None;
        }
        let unmistakable = |category: &&Arc<Category>| is_unmistakable(category.normalise, &text);
        let by_value = self
            .taxonomy
            .categories()
            .iter()
            .filter(unmistakable)
            .find(|category| self.takes(category, value, &text))?;
        Some((Arc::clone(by_value), Recognised::ByValue))
    }

    fn takes(&self, category: &Category, value: &Value, text: &str) -> bool {
        // A date of birth may come as a full timestamp or as a plain date: the category says which texts are right.
        let is_text = matches!(value, Value::String(_)) && fits(category.normalise, FieldType::String);
        (is_text || fits(category.normalise, type_of(value)))
            && category.normalise.normalise(text, &self.context).is_ok()
    }
}

/// Whether a text that a normaliser takes can be little else, so that its field's name does not matter.
fn is_unmistakable(normaliser: Normaliser, text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match normaliser {
        Normaliser::Email => text.contains('@'),
        Normaliser::Phone => text.starts_with('+') && digits >= 8,
        Normaliser::IpAddress => text.contains('.') || text.matches(':').count() >= 2,
        Normaliser::MacAddress => text.len() == 17,
        Normaliser::BankAccount => text.starts_with(|first: char| first.is_ascii_uppercase()) && text.len() >= 15,
        Normaliser::PaymentCard => digits >= 15,
        _ => false,
    }
}

fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(number) if number.is_i64() || number.is_u64() => FieldType::Integer,
        Value::Number(_) => FieldType::Number,
        Value::String(text) if Timestamp::parse_rfc3339(text).is_some() => FieldType::Timestamp,
        _ => FieldType::String,
    }
}

#[cfg(test)]
mod tests;
