//! The field names of an event, for people who ask why its mapping does not find a field.
//!
//! Names are structure, but a sender may put values there, as in an object whose names are e-mail addresses. A name
//! that looks like a value is left out and counted. Values are never shown.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::check::nearest;
use super::distance::distance;
use super::suggest::names;
use super::value_names::{is_a_person_s_name, looks_like_a_value};
use super::{EventMapping, FieldType, Mapping, Path, PathStep};
use crate::ids::{EventType, Timestamp};
use crate::json::{Json, integer};

/// Names that are shown, at most.
const MAX_FIELDS: usize = 200;
/// Elements of an array that are looked at.
const MAX_ELEMENTS: usize = 20;

/// The names in an event. No value of it.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Its type in the sent body; null if it looks like a value.
    pub event: Option<String>,
    /// Its fields, in its order, 200 at most.
    pub fields: Vec<ReceivedField>,
    /// How many fields are left out, since a name on the way to them looks like a value.
    pub hidden: usize,
    /// Whether there are more fields than are shown.
    pub has_more: bool,
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedField {
    /// Its path, as a mapping has it.
    pub path: String,
    /// The type of its value. `None` for null.
    #[serde(rename = "type")]
    pub field_type: Option<FieldType>,
    /// Whether the mapping has this path.
    pub mapped: bool,
    /// A path of the mapping that the event does not have, and that may mean this field.
    pub near: Option<String>,
}

impl Mapping {
    /// Returns the field names of an event, with similar names of this mapping. Returns `None` if the body is no JSON
    /// object.
    #[must_use]
    pub fn received(&self, body: &[u8]) -> Option<Received> {
        let Ok(Json::Object(members)) = Json::parse(body) else {
            return None;
        };
        let event = match members.get("event") {
            Some(Json::String(event)) => Some(event.as_ref()),
            _ => None,
        };
        let event_type = event.and_then(|event| event.parse::<EventType>().ok());
        let mapping = event_type.and_then(|event_type| self.event(&event_type));
        let mut walk = Walk {
            found: Received {
                event: event.filter(|name| !looks_like_a_value(name)).map(str::to_owned),
                ..Received::default()
            },
            known: HashSet::new(),
            paths: Vec::new(),
        };
        for (name, value) in members.iter() {
            if !matches!(name, "event" | "triggeredAt") {
                walk.member(&[], name, value);
            }
        }
        if let Some(mapping) = mapping {
            walk.compare(mapping);
        }
        Some(walk.found)
    }
}

struct Walk {
    found: Received,
    known: HashSet<Path>,
    /// The paths of the shown fields.
    paths: Vec<Path>,
}

impl Walk {
    fn member(&mut self, above: &[PathStep], name: &str, value: &Json<'_>) {
        if looks_like_a_value(name) || is_a_person_s_name(name) {
            self.found.hidden += 1;
            return;
        }
        if above.len() < super::path::MAX_STEPS {
            let steps = [above, &[PathStep::Name(name.into())]].concat();
            self.value(&steps, value);
        }
    }

    fn value(&mut self, steps: &[PathStep], value: &Json<'_>) {
        match value {
            Json::Object(members) => members.iter().for_each(|(name, value)| self.member(steps, name, value)),
            Json::Array(elements) => {
                let steps = [steps, &[PathStep::Each]].concat();
                let elements = elements.iter().take(MAX_ELEMENTS);
                elements.for_each(|element| self.value(&steps, element));
            }
            leaf => self.leaf(steps, leaf),
        }
    }

    fn leaf(&mut self, steps: &[PathStep], value: &Json<'_>) {
        let Some(path) = Path::of(steps).filter(|path| !self.known.contains(path)) else {
            return;
        };
        if self.paths.len() == MAX_FIELDS {
            self.found.has_more = true;
            return;
        }
        self.found.fields.push(ReceivedField {
            path: path.to_string(),
            field_type: type_of(value),
            mapped: false,
            near: None,
        });
        self.known.insert(path.clone());
        self.paths.push(path);
    }

    /// Says which fields the mapping has, and which may be meant by those that the event lacks.
    fn compare(&mut self, mapping: &EventMapping) {
        let mapped: HashSet<&Path> = mapping.fields.iter().map(|field| &field.path).collect();
        for (field, path) in self.found.fields.iter_mut().zip(&self.paths) {
            field.mapped = mapped.contains(path);
        }
        let lacking = mapping.fields.iter().filter(|field| !self.known.contains(&field.path));
        for wanted in lacking {
            let category = wanted.category.as_ref().map(|category| &*category.key);
            let free = |field: &ReceivedField| !field.mapped && field.near.is_none();
            let all = self.found.fields.iter().zip(&self.paths).enumerate();
            let best = all
                .filter(|(_, (field, _))| free(field))
                .filter_map(|(index, (_, path))| {
                    let distance = apart(&wanted.path, category, path, &mapping.taxonomy)?;
                    Some((distance, index))
                })
                .min();
            if let Some((_, index)) = best {
                self.found.fields[index].near = Some(wanted.path.to_string());
            }
        }
    }
}

/// Returns the distance between a sent field and a wanted one: by its name, then by the meaning of the name, then by
/// its letters. Returns `None` for unrelated fields.
fn apart(wanted: &Path, category: Option<&str>, sent: &Path, taxonomy: &crate::taxonomy::Taxonomy) -> Option<usize> {
    let (wanted_text, sent_text) = (names::squeezed(&wanted.to_string()), names::squeezed(&sent.to_string()));
    if wanted_text == sent_text {
        return Some(0);
    }
    let last = |path: &Path| {
        path.steps().iter().rev().find_map(|step| match step {
            PathStep::Name(name) => Some(name.to_string()),
            PathStep::Each => None,
        })
    };
    let (wanted_name, sent_name) = (last(wanted)?, last(sent)?);
    let (wanted_last, sent_last) = (names::squeezed(&wanted_name), names::squeezed(&sent_name));
    if wanted_last == sent_last {
        return Some(1);
    }
    let means = names::category(taxonomy, &[], &sent_name).map(|found| &*found.key);
    if category.is_some() && means == category {
        return Some(2);
    }
    let near = nearest(&wanted_last, std::iter::once(sent_last.as_str()))?;
    // Short names are near to everything.
    let letters = distance(&wanted_last, near);
    (letters * 3 <= wanted_last.chars().count()).then_some(2 + letters)
}

fn type_of(value: &Json<'_>) -> Option<FieldType> {
    match value {
        Json::Bool(_) => Some(FieldType::Boolean),
        Json::Number(digits) if integer(digits).is_some() => Some(FieldType::Integer),
        Json::Number(_) => Some(FieldType::Number),
        Json::String(text) if Timestamp::parse_rfc3339(text).is_some() => Some(FieldType::Timestamp),
        Json::String(_) => Some(FieldType::String),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::DedupDefaults;
    use super::*;
    use crate::taxonomy::Taxonomy;

    fn received(fields: serde_json::Value, body: &str) -> Received {
        let spec = json!({"name": "n", "events": [{"name": "e", "fields": fields}]});
        let spec = serde_json::from_value(spec).unwrap();
        let defaults = DedupDefaults { window_seconds: 60 };
        let mapping = Mapping::compile(&spec, &Arc::new(Taxonomy::bundled()), defaults).unwrap();
        mapping.received(body.as_bytes()).unwrap()
    }

    fn near(found: &Received) -> Vec<(&str, bool, Option<&str>)> {
        let fields = found.fields.iter();
        fields
            .map(|field| (field.path.as_str(), field.mapped, field.near.as_deref()))
            .collect()
    }

    #[test]
    fn names_that_were_sent_are_beside_those_that_were_meant() {
        let fields = json!([{"path": "email", "required": true, "pii": "user.contact.email"}, {"path": "customer.firstName"},
            {"path": "orderId"}, {"path": "phone", "pii": "user.contact.phone_number"}, {"path": "there"}, {"path": "total"}]);
        let found = received(
            fields,
            r#"{"event": "e", "triggeredAt": "x", "Email": "a", "first_name": 1, "OrderID": null, "mobile": true, "there": 1.5,
                "items": [{"sku": "x"}, {"sku": "y", "user.email": "2026-04-06T10:30:00Z"}]}"#,
        );
        let expected = [
            ("Email", false, Some("email")),
            ("first_name", false, Some("customer.firstName")),
            ("OrderID", false, Some("orderId")),
            ("mobile", false, Some("phone")),
            ("there", true, None),
            ("items[].sku", false, None),
            ("items[][\"user.email\"]", false, None),
        ];
        assert_eq!(near(&found), expected);
        assert_eq!(
            (found.event.as_deref(), found.hidden, found.has_more),
            (Some("e"), 0, false)
        );
        let types: Vec<_> = found.fields.iter().map(|field| field.field_type).collect();
        use FieldType::{Boolean, Integer, Number, String, Timestamp};
        assert_eq!(
            types,
            [
                Some(String),
                Some(Integer),
                None,
                Some(Boolean),
                Some(Number),
                Some(String),
                Some(Timestamp)
            ]
        );
    }

    #[test]
    fn a_type_that_the_mapping_does_not_have_is_shown_unless_it_is_a_value() {
        let event = |name: &str| {
            let found = received(
                json!([{"path": "email"}]),
                &json!({"event": name, "Email": "x"}).to_string(),
            );
            assert_eq!(near(&found), [("Email", false, None)]);
            found.event
        };
        assert_eq!(event("Order Completed").as_deref(), Some("Order Completed"));
        assert_eq!(
            event("Bestellung abgeschlossen").as_deref(),
            Some("Bestellung abgeschlossen")
        );
        for value in [
            "ada@shop.example",
            "+49 30 901820",
            "2026-04-06",
            "7b6c1f9e-4a3d-4c2b-9f10-2d3e4f5a6b7c",
        ] {
            assert_eq!(event(value), None);
        }
    }

    #[test]
    fn names_that_look_like_values_are_left_out_and_counted() {
        let found = received(
            json!([]),
            r#"{"ada@shop.example": 1, "+49 30 901820": {"a": 1}, "1980-12-31": 1, "203.0.113.7": 1, "::1": 1, "4711-0815": 1,
                "ada%40shop.example": 1, "ada%2540": 1, "ada＠shop.example": 1, "１９８０１２３１": 1, "https://shop.example/ada": 1, "users": {"7b6c1f9e-4a3d-4c2b-9f10-2d3e4f5a6b7c": {"name": "x"}},
                "ada(at)shop.example": 1, "ada&#64;shop": 1, "4711": 1, "1.5.80": 1, "+1 22": 1, "::1/64": 1, "[::1]": 1,
                "fe80::1%eth0": 1, "aa:bb:cc:dd:ee:ff": 1, "deadbeef-dead-beef-dead-beefdeadbeef": 1,
                "linkedin.com/in/ada": 1, "a/b": 1, "7": 1,
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x": 1, "cus_NffrFeUfNV2Hib": 1, "HB-X 123": 1, "12 Main St": 1,
                "f47ac10b": 1, "Ada Lovelace": 1,
                "address2": 1, "First name": 1, "Straße": 1}"#,
        );
        let paths: Vec<_> = found.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["a/b", "7", "address2", "First name", "Straße"]);
        assert_eq!(found.hidden, 29);
    }

    #[test]
    fn names_are_bounded() {
        let many: serde_json::Map<_, _> = (0..500).map(|n| (format!("f{n}"), n.into())).collect();
        let found = received(json!([]), &serde_json::Value::Object(many).to_string());
        assert!(found.fields.len() == 200 && found.has_more);
    }
}
