//! Sample events, with a plausible value for every field of the mapping.
//!
//! The values belong to nobody: addresses and numbers are reserved for documentation (RFC 2606, RFC 5737, RFC 7042, and
//! published examples of authorities and card schemes).

use serde_json::{Map, Value};

use super::{EventMapping, FieldMapping, FieldType, PathStep};
use crate::ids::{EventType, Timestamp};
use crate::taxonomy::normalise::contact::example_number;
use crate::taxonomy::{Category, Normaliser};

/// A moment for fields that are one.
const MOMENT: &str = "2026-01-31T12:00:00Z";

impl EventMapping {
    /// Returns an event of this type that fits the mapping. If two fields contradict each other (one is inside
    /// another), it has the required one, or the first.
    #[must_use]
    pub fn sample(&self, event_type: &EventType, triggered_at: Timestamp) -> Value {
        let mut body = Value::Object(Map::new());
        put(&mut body, &[PathStep::Name("event".into())], event_type.as_str().into());
        let at = PathStep::Name("triggeredAt".into());
        put(&mut body, &[at], triggered_at.to_string().into());
        for required in [true, false] {
            for field in self.fields.iter().filter(|field| field.required == required) {
                if let Some(value) = self.value(field) {
                    put(&mut body, field.path.steps(), value);
                }
            }
        }
        body
    }

    /// Returns a sample value. Returns `None` for values that should not be sent at all.
    fn value(&self, field: &FieldMapping) -> Option<Value> {
        let Some(category) = &field.category else {
            return Some(plain(field.field_type));
        };
        if category.normalise == Normaliser::Password && !field.required {
            return None;
        }
        Some(match field.field_type {
            FieldType::String => text(category).into(),
            FieldType::Integer => self.integer(category).into(),
            other => plain(other),
        })
    }

    fn integer(&self, category: &Category) -> u64 {
        match category.normalise {
            // Without a region, a number is valid only with a plus in front.
            Normaliser::Phone => {
                let region = self.default_region.as_deref();
                region.and_then(example_number).unwrap_or(442_079_460_958)
            }
            Normaliser::PaymentCard => 4_242_424_242_424_242,
            Normaliser::PostalCode => 10_115,
            _ => 100_234,
        }
    }
}

/// Puts a value where a path leads, if nothing is in the way.
fn put(at: &mut Value, steps: &[PathStep], value: Value) {
    match steps {
        [] if at.is_null() => *at = value,
        [] => {}
        [PathStep::Name(name), rest @ ..] => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            if let Value::Object(members) = at {
                put(members.entry(&**name).or_insert(Value::Null), rest, value);
            }
        }
        [PathStep::Each, rest @ ..] => {
            if at.is_null() {
                *at = Value::Array(vec![Value::Null]);
            }
            if let Some(first) = at.as_array_mut().and_then(|elements| elements.first_mut()) {
                put(first, rest, value);
            }
        }
    }
}

fn plain(field_type: FieldType) -> Value {
    match field_type {
        FieldType::String => "sample".into(),
        FieldType::Integer => 1.into(),
        FieldType::Number => 1.5.into(),
        FieldType::Boolean => true.into(),
        FieldType::Timestamp => MOMENT.into(),
    }
}

/// Returns a text of the category.
fn text(category: &Category) -> &'static str {
    match category.normalise {
        Normaliser::Email => "customer@shop.example",
        Normaliser::Phone => "+44 20 7946 0958",
        Normaliser::Url => "https://shop.example/customers/1001",
        Normaliser::Opaque => "C-1001",
        Normaliser::Username => "ada.sample",
        Normaliser::NationalId | Normaliser::Document => "X0143256",
        Normaliser::BankAccount => "GB33 BUKB 2020 1555 5555 55",
        Normaliser::PaymentCard => "4242 4242 4242 4242",
        Normaliser::IssuedNumber => "R-100234",
        Normaliser::DeviceId => "01890a5d-ac96-774b-bcce-b302099a8057",
        Normaliser::IpAddress => "192.0.2.17",
        Normaliser::MacAddress => "00:00:5e:00:53:17",
        Normaliser::Name => "Ada Sample",
        Normaliser::BirthDate => "1990-01-31",
        Normaliser::Label => "Sampleton",
        Normaliser::Region => "DE-BE",
        Normaliser::PostalCode => "10115",
        Normaliser::Country => "DE",
        Normaliser::LocationPrecise => "52.52000,13.40500",
        Normaliser::LocationImprecise => "52.5,13.4",
        Normaliser::Language => "en",
        Normaliser::Text | Normaliser::Presence => "sample",
        Normaliser::Password => "leave this out",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::{DedupDefaults, Mapping};
    use crate::extract::ExtractContext;
    use crate::ids::{EventType, Timestamp};
    use crate::taxonomy::Taxonomy;

    fn mapping(taxonomy: &Arc<Taxonomy>, event: &str, fields: serde_json::Value) -> Option<Mapping> {
        let spec = json!({"name": "Shop", "defaultRegion": "DE", "events": [{"name": event, "fields": fields}]});
        let defaults = DedupDefaults { window_seconds: 60 };
        Mapping::compile(&serde_json::from_value(spec).unwrap(), taxonomy, defaults).ok()
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-04-06T10:30:00Z").unwrap()
    }

    #[test]
    fn a_sample_of_each_category_and_type_is_what_the_extractor_takes() {
        let taxonomy = Arc::new(Taxonomy::bundled());
        let event: EventType = "sample".parse().unwrap();
        let mut tried = 0;
        for category in taxonomy.categories() {
            for field_type in ["string", "integer", "number", "boolean", "timestamp"] {
                let fields = json!([{"path": "a.b[].c", "type": field_type, "required": true, "pii": category.key}]);
                let Some(mapping) = mapping(&taxonomy, "sample", fields) else {
                    continue;
                };
                tried += 1;
                let of_event = mapping.event(&event).unwrap();
                let sample = of_event.sample(&event, now());
                let found = of_event.extract(sample.to_string().as_bytes(), &ExtractContext { processor: "shop" });
                assert!(found.reasons.is_empty(), "{sample}: {:?}", found.reasons);
                assert_eq!(&*found.categories, std::slice::from_ref(&category.key), "{sample}");
                // Some categories have a warning for every value; no sample is blocked or left out.
                let worth = ["password_received", "children_data"];
                let unexpected = found.warnings.iter().find(|warning| !worth.contains(&&*warning.code));
                assert_eq!(unexpected, None, "{sample}");
                let blocked = found
                    .values
                    .iter()
                    .any(|value| value.category.links() && !value.linkable);
                assert!(!blocked, "{sample}");
            }
        }
        assert!(tried > 60, "{tried}");
    }

    #[test]
    fn fields_are_where_their_paths_lead_and_the_envelope_is_kept() {
        let taxonomy = Arc::new(Taxonomy::bundled());
        let fields = json!([
            {"path": "a", "type": "string"}, {"path": "a.b", "type": "integer", "required": true},
            {"path": "items[].sku", "type": "string"}, {"path": "items[].count", "type": "number"},
            {"path": "grid[][]", "type": "boolean"}, {"path": "event", "type": "string"},
            {"path": "triggeredAt.x"}, {"path": "secret", "pii": "user.authorization.password"},
            {"path": "__proto__.x", "type": "timestamp"}]);
        let mapping = mapping(&taxonomy, "it's \"odd\" </script>", fields).unwrap();
        let event: EventType = "it's \"odd\" </script>".parse().unwrap();
        let sample = mapping.event(&event).unwrap().sample(&event, now());
        let expected = json!({
            "event": "it's \"odd\" </script>", "triggeredAt": "2026-04-06T10:30:00.000Z",
            "a": {"b": 1}, "items": [{"sku": "sample", "count": 1.5}], "grid": [[true]],
            "__proto__": {"x": "2026-01-31T12:00:00Z"}});
        assert_eq!(sample, expected);
    }
}
