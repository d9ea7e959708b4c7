//! Extraction: the personal data in an event, found by its mapping.

mod extraction;
mod typed;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codes::EventCode;
use crate::event::Notice;
use crate::json::{Json, push_name};
use crate::mapping::{EventMapping, FieldMapping, PathStep, Role};
use crate::taxonomy::{Category, NormaliseContext, Normaliser, Warn};

pub use extraction::{
    ExtractContext, ExtractedValue, Extraction, FieldTrace, LeftOut, MappedField, Person, PresentValue, RefusedValue,
};
use typed::{Untyped, name, typed};

/// The most values of one event. Further values are not read, and the event says so.
const MAX_VALUES: usize = 1_000;

/// Elements of arrays that are visited: each path goes through all of its own, whether they hold a value or not.
const MAX_VISITS: usize = 100_000;

/// Reasons, and warnings, that an event keeps: an answer that names a thousand helps nobody.
const MAX_NOTICES: usize = 100;

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
            visits: 0,
            left_unsaid: 0,
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
                visits: 0,
                left_unsaid: 0,
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
    visits: usize,
    /// Notices beyond those that are kept.
    left_unsaid: usize,
}

impl Extractor<'_> {
    /// Extracts a field. Returns the number of its values, valid or not.
    fn field(&mut self, field: &FieldMapping, root: &Json<'_>) -> usize {
        let mut found = 0;
        self.walk(field, field.path.steps(), root, &mut String::new(), &mut found);
        if found == 0 && field.required {
            let pointer = pointer_of(field);
            let message = format!("{} is required by the mapping and was not sent", field.path);
            self.reject(Notice::new(pointer, EventCode::RequiredMissing, message));
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
                        if self.is_over() {
                            return;
                        }
                        self.visits += 1;
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
        if !self.counts() {
            return;
        }
        let message = format!("the path {} needs {wanted} here, but this is {}", field.path, at.kind());
        self.fault(field, at, Notice::new(pointer, EventCode::WrongType, message));
    }

    /// Returns whether there are more values than the limit.
    const fn is_over(&self) -> bool {
        self.values > MAX_VALUES || self.visits > MAX_VISITS
    }

    /// Counts a value, right or wrong. Returns whether it is still looked at.
    fn counts(&mut self) -> bool {
        self.values += 1;
        self.values <= MAX_VALUES
    }

    fn value(&mut self, field: &FieldMapping, at: &Json<'_>, pointer: &str) {
        if !self.counts() {
            return;
        }
        let text = match (typed(field.field_type, at), at) {
            // The date as it is written, because it may differ in another zone.
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
            None => self.mapped(pointer, text, false),
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
            self.warn(Notice::new(pointer, code, message));
        }
        if category.warn == Some(Warn::Children) {
            let message = "data about children: consent may have to come from their parents (GDPR, article 8)";
            self.warn(Notice::new(pointer, EventCode::ChildrenData, message));
        }
        let person = self.person(field, pointer);
        let Some(value) = normalised.value else {
            return self.present(category, person, text, pointer);
        };
        let known = |other: &ExtractedValue| {
            other.person == person && other.category.key == category.key && other.value == value
        };
        if let Some(same) = self.found.values.iter().find(|other| known(other)) {
            return self.mapped(pointer, value.expose().clone(), same.blocked);
        }
        let blocked = category.links() && self.mapping.taxonomy.is_blocked(category, value.expose());
        self.mapped(pointer, value.expose().clone(), blocked);
        if blocked {
            self.refused(category, text, &context);
            let message = format!(
                "{} stands for nobody, or for many: it was recorded, but links nothing",
                field.path
            );
            self.warn(Notice::new(pointer, EventCode::BlocklistedValue, message));
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

    /// Returns the owner of the value at this pointer.
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

    /// Notes how an earlier build may have linked a value that is refused today.
    fn refused(&mut self, category: &Arc<Category>, text: &str, context: &NormaliseContext<'_>) {
        let taxonomy = &self.mapping.taxonomy;
        if category.links()
            && let Some(spelling) = taxonomy.refused_spelling(category, text, context)
        {
            let category = Arc::clone(category);
            self.found.refused.push(RefusedValue { category, spelling });
        }
    }

    fn mapped(&mut self, pointer: &str, value: String, is_blocked: bool) {
        self.found.mapped.expose_mut().push(MappedField {
            pointer: pointer.to_owned(),
            value,
            is_blocked,
        });
    }

    /// Records the presence of a value without keeping it. Two events that differ in it are still different events.
    fn present(&mut self, category: &Arc<Category>, person: Person, text: &str, pointer: &str) {
        let text = match category.normalise {
            Normaliser::Password => String::new(),
            _ => text.to_owned(),
        };
        self.mapped(pointer, text.clone(), false);
        self.found.present.expose_mut().push(PresentValue {
            category: Arc::clone(&category.key),
            person,
            text,
        });
    }

    fn reject(&mut self, notice: Notice) {
        if self.found.reasons.len() < MAX_NOTICES {
            self.found.reasons.push(notice);
        } else {
            self.left_unsaid += 1;
        }
    }

    fn warn(&mut self, notice: Notice) {
        if self.found.warnings.len() < MAX_NOTICES {
            self.found.warnings.push(notice);
        } else {
            self.left_unsaid += 1;
        }
    }

    /// Records a fault. A required field's fault rejects the event; an optional field is left out.
    fn fault(&mut self, field: &FieldMapping, at: &Json<'_>, notice: Notice) {
        if field.required {
            self.reject(notice);
        } else {
            self.found.left_out.expose_mut().push(LeftOut {
                pointer: notice.field.clone(),
                // In any spelling: it is only compared.
                value: format!("{at:?}"),
                is_personal: field.category.is_some(),
            });
            self.warn(notice);
        }
    }

    fn finish(mut self) -> Extraction {
        if self.is_over() {
            self.found.truncated = true;
            let message = "more than 1,000 values, or 100,000 elements of arrays: those beyond were not looked at";
            self.found
                .warnings
                .push(Notice::new("", EventCode::TooManyValues, message));
        }
        if self.left_unsaid > 0 {
            let message = format!(
                "there is more to say of {} values like those that are named",
                self.left_unsaid
            );
            self.found
                .warnings
                .push(Notice::new("", EventCode::TooManyNotices, message));
        }
        let categories: BTreeSet<Arc<str>> = self.found.categories.drain(..).collect();
        self.found.categories = categories.into_iter().collect();
        self.found
    }
}

fn is_birth_date(field: &FieldMapping) -> bool {
    let category = field.category.as_ref();
    category.is_some_and(|category| category.normalise == Normaliser::BirthDate)
}

/// Returns the expected place of a field, without elements.
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
