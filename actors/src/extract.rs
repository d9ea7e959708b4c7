//! Extraction: the personal data in an event, found by its mapping.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codes::EventCode;
use crate::event::Notice;
use crate::ids::Timestamp;
use crate::json::{Json, integer, number, push_name};
use crate::mapping::{EventMapping, FieldMapping, FieldType, PathStep, Role};
use crate::personal::Personal;
use crate::taxonomy::{Category, NormaliseContext, Normaliser, Warn};

/// Values that one event may hold; what is beyond is not looked at, and the event says so.
const MAX_VALUES: usize = 1_000;

/// What an event is extracted in.
#[derive(Debug, Clone, Copy)]
pub struct ExtractContext<'a> {
    /// The processor that it came from.
    pub processor: &'a str,
}

/// A piece of personal data.
#[derive(Debug, Clone)]
pub struct ExtractedValue {
    /// What it is.
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
    /// What it was sent as.
    pub category: Arc<Category>,
    /// As that build spelt it.
    pub spelling: Personal<String>,
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
    /// What it is, if it is personal data.
    pub category: Option<Arc<Category>>,
    /// Places of the event at which the path finds a value, right or wrong.
    pub places: usize,
    /// What an event with this field alone would give.
    pub extraction: Extraction,
}

/// What was found in an event.
#[derive(Debug, Default)]
pub struct Extraction {
    /// The personal data, each value once.
    pub values: Vec<ExtractedValue>,
    /// The categories found, also of what has no value to keep; sorted, each once.
    pub categories: Vec<Arc<str>>,
    /// Values that link nothing today and may have linked once.
    pub refused: Vec<RefusedValue>,
    /// All mapped fields.
    pub mapped: Personal<Vec<MappedField>>,
    /// What was left out.
    pub left_out: Personal<Vec<LeftOut>>,
    /// Whether there was more than is looked at.
    pub truncated: bool,
    /// Why the event does not fit its mapping; empty if it does.
    pub reasons: Vec<Notice>,
    /// What was left out, or is worth a look.
    pub warnings: Vec<Notice>,
}

impl EventMapping {
    /// Extracts an event whose envelope is right.
    #[must_use]
    pub fn extract(&self, body: &[u8], context: &ExtractContext<'_>) -> Extraction {
        let Ok(root) = Json::parse(body) else {
            let reason = Notice::new("", EventCode::JsonInvalid, "the body is not valid JSON");
            return Extraction {
                reasons: vec![reason],
                ..Extraction::default()
            };
        };
        let mut extractor = Extractor {
            mapping: self,
            context,
            found: Extraction::default(),
            values: 0,
            others: Vec::new(),
        };
        for field in &self.fields {
            extractor.field(field, &root);
        }
        extractor.finish()
    }

    /// Extracts each field by itself, to show which gives what. Nothing, for a body that is not JSON.
    #[must_use]
    pub fn trace(&self, body: &[u8], context: &ExtractContext<'_>) -> Vec<FieldTrace> {
        let root = Json::parse(body).unwrap_or(Json::Null);
        let trace = |field: &FieldMapping| {
            let mut extractor = Extractor {
                mapping: self,
                context,
                found: Extraction::default(),
                values: 0,
                others: Vec::new(),
            };
            let places = extractor.field(field, &root);
            FieldTrace {
                path: field.path.to_string(),
                field_type: field.field_type,
                required: field.required,
                category: field.category.clone(),
                places,
                extraction: extractor.finish(),
            }
        };
        self.fields.iter().map(trace).collect()
    }
}

struct Extractor<'a> {
    /// Where the other people are.
    others: Vec<String>,
    mapping: &'a EventMapping,
    context: &'a ExtractContext<'a>,
    found: Extraction,
    values: usize,
}

impl Extractor<'_> {
    /// How many values it has, right or wrong.
    fn field(&mut self, field: &FieldMapping, root: &Json<'_>) -> usize {
        let mut found = 0;
        self.walk(field, field.path.steps(), root, &mut String::new(), &mut found);
        if found == 0 && field.required {
            let pointer = pointer_of(field);
            let message = format!("{} is required by the mapping and was not sent", field.path);
            self.found
                .reasons
                .push(Notice::new(pointer, EventCode::RequiredMissing, message));
        }
        found
    }

    /// Visits every place that the path leads to. `found` counts those with a value, right or wrong.
    fn walk(
        &mut self,
        field: &FieldMapping,
        steps: &[PathStep],
        at: &Json<'_>,
        pointer: &mut String,
        found: &mut usize,
    ) {
        let length = pointer.len();
        match steps {
            [] if at.is_null() => {}
            [] => {
                *found += 1;
                self.value(field, at, pointer);
            }
            [PathStep::Name(name), rest @ ..] => match at {
                Json::Object(members) => {
                    if let Some(next) = members.get(name) {
                        push_name(pointer, name);
                        self.walk(field, rest, next, pointer, found);
                    }
                }
                Json::Null => {}
                other => self.wrong_shape(field, "an object", other, pointer, found),
            },
            [PathStep::Each, rest @ ..] => match at {
                Json::Array(elements) => {
                    for (index, element) in elements.iter().enumerate() {
                        if self.values > MAX_VALUES {
                            return;
                        }
                        pointer.push('/');
                        pointer.push_str(&index.to_string());
                        self.walk(field, rest, element, pointer, found);
                        pointer.truncate(length);
                    }
                }
                Json::Null => {}
                other => self.wrong_shape(field, "an array", other, pointer, found),
            },
        }
        pointer.truncate(length);
    }

    fn wrong_shape(&mut self, field: &FieldMapping, wanted: &str, at: &Json<'_>, pointer: &str, found: &mut usize) {
        *found += 1;
        let message = format!("the path {} needs {wanted} here, but this is {}", field.path, at.kind());
        self.fault(field, at, Notice::new(pointer, EventCode::WrongType, message));
    }

    fn value(&mut self, field: &FieldMapping, at: &Json<'_>, pointer: &str) {
        self.values += 1;
        if self.values > MAX_VALUES {
            if self.values == MAX_VALUES + 1 {
                self.found.truncated = true;
                let message = "more than 1,000 values: those beyond were not looked at";
                self.found
                    .warnings
                    .push(Notice::new("", EventCode::TooManyValues, message));
            }
            return;
        }
        let text = match (typed(field.field_type, at), at) {
            // The date as it is written: in another zone it may be another.
            (Ok(_), Json::String(written)) if is_birth_date(field) => written.clone().into_owned(),
            (Ok(text), _) => text,
            (Err(Untyped::OutOfRange), _) => {
                let message = format!("{} is a number that is too large: doubles end at 1.8e308", field.path);
                return self.fault(field, at, Notice::new(pointer, EventCode::NumberOutOfRange, message));
            }
            (Err(Untyped::WrongType), _) => {
                let message = format!("must be of type {}, but is {}", name(field.field_type), at.kind());
                return self.fault(field, at, Notice::new(pointer, EventCode::WrongType, message));
            }
        };
        match &field.category {
            Some(category) => self.personal(field, category, at, &text, pointer),
            None => self.mapped(pointer, text),
        }
    }

    fn personal(&mut self, field: &FieldMapping, category: &Arc<Category>, at: &Json<'_>, text: &str, pointer: &str) {
        let context = NormaliseContext {
            processor: self.context.processor,
            default_region: self.mapping.default_region.as_deref(),
        };
        let normalised = match category.normalise.normalise(text, &context) {
            Ok(normalised) => normalised,
            Err(invalid) => {
                self.refused(category, text, &context);
                // An empty text is how many systems say that there is none.
                if invalid.is_empty() && !field.required {
                    return;
                }
                let message = format!("{} {}", field.path, invalid.message);
                return self.fault(field, at, Notice::new(pointer, invalid.code, message));
            }
        };
        self.found.categories.push(Arc::clone(&category.key));
        if let Some((code, message)) = normalised.warning {
            self.found.warnings.push(Notice::new(pointer, code, message));
        }
        if category.warn == Some(Warn::Children) {
            let message = "data about children: consent may have to come from their parents (GDPR, article 8)";
            self.found
                .warnings
                .push(Notice::new(pointer, EventCode::ChildrenData, message));
        }
        let Some(value) = normalised.value else {
            return self.mapped(pointer, String::new());
        };
        self.mapped(pointer, value.expose().clone());
        let person = self.person(field, pointer);
        let known = |other: &ExtractedValue| {
            other.person == person && other.category.key == category.key && other.value == value
        };
        if self.found.values.iter().any(known) {
            return;
        }
        let blocked = category.links() && self.mapping.taxonomy.is_blocked(category, value.expose());
        if blocked {
            self.refused(category, text, &context);
            let message = format!(
                "{} stands for nobody, or for many: it was recorded, but links nothing",
                field.path
            );
            self.found
                .warnings
                .push(Notice::new(pointer, EventCode::BlocklistedValue, message));
        }
        let linkable = category.links() && !blocked;
        self.found.values.push(ExtractedValue {
            category: Arc::clone(category),
            value,
            linkable,
            earlier: normalised.earlier,
            blocked,
            person,
        });
    }

    /// Whose the value at this pointer is.
    fn person(&mut self, field: &FieldMapping, pointer: &str) -> Person {
        if field.role == Role::Subject {
            return Person::Subject;
        }
        let steps = field.path.steps();
        let last_array = steps.iter().rposition(|step| *step == PathStep::Each);
        let names = last_array.map_or(1, |array| steps.len() - array - 1);
        let place = (0..names).fold(pointer, |place, _| {
            place.rsplit_once('/').map_or("", |(above, _)| above)
        });
        let index = self.others.iter().position(|other| other == place).unwrap_or_else(|| {
            self.others.push(place.to_owned());
            self.others.len() - 1
        });
        Person::Other(index)
    }

    /// Notes how an earlier build may have linked what is refused today.
    fn refused(&mut self, category: &Arc<Category>, text: &str, context: &NormaliseContext<'_>) {
        let taxonomy = &self.mapping.taxonomy;
        if category.links()
            && let Some(spelling) = taxonomy.refused_spelling(category, text, context)
        {
            let category = Arc::clone(category);
            self.found.refused.push(RefusedValue { category, spelling });
        }
    }

    fn mapped(&mut self, pointer: &str, value: String) {
        self.found.mapped.expose_mut().push(MappedField {
            pointer: pointer.to_owned(),
            value,
        });
    }

    /// A required field's fault rejects the event; an optional field is left out.
    fn fault(&mut self, field: &FieldMapping, at: &Json<'_>, notice: Notice) {
        if field.required {
            self.found.reasons.push(notice);
        } else {
            self.found.left_out.expose_mut().push(LeftOut {
                pointer: notice.field.clone(),
                // Whatever it is written as: it is only compared.
                value: format!("{at:?}"),
                is_personal: field.category.is_some(),
            });
            self.found.warnings.push(notice);
        }
    }

    fn finish(mut self) -> Extraction {
        let categories: BTreeSet<Arc<str>> = self.found.categories.drain(..).collect();
        self.found.categories = categories.into_iter().collect();
        self.found
    }
}

fn is_birth_date(field: &FieldMapping) -> bool {
    let category = field.category.as_ref();
    category.is_some_and(|category| category.normalise == Normaliser::BirthDate)
}

/// Why a value is not of a type.
enum Untyped {
    WrongType,
    OutOfRange,
}

/// The value as text, if it is of the type.
fn typed(field_type: FieldType, at: &Json<'_>) -> Result<String, Untyped> {
    match (field_type, at) {
        (FieldType::String, Json::String(text)) => Some(text.clone().into_owned()),
        (FieldType::Boolean, Json::Bool(value)) => Some(value.to_string()),
        (FieldType::Number, Json::Number(digits)) => return number(digits).ok_or(Untyped::OutOfRange),
        (FieldType::Integer, Json::Number(digits)) => integer(digits),
        (FieldType::Timestamp, Json::String(text)) => Timestamp::parse_rfc3339(text).map(|time| time.to_string()),
        _ => None,
    }
    .ok_or(Untyped::WrongType)
}

fn name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::String => "string",
        FieldType::Integer => "integer",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Timestamp => "timestamp (RFC 3339)",
    }
}

/// Where a field should be, elements left out.
fn pointer_of(field: &FieldMapping) -> String {
    let mut pointer = String::new();
    for step in field.path.steps() {
        if let PathStep::Name(name) = step {
            push_name(&mut pointer, name);
        }
    }
    pointer
}

#[cfg(test)]
mod tests;
