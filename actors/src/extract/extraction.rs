//! The values found in an event.

use std::sync::Arc;

use crate::event::Notice;
use crate::mapping::FieldType;
use crate::personal::Personal;
use crate::taxonomy::Category;

/// The context of an extraction.
#[derive(Debug, Clone, Copy)]
pub struct ExtractContext<'a> {
    /// The processor that it came from.
    pub processor: &'a str,
}

/// A piece of personal data.
#[derive(Debug, Clone)]
pub struct ExtractedValue {
    /// The category.
    pub category: Arc<Category>,
    /// Normalised.
    pub value: Personal<String>,
    /// Whether it may link: its category does, and it is not blocked.
    pub linkable: bool,
    /// How an earlier generation of the normaliser spelt it, if differently: links of that time are found by it.
    pub earlier: Option<Personal<String>>,
    /// Whether it stands for nobody, or for many.
    pub blocked: bool,
    /// Whose it is.
    pub person: Person,
}

/// A value that links nothing today, in the spelling that a link of an earlier build may have been made of.
#[derive(Debug, Clone)]
pub struct RefusedValue {
    /// The category under which it was sent.
    pub category: Arc<Category>,
    /// As that build spelt it.
    pub spelling: Personal<String>,
}

/// Personal data of which nothing is kept but that it was there: health, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentValue {
    /// The category under which it was sent.
    pub category: Arc<str>,
    /// Whose it is.
    pub person: Person,
    /// As it was sent, to tell repeats by; empty for passwords.
    pub text: String,
}

/// Whom a piece of personal data is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// The one whom the event concerns.
    Subject,
    /// Another one; people of an event are counted from 0, in the order of the mapping.
    Other(usize),
}

/// A mapped field in canonical form: for dedup keys that take in all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappedField {
    /// JSON Pointer to it.
    pub pointer: String,
    /// Its value in JSON, or normalised.
    pub value: String,
    /// Whether it says nothing: it stands for nobody, or for many.
    pub is_blocked: bool,
}

/// A value of an optional field that is not what its mapping says, and was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// JSON Pointer to it.
    pub pointer: String,
    /// The value as JSON.
    pub value: String,
    /// Whether its field is personal data.
    pub is_personal: bool,
}

/// One field of a mapping, and what an event has for it.
#[derive(Debug)]
pub struct FieldTrace {
    /// Its path in the mapping.
    pub path: String,
    /// The type that its values must have.
    pub field_type: FieldType,
    /// Whether an event without it is rejected.
    pub required: bool,
    /// The category, for personal data.
    pub category: Option<Arc<Category>>,
    /// Places of the event at which the path finds a value, right or wrong.
    pub places: usize,
    /// The extraction of an event with this field alone.
    pub extraction: Extraction,
}

/// The values found in an event.
#[derive(Debug, Default)]
pub struct Extraction {
    /// The personal data, each value once.
    pub values: Vec<ExtractedValue>,
    /// The categories found, including those without a kept value; sorted, each once.
    pub categories: Vec<Arc<str>>,
    /// Values that were present, and are not kept.
    pub present: Personal<Vec<PresentValue>>,
    /// Values that link nothing today and may have linked once.
    pub refused: Vec<RefusedValue>,
    /// All mapped fields.
    pub mapped: Personal<Vec<MappedField>>,
    /// Values that were left out.
    pub left_out: Personal<Vec<LeftOut>>,
    /// Whether there was more than is looked at.
    pub truncated: bool,
    /// Why the event does not fit its mapping; empty if it does.
    pub reasons: Vec<Notice>,
    /// Values that were left out, and other warnings.
    pub warnings: Vec<Notice>,
}
