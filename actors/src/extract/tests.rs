use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dedup_key::dedup_key;
use crate::ids::ControllerId;
use crate::links::{LinkKey, MasterKey};
use crate::mapping::{DedupDefaults, IntegrationSpec, Mapping};
use crate::taxonomy::Taxonomy;

fn mapping(fields: Value) -> Mapping {
    let spec = json!({"name": "n", "defaultRegion": "DE", "events": [{"name": "e", "fields": fields}]});
    let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
    Mapping::compile(
        &spec,
        &Arc::new(Taxonomy::bundled()),
        DedupDefaults { window_seconds: 60 },
    )
    .unwrap()
}

fn extract(fields: Value, body: Value) -> Extraction {
    let mapping = mapping(fields);
    let event = mapping.event(&"e".parse().unwrap()).unwrap();
    event.extract(body.to_string().as_bytes(), &ExtractContext { processor: "p" })
}

fn values(extraction: &Extraction) -> Vec<(&str, &str)> {
    extraction
        .values
        .iter()
        .map(|value| (&*value.category.key, value.value.expose().as_str()))
        .collect()
}

fn notices(notices: &[Notice]) -> Vec<(&str, &str)> {
    notices
        .iter()
        .map(|notice| (notice.field.as_str(), notice.code.as_str()))
        .collect()
}

#[test]
fn mapped_fields_are_found_normalised_and_named() {
    let found = extract(
        json!([
            {"path": "email", "required": true, "pii": "user.contact.email"},
            {"path": "customer.name", "pii": "user.name"},
            {"path": "people[].phones[]", "pii": "user.contact.phone_number"},
            {"path": "age", "type": "integer"}
        ]),
        json!({"email": "Ada@Shop.example", "customer": {"name": "Ada  L"}, "ignored": "secret", "age": 36.0,
               "people": [{"phones": ["030 901820", "+4930901820"]}, {}, {"phones": null}]}),
    );
    assert_eq!(
        values(&found),
        [
            ("user.contact.email", "ada@shop.example"),
            ("user.name", "ada l"),
            ("user.contact.phone_number", "+4930901820")
        ]
    );
    let categories: Vec<_> = found.categories.iter().map(|category| &**category).collect();
    assert_eq!(
        categories,
        ["user.contact.email", "user.contact.phone_number", "user.name"]
    );
    assert!(
        found.reasons.is_empty() && found.warnings.is_empty(),
        "{:?} {:?}",
        found.reasons,
        found.warnings
    );
}

#[test]
fn a_required_field_rejects_and_an_optional_one_warns() {
    let fields = |required: bool| {
        json!([
            {"path": "email", "required": required, "pii": "user.contact.email"},
            {"path": "n", "type": "integer", "required": required},
            {"path": "items[].sku", "required": required}
        ])
    };
    let body = json!({"email": "nobody", "n": 1.5, "items": [{"sku": "a"}, {"sku": 7}]});
    let faults = [
        ("/email", "invalid_email"),
        ("/n", "wrong_type"),
        ("/items/1/sku", "wrong_type"),
    ];
    assert_eq!(notices(&extract(fields(true), body.clone()).reasons), faults);
    let optional = extract(fields(false), body);
    assert_eq!(
        (notices(&optional.warnings), optional.reasons.len()),
        (faults.to_vec(), 0)
    );

    let empty = json!({"email": null, "items": []});
    let missing = [
        ("/email", "required_missing"),
        ("/n", "required_missing"),
        ("/items/sku", "required_missing"),
    ];
    assert_eq!(notices(&extract(fields(true), empty.clone()).reasons), missing);
    assert!(extract(fields(false), empty).warnings.is_empty());
    let misshapen = extract(json!([{"path": "a.b[]"}]), json!({"a": {"b": {"c": 1}}}));
    assert_eq!(notices(&misshapen.warnings), [("/a/b", "wrong_type")]);
}

#[test]
fn a_body_is_read_as_it_was_sent() {
    let of = |fields: Value, body: &str| {
        let mapping = mapping(fields);
        let event = mapping.event(&"e".parse().unwrap()).unwrap();
        event.extract(body.as_bytes(), &ExtractContext { processor: "p" })
    };
    let fields =
        json!([{"path": "email", "required": true, "pii": "user.contact.email"}, {"path": "n", "type": "number"}]);
    let found = of(fields.clone(), "\u{feff}{\"email\":\"a@shop.example\",\"other\":1e400}");
    assert_eq!(values(&found), [("user.contact.email", "a@shop.example")]);
    assert!(found.reasons.is_empty() && found.warnings.is_empty());
    let found = of(fields, r#"{"email":"a@shop.example","n":-1e400}"#);
    assert_eq!(notices(&found.warnings), [("/n", "number_out_of_range")]);
    let required = json!([{"path": "n", "type": "number", "required": true}]);
    let found = of(required, r#"{"n":1e400}"#);
    assert_eq!(notices(&found.reasons), [("/n", "number_out_of_range")]);
    let digits = |body: &str| {
        of(json!([{"path": "n", "type": "number"}]), body)
            .mapped
            .expose()
            .clone()
    };
    assert_ne!(
        digits(r#"{"n":123456789012345678901}"#),
        digits(r#"{"n":123456789012345678902}"#)
    );
    assert_eq!(digits(r#"{"n":1}"#), digits(r#"{"n":1.0}"#));
}

#[test]
fn values_that_stand_for_nobody_and_values_that_must_not_be_kept() {
    let found = extract(
        json!([
            {"path": "id", "pii": "user.unique_id"},
            {"path": "password", "pii": "user.authorization.password"},
            {"path": "faith", "pii": "user.demographic.religious_belief"},
            {"path": "empty", "pii": "user.contact.email"}
        ]),
        json!({"id": "N/A", "password": "hunter2", "faith": "x", "empty": ""}),
    );
    assert_eq!(values(&found), [("user.unique_id", "N/A")]);
    assert!(!found.values[0].linkable);
    assert_eq!(
        notices(&found.warnings),
        [("/id", "blocklisted_value"), ("/password", "password_received")]
    );
    assert_eq!(found.categories.len(), 3);
    assert!(!format!("{found:?}").contains("hunter2"));
}

fn key(dedup: Value, fields: Value, body: &Value) -> crate::event::DedupKey {
    let spec = json!({"name": "n", "defaultRegion": "DE", "events": [{"name": "e", "fields": fields, "dedup": dedup}]});
    let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
    let taxonomy = Arc::new(Taxonomy::bundled());
    let mapping = Mapping::compile(&spec, &taxonomy, DedupDefaults { window_seconds: 60 }).unwrap();
    let event = mapping.event(&"e".parse().unwrap()).unwrap();
    let body = body.to_string();
    let extraction = event.extract(body.as_bytes(), &ExtractContext { processor: "p" });
    let link_key = LinkKey::derive(&MasterKey::new([1; 32]), ControllerId::from_uuid(uuid::Uuid::nil()), 1);
    dedup_key(
        event,
        &"e".parse().unwrap(),
        &extraction,
        body.as_bytes(),
        &link_key,
        "p",
    )
}

#[test]
fn a_dedup_key_takes_in_what_its_kind_says() {
    let fields = json!([
        {"path": "email", "pii": "user.contact.email"},
        {"path": "phone", "pii": "user.contact.phone_number"},
        {"path": "order"}
    ]);
    let base = json!({"email": "a@b.example", "phone": "030 901820", "order": "1", "triggeredAt": "t1"});
    let spelt = json!({"phone": "+49 30 901820", "triggeredAt": "t2", "email": "A@B.example", "order": "1"});
    let other_order = json!({"email": "a@b.example", "phone": "030 901820", "order": "2", "triggeredAt": "t1"});
    let of = |kind: &str, body: &Value| key(json!({"key": kind}), fields.clone(), body);
    assert_eq!(of("pii", &base), of("pii", &spelt));
    assert_eq!(of("pii", &base), of("pii", &other_order));
    assert_eq!(of("mapped", &base), of("mapped", &spelt));
    assert_ne!(of("mapped", &base), of("mapped", &other_order));
    assert_ne!(of("body", &base), of("body", &spelt));
    assert_eq!(of("body", &base), of("body", &base));
    assert_ne!(of("pii", &base), of("mapped", &base));

    let (one, other) = (json!({"order": "1"}), json!({"order": "2"}));
    assert_ne!(
        of("pii", &one),
        of("pii", &other),
        "without personal data only an exact repeat is one"
    );
    assert_eq!(of("pii", &one), of("pii", &one));
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::hash_map("[abc]", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn no_event_panics_the_extraction(body in arbitrary_json(), path in "[abc](\\[\\])?(\\.[abc](\\[\\])?){0,3}") {
        let taxonomy = Taxonomy::bundled();
        for (index, category) in taxonomy.categories().iter().enumerate() {
            let fields = json!([{"path": path, "required": index % 2 == 0, "pii": category.key}]);
            let _ = extract(fields, body.clone());
        }
    }
}
