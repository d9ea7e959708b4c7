use serde_json::{Value, json};

use std::sync::Arc;

use super::*;
use crate::taxonomy::Taxonomy;

fn compile(spec: Value) -> Result<Mapping, Vec<MappingFault>> {
    let spec: IntegrationSpec = serde_json::from_value(spec).unwrap();
    Mapping::compile(
        &spec,
        &Arc::new(Taxonomy::bundled()),
        DedupDefaults { window_seconds: 60 },
    )
}

fn faults(spec: Value) -> Vec<(String, &'static str)> {
    compile(spec)
        .unwrap_err()
        .into_iter()
        .map(|fault| (fault.pointer, fault.code.as_str()))
        .collect()
}

#[test]
fn every_fault_is_named_at_once() {
    let spec = json!({
        "name": " ", "dataProcessorId": "a b", "defaultRegion": "Germany", "dedup": {"windowSeconds": 86401},
        "events": [
            {"name": "a", "fields": [
                {"path": "email", "pii": "user.contact.emial"},
                {"path": "a..b"},
                {"path": "a[0]"},
                {"path": "x", "type": "boolean", "pii": "user.contact.email"},
                {"path": "x"},
                {"path": "event", "pii": "user.name"}]},
            {"name": "a"},
            {"name": ""}
        ]
    });
    let expected = [
        ("/name", "name_invalid"),
        ("/dataProcessorId", "data_processor_id_invalid"),
        ("/defaultRegion", "default_region_invalid"),
        ("/dedup/windowSeconds", "dedup_window_invalid"),
        ("/events/0/fields/0/pii", "category_unknown"),
        ("/events/0/fields/1/path", "path_invalid"),
        ("/events/0/fields/2/path", "path_invalid"),
        ("/events/0/fields/3/type", "type_unsuitable"),
        ("/events/0/fields/4/path", "path_duplicate"),
        ("/events/0/fields/5/pii", "envelope_not_pii"),
        ("/events/1/name", "event_duplicate"),
        ("/events/2/name", "event_name_invalid"),
    ];
    let found = faults(spec);
    let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
    assert_eq!(found, expected);
    assert_eq!(
        faults(json!({"name": "n", "events": []})),
        [("/events".to_owned(), "events_missing")]
    );
}

#[test]
fn the_envelope_is_no_personal_data_in_any_spelling() {
    let (taxonomy, defaults) = (Arc::new(Taxonomy::bundled()), DedupDefaults { window_seconds: 60 });
    let spec = |path: &str| -> IntegrationSpec {
        let field = json!({"path": path, "pii": "user.contact.email"});
        serde_json::from_value(json!({"name": "n", "events": [{"name": "a", "fields": [field]}]})).unwrap()
    };
    for path in [
        "event",
        "[\"event\"]",
        "[\"\\u0065vent\"]",
        "event[]",
        "triggeredAt",
        "[\"triggeredAt\"][]",
    ] {
        let faults = Mapping::compile_new(&spec(path), &taxonomy, defaults).unwrap_err();
        let is_told = faults.iter().any(|fault| fault.code.as_str() == "envelope_not_pii");
        assert!(is_told, "{path} {faults:?}");
    }
    for path in ["events", "data.event", "[\"event.name\"]"] {
        Mapping::compile_new(&spec(path), &taxonomy, defaults).unwrap();
    }
    // A mapping that was saved before stays in force.
    Mapping::compile(&spec("[\"event\"]"), &taxonomy, defaults).unwrap();
}

#[test]
fn a_misspelt_category_or_event_gets_a_hint() {
    let spec = json!({"name": "n", "events": [{"name": "account_created", "fields": [
        {"path": "e", "pii": "user.contact.emial"}]}]});
    assert!(
        compile(spec).unwrap_err()[0]
            .message
            .contains("did you mean user.contact.email?")
    );
    let mapping = compile(json!({"name": "n", "events": [{"name": "account_created"}]})).unwrap();
    let unknown = |name: &str| mapping.unknown_event_message(&name.parse().unwrap(), &"(withheld)".parse().unwrap());
    let message = unknown("acount_created");
    assert!(message.contains("did you mean account_created?"), "{message}");
    assert!(!unknown("other").contains("did you mean"));
    let message = unknown("Account Created");
    assert!(
        message.contains("no event (withheld); did you mean account_created?"),
        "{message}"
    );
}

#[test]
fn swapped_letters_are_one_edit() {
    for (a, b, edits) in [
        ("email", "emial", 1),
        ("", "ab", 2),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ] {
        assert_eq!(
            (super::distance::distance(a, b), super::distance::distance(b, a)),
            (edits, edits),
            "{a} {b}"
        );
    }
}

#[test]
fn dedup_is_taken_from_the_event_then_the_integration_then_the_defaults() {
    let mapping = compile(json!({
        "name": "n", "dedup": {"key": "body", "windowSeconds": 5},
        "events": [{"name": "own", "dedup": {"windowSeconds": 0}}, {"name": "inherited"}]
    }))
    .unwrap();
    let event = |name: &str| mapping.event(&name.parse().unwrap()).unwrap();
    assert_eq!(
        (event("own").dedup_key(), event("own").dedup_window_seconds()),
        (DedupKeyKind::Body, 0)
    );
    assert_eq!(
        (
            event("inherited").dedup_key(),
            event("inherited").dedup_window_seconds()
        ),
        (DedupKeyKind::Body, 5)
    );
    let plain = compile(json!({"name": "n", "events": [{"name": "e"}]})).unwrap();
    let event = plain.event(&"e".parse().unwrap()).unwrap();
    assert_eq!(
        (event.dedup_key(), event.dedup_window_seconds()),
        (DedupKeyKind::Pii, 60)
    );
}

#[test]
fn paths_read_back_as_they_were_written() {
    for path in [
        "a",
        "a.b",
        "a[].b",
        "a[][]",
        "ä b.c-d",
        "[\"user.email\"]",
        "a[\"b.c\"].d[][\"[]\"][]",
        "[\"\"]",
        "[\"say \\\"hi\\\"\\\\\"]",
        "[\"a\\nb\"]",
        "[\" a \"]",
        "[\"x\\u202ey\"]",
    ] {
        let read = Path::parse(path).unwrap();
        assert_eq!(read.to_string(), path);
        assert_eq!(Path::of(read.steps()).unwrap().to_string(), path);
    }
    // Other spellings of the same.
    for (path, plain) in [
        ("[\"a\"]", "a"),
        ("a[\"b\"]", "a.b"),
        ("[\"\\u0061\"].b", "a.b"),
        (" a ", "[\" a \"]"),
    ] {
        let read = Path::parse(path).unwrap();
        assert_eq!(read.to_string(), path);
        assert_eq!(Path::of(read.steps()).unwrap().to_string(), plain);
        assert_eq!(read, Path::parse(plain).unwrap());
    }
    for path in [
        "",
        ".",
        "a.",
        ".a",
        "[]",
        "a.[]",
        "a[]b",
        "a[1]",
        "a]",
        "a\n",
        "[a]",
        "['a.b']",
        "[\"a.b\"",
        "[\"a.b]",
        "[\"a\"b\"]",
        "[\"a\"]b",
        "a.[\"b\"]",
        "[\"a\nb\"]",
        "[\"a\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"a\"].",
        &"a.".repeat(200),
    ] {
        assert!(Path::parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_pointer_is_known_by_the_path_that_leads_to_it() {
    for (path, pointer, leads) in [
        ("email", "/email", true),
        ("items[].sku", "/items/12/sku", true),
        ("items[].sku", "/items/sku", true),
        ("items[].sku", "/items/1/2/sku", false),
        ("a[][]", "/a/0/1", true),
        ("[\"user.email\"]", "/user.email", true),
        ("user.email", "/user.email", false),
        ("[\"a/b\"][\"c~d\"]", "/a~1b/c~0d", true),
        ("[\"0\"]", "/0", true),
        ("a", "/a/b", false),
        ("a.b", "/a", false),
        ("[\"\"]", "/", true),
        ("a", "", false),
    ] {
        assert_eq!(Path::parse(path).unwrap().leads_to(pointer), leads, "{path} {pointer}");
    }
}

#[test]
fn a_path_is_there_once_however_it_is_spelt() {
    let spec = json!({"name": "n", "events": [{"name": "a", "fields": [{"path": "a.b"}, {"path": "a[\"b\"]"}]}]});
    assert_eq!(faults(spec), [("/events/0/fields/1/path".to_owned(), "path_duplicate")]);
}

#[test]
fn a_region_without_telephone_numbers_is_refused_when_it_is_new() {
    let spec = |region: &str| -> IntegrationSpec {
        let event = json!({"name": "a"});
        serde_json::from_value(json!({"name": "n", "defaultRegion": region, "events": [event]})).unwrap()
    };
    let taxonomy = Arc::new(Taxonomy::bundled());
    let defaults = DedupDefaults { window_seconds: 60 };
    for known in ["DE", "US", "GB", "JE"] {
        Mapping::compile_new(&spec(known), &taxonomy, defaults).unwrap();
    }
    for unknown in ["ZZ", "XX", "001", "Germany"] {
        let faults = Mapping::compile_new(&spec(unknown), &taxonomy, defaults).unwrap_err();
        let faults: Vec<_> = faults
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.code.as_str()))
            .collect();
        assert_eq!(faults, [("/defaultRegion", "default_region_invalid")], "{unknown}");
    }
    // A mapping saved before goes on.
    Mapping::compile(&spec("ZZ"), &taxonomy, defaults).unwrap();
}
