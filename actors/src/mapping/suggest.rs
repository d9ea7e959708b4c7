//! Suggests a mapping from a sample payload: its fields, and those that look like personal data.
//!
//! A field is recognised by its name, together with its parents. The name decides: if the value does not fit the
//! category, the suggestion has a remark. If the name means nothing, an unmistakable value, such as an e-mail address,
//! decides. A suggestion is only a beginning: the owner of the mapping knows better, and checks it.

pub(super) mod names;

use std::sync::Arc;

use super::fit::fits;
use super::{FieldType, Path, PathStep, value_names, whose};
use crate::envelope::scan_sample;
use crate::ids::Timestamp;
use crate::json::{Json, integer};
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
    /// By the field's name, with any value.
    ByName,
    /// By its value alone.
    ByValue,
}

/// One field of the sample.
#[derive(Debug, Clone)]
pub struct SuggestedField {
    /// Its path, as a mapping has it.
    pub path: String,
    /// The type of its value.
    pub field_type: FieldType,
    /// The probable category, and how it was recognised. `None` if the field does not look personal.
    pub category: Option<(Arc<Category>, Recognised)>,
    /// A remark about the value in the sample, if it does not fit the name. It does not quote the value.
    pub remark: Option<String>,
}

/// The suggestion for a sample.
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
    /// Returns the fields whose person the sample does not show: a strong category in an array, or in two places, and
    /// other personal fields in the same place.
    #[must_use]
    pub fn unclear(&self, taxonomy: &Taxonomy) -> Vec<usize> {
        let key = |field: &'_ SuggestedField| field.category.as_ref().map(|(category, _)| Arc::clone(&category.key));
        let keys: Vec<_> = self.fields.iter().map(key).collect();
        let fields = self.fields.iter().zip(&keys);
        let strong = whose(
            fields.map(|(field, key)| (field.path.as_str(), key.as_deref())),
            taxonomy,
        );
        let place_of = |index: &usize| place(&self.fields[*index].path);
        let places: Vec<_> = strong.iter().filter_map(place_of).collect();
        let beside =
            |index: &usize| keys[*index].is_some() && place_of(index).is_some_and(|place| places.contains(&place));
        (0..self.fields.len())
            .filter(|index| strong.contains(index) || beside(index))
            .collect()
    }
}

/// Returns the common place of one person's fields: the element of an array, else the object. Returns `None` for the
/// whole event.
pub(super) fn place(path: &str) -> Option<Vec<PathStep>> {
    let steps = Path::parse(path).ok()?.steps().to_vec();
    let array = steps.iter().rposition(|step| *step == PathStep::Each);
    let end = array.unwrap_or(steps.len() - 1);
    (end > 0).then(|| steps[..end].to_vec())
}

/// Suggests a mapping. `default_region` is the region of national telephone numbers.
///
/// # Errors
/// The fault of the sample, without quoting it.
pub fn suggest(taxonomy: &Taxonomy, sample: &str, default_region: Option<&str>) -> Result<Suggestion, String> {
    // A body that the endpoint would refuse is no sample.
    scan_sample(sample.as_bytes())?;
    let Ok(Json::Object(members)) = Json::parse(sample.as_bytes()) else {
        return Err("must be a JSON object: { … }".to_owned());
    };
    let event = match members.get("event") {
        None => None,
        Some(Json::String(event)) => Some(event.as_ref().to_owned()),
        Some(_) => {
            return Err("has an event that is not a text: it is the name of the event, as \"order_placed\"".to_owned());
        }
    };
    let mut walk = Walk {
        taxonomy,
        context: NormaliseContext {
            processor: "sample",
            default_region,
        },
        found: Suggestion {
            event,
            ..Suggestion::default()
        },
    };
    for (name, value) in members.iter() {
        // The envelope's own.
        if !matches!(name, "event" | "triggeredAt") {
            walk.member(&[], &[], name, value);
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    taxonomy: &'a Taxonomy,
    context: NormaliseContext<'a>,
    found: Suggestion,
}

impl Walk<'_> {
    fn member(&mut self, above: &[PathStep], parents: &[&str], name: &str, value: &Json<'_>) {
        if above.len() < MAX_DEPTH {
            let steps = [above, &[PathStep::Name(name.into())]].concat();
            self.value(&steps, parents, name, value);
        }
    }

    fn value(&mut self, steps: &[PathStep], parents: &[&str], name: &str, value: &Json<'_>) {
        match value {
            Json::Object(members) => {
                let below = [parents, &[name]].concat();
                for (inner, value) in members.iter() {
                    self.member(steps, &below, inner, value);
                }
            }
            Json::Array(elements) => {
                let steps = [steps, &[PathStep::Each]].concat();
                for element in elements.iter().take(MAX_ELEMENTS) {
                    self.value(&steps, parents, name, element);
                }
            }
            leaf => self.leaf(steps, parents, name, leaf),
        }
    }

    fn leaf(&mut self, steps: &[PathStep], parents: &[&str], name: &str, value: &Json<'_>) {
        let Some(path) = Path::of(steps).map(|path| path.to_string()) else {
            return;
        };
        let (category, remark) = self.recognise(parents, name, value);
        let known = self.found.fields.iter_mut().find(|field| field.path == path);
        if let Some(known) = known {
            // Another element of the same array: one element is enough.
            if known.category.is_none() {
                known.category = category.filter(|_| known.field_type == type_of(value));
            }
            known.remark = known.remark.take().or(remark);
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
            remark,
        });
    }

    /// Returns the probable category of a field, and a remark about its value.
    fn recognise(
        &self,
        parents: &[&str],
        name: &str,
        value: &Json<'_>,
    ) -> (Option<(Arc<Category>, Recognised)>, Option<String>) {
        let text = match value {
            Json::String(text) => text.trim().to_owned(),
            Json::Number(digits) => (*digits).to_owned(),
            Json::Bool(value) => value.to_string(),
            _ => String::new(),
        };
        let by_value = self.by_value(value, &text);
        let Some(category) =
            names::category(self.taxonomy, parents, name).or_else(|| self.at_the_top(parents, name, &text))
        else {
            // A host's name may be its address, and a host is nobody.
            if let Some(host) = by_value.filter(|category| category.normalise == Normaliser::IpAddress)
                && names::is_of_name(&names::words(name))
            {
                return (None, Some(looks_like(host)));
            }
            return (
                by_value.map(|category| (Arc::clone(category), Recognised::ByValue)),
                None,
            );
        };
        // Whether somebody has a thing is not the thing.
        if matches!(value, Json::Bool(_)) && !fits(category.normalise, FieldType::Boolean) {
            let remark = format!(
                "Its name is one of {}, but true or false is no such value.",
                category.key
            );
            return (None, Some(remark));
        }
        let remark = match by_value {
            Some(other) if other.normalise != category.normalise => Some(looks_like(other)),
            _ => self.misfit(category, value, &text),
        };
        (Some((Arc::clone(category), Recognised::ByName)), remark)
    }

    /// Returns the category of a name that says too little alone, if its value says the rest. At the top of an event, these are
    /// a `name` of two capitalised words, and an `address` with a number and a street.
    fn at_the_top(&self, parents: &[&str], name: &str, text: &str) -> Option<&Arc<Category>> {
        if !parents.is_empty() {
            return None;
        }
        let name = names::words(name);
        let is_person = || names::is_of_name(&name) && value_names::is_a_person_s_name(text);
        let is_street = || {
            matches!(
                &*name,
                "address" | "adresse" | "anschrift" | "direccion" | "indirizzo" | "adres"
            ) && text.contains(' ')
                && text.contains(char::is_alphabetic)
                && text.contains(|c: char| c.is_ascii_digit())
        };
        if is_person() {
            return self.taxonomy.get("user.name");
        }
        is_street().then(|| self.taxonomy.get("user.contact.address.street"))?
    }

    /// Returns why events with such a value would leave it out, or be rejected. Returns `None` if the value fits.
    fn misfit(&self, category: &Category, value: &Json<'_>, text: &str) -> Option<String> {
        if value.is_null() || text.is_empty() {
            return None;
        }
        if !matches!(value, Json::String(_)) && !fits(category.normalise, type_of(value)) {
            let kind = value.kind();
            return Some(format!(
                "Its value in the sample is {kind}, and values of this category are texts: send it as a text."
            ));
        }
        let invalid = category.normalise.normalise(text, &self.context).err()?;
        Some(format!(
            "Its value in the sample would not be taken: it {}.",
            invalid.message
        ))
    }

    fn by_value(&self, value: &Json<'_>, text: &str) -> Option<&Arc<Category>> {
        if !matches!(value, Json::String(_)) || text.is_empty() {
            return None;
        }
        let takes = |category: &&Arc<Category>| category.normalise.normalise(text, &self.context).is_ok();
        self.taxonomy
            .categories()
            .iter()
            .filter(|category| is_unmistakable(category.normalise, text))
            .find(takes)
    }
}

fn looks_like(category: &Category) -> String {
    format!(
        "Its value in the sample looks like {} ({}): check what it is.",
        category.label.to_lowercase(),
        category.key
    )
}

/// Returns whether a text that a normaliser accepts is unmistakable, so that its field's name does not matter.
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

fn type_of(value: &Json<'_>) -> FieldType {
    match value {
        Json::Bool(_) => FieldType::Boolean,
        Json::Number(digits) if integer(digits).is_some() => FieldType::Integer,
        Json::Number(_) => FieldType::Number,
        Json::String(text) if Timestamp::parse_rfc3339(text).is_some() => FieldType::Timestamp,
        _ => FieldType::String,
    }
}

#[cfg(test)]
mod tests;
