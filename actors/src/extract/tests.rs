mod bounds;

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dedup_key::dedup_key;
use crate::ids::{ControllerId, EventType};
use crate::links::{LinkKey, MasterKey};
use crate::mapping::{DedupDefaults, IntegrationSpec, Mapping};
use crate::taxonomy::Taxonomy;

/// Read once: a test of many cases would read it for each.
static TAXONOMY: LazyLock<Arc<Taxonomy>> = LazyLock::new(|| Arc::new(Taxonomy::bundled()));

fn mapping(fields: Value) -> Mapping {
    let spec = json!({"name": "n", "defaultRegion": "DE", "events": [{"name": "e", "fields": fields}]});
    let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
    Mapping::compile(&spec, &TAXONOMY, DedupDefaults { window_seconds: 60 }).unwrap()
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
    let mapping = Mapping::compile(&spec, &TAXONOMY, DedupDefaults { window_seconds: 60 }).unwrap();
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

#[test]
fn what_is_recorded_as_there_tells_events_apart() {
    let fields = json!([
        {"path": "email", "pii": "user.contact.email"},
        {"path": "health", "pii": "user.health_and_medical"},
        {"path": "password", "pii": "user.authorization.password"},
        {"path": "uid", "pii": "user.unique_id"}
    ]);
    let of = |kind: &str, body: Value| key(json!({"key": kind}), fields.clone(), &body);
    for kind in ["pii", "mapped"] {
        let none = of(kind, json!({"email": "a@b.example"}));
        let flu = of(kind, json!({"email": "a@b.example", "health": "flu"}));
        assert_ne!(none, flu, "{kind}");
        assert_ne!(
            flu,
            of(kind, json!({"email": "a@b.example", "health": "cold"})),
            "{kind}"
        );
        assert_eq!(
            flu,
            of(kind, json!({"health": "flu", "email": "A@b.example"})),
            "{kind}"
        );
        assert_eq!(none, of(kind, json!({"email": "a@b.example", "health": " "})), "{kind}");
        let first = of(kind, json!({"email": "a@b.example", "password": "one"}));
        assert_ne!(none, first, "{kind}");
        assert_eq!(
            first,
            of(kind, json!({"email": "a@b.example", "password": "two"})),
            "{kind}: nothing of it is kept"
        );
    }
    for nothing in [json!({"uid": "guest", "x": 1}), json!({"x": 1})] {
        let mut other = nothing.clone();
        other["x"] = json!(2);
        assert_ne!(of("mapped", nothing.clone()), of("mapped", other));
        assert_eq!(of("mapped", nothing.clone()), of("mapped", nothing));
    }
}

#[test]
fn what_stands_for_nobody_or_was_left_out_makes_no_two_events_repeats() {
    let fields = json!([
        {"path": "uid", "pii": "user.unique_id"},
        {"path": "email", "pii": "user.contact.email"},
        {"path": "city", "pii": "user.contact.address.city"},
        {"path": "n", "type": "number"}, {"path": "day", "type": "timestamp"}
    ]);
    let of = |kind: &str, body: Value| key(json!({"key": kind}), fields.clone(), &body);
    let pii = |body: Value| of("pii", body);
    let guest = |order: &str| json!({"uid": "guest", "order": order});
    assert_ne!(pii(guest("1")), pii(guest("2")), "nobody's values make no key");
    assert_eq!(pii(guest("1")), pii(guest("1")), "an exact repeat is one all the same");
    let attribute = |order: &str| json!({"uid": "guest", "city": "Bremen", "order": order});
    assert_eq!(pii(attribute("1")), pii(attribute("2")), "attributes are personal data");

    let invalid = |email: &str, order: &str| json!({"uid": "C-7", "email": email, "order": order});
    assert_ne!(
        pii(invalid("one", "1")),
        pii(invalid("two", "1")),
        "what was left out is not equal"
    );
    assert_ne!(pii(invalid("one", "1")), pii(json!({"uid": "C-7"})));
    assert_eq!(pii(invalid("one", "1")), pii(invalid("one", "2")), "the same was sent");
    assert_eq!(
        pii(json!({"uid": "C-7", "n": "x"})),
        pii(json!({"uid": "C-7", "n": "y"})),
        "no personal data"
    );
    assert_ne!(
        pii(json!({"email": "one", "order": 1})),
        pii(json!({"email": "one", "order": 2}))
    );

    let mapped = |body: Value| of("mapped", body);
    assert_ne!(mapped(json!({"n": "x"})), mapped(json!({"n": "y"})));
    assert_ne!(mapped(json!({"email": "one"})), mapped(json!({"email": "two"})));
    assert_eq!(mapped(json!({"n": 1})), mapped(json!({"n": 1.0})), "the same number");
    assert_ne!(mapped(json!({"n": 1})), mapped(json!({"n": 10})));

    let many = |last: &str| {
        let mut values: Vec<Value> = (0..1100).map(Value::from).collect();
        values.push(last.into());
        json!({"uid": "C-7", "list": values})
    };
    let fields = json!([{"path": "uid", "pii": "user.unique_id"}, {"path": "list[]", "pii": "user.job_title"}]);
    for kind in ["pii", "mapped"] {
        let of = |last: &str| key(json!({"key": kind}), fields.clone(), &many(last));
        assert_ne!(of("a"), of("b"), "{kind}: not all of it was looked at");
    }
}

fn people(extraction: &Extraction) -> Vec<(Person, &str)> {
    let values = extraction.values.iter();
    values
        .map(|value| (value.person, value.value.expose().as_str()))
        .collect()
}

#[test]
fn fields_of_one_element_or_object_are_one_other_person() {
    let other = |path: &str, pii: &str| json!({"path": path, "pii": pii, "role": "other"});
    let found = extract(
        json!([
            {"path": "buyer.email", "pii": "user.contact.email"},
            other("tickets[].holder.email", "user.contact.email"),
            other("tickets[].holder.name", "user.name"),
            other("tickets[].phone", "user.contact.phone_number"),
            other("gift.to.email", "user.contact.email"),
            other("gift.to.name", "user.name"),
            other("guests[]", "user.contact.email"),
            other("friend", "user.contact.email")
        ]),
        json!({
            "buyer": {"email": "a@shop.example"},
            "tickets": [
                {"holder": {"email": "b@shop.example", "name": "B"}, "phone": "+49 30 901820"},
                {"holder": {"email": "a@shop.example"}}],
            "gift": {"to": {"email": "c@shop.example", "name": "C"}},
            "guests": ["d@shop.example", "e@shop.example"],
            "friend": "f@shop.example"}),
    );
    let expected = [
        (Person::Subject, "a@shop.example"),
        (Person::Other(0), "b@shop.example"),
        (Person::Other(1), "a@shop.example"),
        (Person::Other(0), "b"),
        (Person::Other(0), "+4930901820"),
        (Person::Other(2), "c@shop.example"),
        (Person::Other(2), "c"),
        (Person::Other(3), "d@shop.example"),
        (Person::Other(4), "e@shop.example"),
        (Person::Other(5), "f@shop.example"),
    ];
    assert_eq!(people(&found), expected);
}

#[test]
fn who_is_who_is_part_of_a_dedup_key() {
    let fields = json!([
        {"path": "buyer", "pii": "user.contact.email"},
        {"path": "holders[].email", "pii": "user.contact.email", "role": "other"},
        {"path": "holders[].name", "pii": "user.name", "role": "other"}
    ]);
    let of = |buyer: &str, holders: Value| {
        key(
            json!({"key": "pii"}),
            fields.clone(),
            &json!({"buyer": buyer, "holders": holders}),
        )
    };
    let holder = |email: &str, name: &str| json!({"email": email, "name": name});
    let (a, b) = ("a@shop.example", "b@shop.example");
    let base = of(a, json!([holder(b, "Bo"), holder("c@shop.example", "Cy")]));
    assert_eq!(
        base,
        of(a, json!([holder("c@shop.example", "cy"), holder(b, "bo")])),
        "whoever comes first"
    );
    assert_ne!(base, of(a, json!([holder(b, "Cy"), holder("c@shop.example", "Bo")])));
    assert_ne!(of(a, json!([holder(b, "x")])), of(b, json!([holder(a, "x")])));
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
        for (index, category) in TAXONOMY.categories().iter().enumerate() {
            let fields = json!([{"path": path, "required": index % 2 == 0, "pii": category.key}]);
            let _ = extract(fields, body.clone());
        }
    }
}

#[test]
fn an_empty_value_was_not_sent_in_any_category() {
    for category in TAXONOMY.categories() {
        for empty in ["", "  ", "\u{200b}", "\u{feff} \u{3164}", "\n"] {
            let field = |required: bool| json!([{"path": "v", "required": required, "pii": category.key}]);
            let optional = extract(field(false), json!({"v": empty}));
            assert!(optional.categories.is_empty(), "{} {empty:?}", category.key);
            assert!(optional.values.is_empty() && optional.warnings.is_empty() && optional.reasons.is_empty());
            let required = extract(field(true), json!({"v": empty}));
            assert_eq!(notices(&required.reasons), [("/v", "empty_value")], "{}", category.key);
        }
    }
}

#[test]
fn a_date_of_birth_is_the_date_that_is_written() {
    let of = |field_type: &str, written: &str| {
        let fields = json!([{"path": "dob", "type": field_type, "pii": "user.demographic.date_of_birth"}]);
        extract(fields, json!({"dob": written}))
    };
    for written in [
        "1985-12-10T00:00:00+02:00",
        "1985-12-10T23:59:59-11:00",
        "1985-12-10T00:00:00Z",
    ] {
        for field_type in ["timestamp", "string"] {
            let found = of(field_type, written);
            assert_eq!(
                values(&found),
                [("user.demographic.date_of_birth", "1985-12-10")],
                "{written}"
            );
        }
    }
    for wrong in ["1990-05-01 foo", "1990-05-01T99:99", "+1990-05-01"] {
        assert_eq!(
            notices(&of("string", wrong).warnings),
            [("/dob", "invalid_date_of_birth")],
            "{wrong}"
        );
    }
}

#[test]
fn placeholders_link_nothing_and_what_they_may_have_linked_is_told() {
    let of = |category: &str, value: &str| extract(json!([{"path": "v", "pii": category}]), json!({"v": value}));
    for (category, value, former) in [
        ("user.unique_id", "[object Object]", "[object Object]"),
        ("user.unique_id", "{{user.id}}", "{{user.id}}"),
        ("user.contact.email", "test@test.com", "test@test.com"),
        ("user.contact.email", "ada@shop.invalid", "ada@shop.invalid"),
        (
            "user.government_id.national_identification_number",
            "US:123-45-6789",
            "US:123456789",
        ),
    ] {
        let found = of(category, value);
        assert_eq!(notices(&found.warnings), [("/v", "blocklisted_value")], "{value}");
        assert!(found.values.iter().all(|value| !value.linkable), "{value}");
        let refused: Vec<_> = found
            .refused
            .iter()
            .map(|value| value.spelling.expose().as_str())
            .collect();
        assert_eq!(refused, [former]);
    }
    let blank = of("user.unique_id", "\u{200b}");
    assert!(blank.values.is_empty() && blank.warnings.is_empty());
    assert_eq!(blank.refused[0].spelling.expose(), "\u{200b}");
    let card = of("user.contact.email", "ada@shop.123");
    assert_eq!(
        (notices(&card.warnings), card.refused.len()),
        (vec![("/v", "invalid_email")], 1)
    );
    // Another's date of birth is not switched off by a sloppy one.
    assert!(
        of("user.demographic.date_of_birth", "1990-05-01 foo")
            .refused
            .is_empty()
    );
    for (category, value) in [
        ("user.unique_id", "1"),
        ("user.unique_id", "123456"),
        ("user.name.last", "Null"),
    ] {
        let found = of(category, value);
        assert!(found.warnings.is_empty() && found.values[0].linkable, "{value}");
    }
}

#[test]
fn two_spellings_of_one_value_are_both_known() {
    let fields = json!([{"path": "v", "pii": "user.contact.email"}]);
    let found = extract(fields.clone(), json!({"v": "jose\u{301}@shop.example"}));
    assert_eq!(values(&found), [("user.contact.email", "jos\u{e9}@shop.example")]);
    assert_eq!(
        found.values[0].earlier.as_ref().unwrap().expose(),
        "jose\u{301}@shop.example"
    );
    assert!(
        extract(fields, json!({"v": "ada@shop.example"})).values[0]
            .earlier
            .is_none()
    );
    // Extensions were dropped once: a subject known by the number alone may be another person.
    let phones = json!([{"path": "v", "pii": "user.contact.phone_number"}]);
    let found = extract(phones, json!({"v": "+49 30 901820 ext. 101"}));
    assert_eq!(values(&found), [("user.contact.phone_number", "+4930901820;ext=101")]);
    assert!(found.values[0].earlier.is_none());
}

#[test]
fn long_numbers_differ_by_their_last_digit() {
    let fields = json!([{"path": "n", "type": "number"}]);
    let of = |body: &str| {
        let mapping = mapping(fields.clone());
        let event = mapping.event(&"e".parse().unwrap()).unwrap();
        let found = event.extract(body.as_bytes(), &ExtractContext { processor: "p" });
        found.mapped.expose()[0].value.clone()
    };
    assert_ne!(
        of(r#"{"n":123456789012345678901}"#),
        of(r#"{"n":123456789012345678902}"#)
    );
    assert_eq!(of(r#"{"n":1}"#), of(r#"{"n":1.0}"#));
}

#[test]
fn the_key_of_the_former_generation_is_asked_for_where_it_means_no_other_event() {
    let fields = json!([{"path": "v", "pii": "user.contact.email"}, {"path": "p", "pii": "user.contact.phone_number"}]);
    let mapping = mapping(fields);
    let event_type: EventType = "e".parse().unwrap();
    let event = mapping.event(&event_type).unwrap();
    let link_key = LinkKey::derive(&MasterKey::new([1; 32]), ControllerId::from_uuid(uuid::Uuid::nil()), 1);
    let keys = |body: Value| {
        let body = body.to_string();
        let found = event.extract(body.as_bytes(), &ExtractContext { processor: "p" });
        let today = dedup_key(event, &event_type, &found, body.as_bytes(), &link_key, "p");
        let former = crate::dedup_key::generation1::dedup_key(event, &event_type, body.as_bytes(), &link_key, "p");
        (today, former)
    };
    let (today, former) = keys(json!({"v": "ada@shop.example", "p": "030 901820"}));
    assert_eq!(Some(today), former, "plain values have one key");
    let (today, former) = keys(json!({"v": "a\u{200b}da@shop.example"}));
    assert!(
        former.is_some_and(|former| former != today),
        "a former spelling has its own"
    );
    for coarse in [
        json!({"v": "ada@shop.example", "p": "+49 30 901820 ext. 101"}),
        json!({"v": "ada@shop.example", "p": "nothing"}),
        json!({"v": "noreply@shop.example"}),
    ] {
        assert_eq!(keys(coarse.clone()).1, None, "{coarse}");
    }
}
