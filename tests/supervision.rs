//! Panics in each actor: service goes on, nothing is lost, the log says what happened.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant::body, wait_for};

#[test]
fn a_panic_in_each_of_the_five_actors_costs_a_retry_and_loses_nothing() {
    for actor in [
        "AuthActor",
        "ValidatorActor",
        "PiiExtractorActor",
        "SubjectResolverActor",
        "ActivityLoggerActor",
    ] {
        // The third job of the actor brings it down, once.
        let failpoint = format!("{actor}=2*off->1*panic->off");
        // One worker and one shard: one actor of each kind.
        let conduit = Conduit::with(&[
            ("FAILPOINTS", &failpoint),
            ("CONDUIT__PIPELINE__SHARDS", "1"),
            ("CONDUIT__SERVER__WORKERS", "1"),
        ]);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        let mut accepted = Vec::new();
        for number in 0..20 {
            let event = body("contact", json!({"email": format!("c{number}@shop.example")}));
            let answer = shop.try_send(&conduit, event.as_bytes()).unwrap();
            match answer.status {
                200 => {
                    let id = answer.json()["eventId"].as_str().unwrap().to_owned();
                    // Each is awaited, so that the actors of the pipeline get a job each time.
                    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed", "{actor}");
                    accepted.push(id);
                }
                500 => assert!(answer.header("retry-after").is_some(), "{actor}: {}", answer.text),
                other => panic!("{actor}: {other} {}", answer.text),
            }
        }
        let edge = matches!(actor, "AuthActor" | "ValidatorActor");
        assert_eq!(
            accepted.len(),
            if edge { 19 } else { 20 },
            "{actor}: a panic at the edge costs its own request only"
        );
        let stats = conduit.settled();
        assert_eq!(
            (stats.accepted, stats.processed),
            (accepted.len() as u64, accepted.len() as u64),
            "{actor}"
        );
        let lines = conduit.log_lines("actor panicked");
        assert_eq!(lines.len(), 1, "{actor}: {lines:?}");
        let fields = &lines[0]["fields"];
        assert_eq!(fields["actor"], actor);
        for key in ["shard", "generation", "cause", "backoff_ms", "restarts_in_window"] {
            assert!(!fields[key].is_null(), "{actor}: {key}: {fields}");
        }
        let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
        let found = report["shards"][0]["actors"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["actor"] == actor)
            .unwrap()
            .clone();
        assert_eq!(
            (found["generation"].as_u64(), found["state"].as_str()),
            (Some(2), Some("running")),
            "{found}"
        );
        conduit.get("/readyz").expect(200);
        conduit.assert_audit_verifies();
    }
}

#[test]
fn a_poison_event_becomes_a_dead_letter_and_its_neighbours_are_processed() {
    for actor in ["PiiExtractorActor", "SubjectResolverActor", "ActivityLoggerActor"] {
        let failpoint = format!("{actor}::event=panic");
        let mut conduit = Conduit::with(&[
            ("FAILPOINTS", "PiiExtractorActor=panic"),
            ("CONDUIT__PIPELINE__SHARDS", "1"),
            // With its backoff as it is, no event is tried so often while they are sent, however slow that is.
            ("CONDUIT__PIPELINE__MAX_ATTEMPTS", "100"),
        ]);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        let other = Tenant::create(&conduit, "did:web:other.example");
        // A backlog in which the poison has neighbours.
        let mut poison = Vec::new();
        for number in 0..100 {
            let event = if matches!(number, 17 | 64) { "poison" } else { "contact" };
            let id = shop.send(&conduit, event, json!({"email": format!("c{number}@shop.example")}));
            if event == "poison" {
                poison.push(id);
            }
            other.send(&conduit, "contact", json!({"email": format!("c{number}@shop.example")}));
        }
        conduit.kill();
        conduit.set("FAILPOINTS", &failpoint);
        conduit.set("CONDUIT__PIPELINE__MAX_ATTEMPTS", "3");
        conduit.set("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1");
        conduit.set("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "2");
        conduit.launch();
        let stats = conduit.settled();
        assert_eq!(
            (stats.accepted, stats.processed, stats.failed),
            (200, 198, 2),
            "{actor}: {stats:?}"
        );
        for id in &poison {
            let outcome = shop.outcome(&conduit, id);
            assert_eq!(outcome["status"], "failed", "{actor}");
            assert_eq!(outcome["reasons"][0]["code"], "processing_failed", "{outcome}");
        }
        assert_eq!(conduit.log_lines("poison event isolated").len(), 2, "{actor}");
        conduit.assert_audit_verifies();
    }
}

#[test]
fn a_spent_restart_budget_trips_readiness_and_events_are_still_accepted() {
    let conduit = Conduit::with(&[
        ("FAILPOINTS", "SubjectResolverActor=panic"),
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__RESTART_BUDGET", "3"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "5"),
    ]);
    conduit.get("/readyz").expect(200);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for number in 0..4 {
        shop.send(&conduit, "contact", json!({"email": format!("c{number}@shop.example")}));
    }
    let unready = wait_for("readiness to say no", || {
        let answer = conduit.get("/readyz");
        (answer.status == 503).then_some(answer)
    });
    assert!(unready.text.contains("SubjectResolverActor"), "{}", unready.text);
    assert!(!conduit.log_lines("restart budget spent").is_empty());
    shop.send(&conduit, "contact", json!({"email": "more@shop.example"}));
    conduit.get("/livez").expect(200);
}

/// Follows a reference, and takes the schema of the value that is not null.
fn followed<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return followed(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let mut either = schema["anyOf"].as_array().into_iter().flatten();
    match either.find(|one| one["type"] != "null") {
        Some(one) => followed(document, one),
        None => schema,
    }
}

/// Holds a value to its schema: each field is in both, in camelCase and with a description.
fn assert_documented(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = followed(document, schema);
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("{place}: {schema}"));
            let names = |fields: &serde_json::Map<String, Value>| fields.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(fields), names(properties), "{place}");
            for (name, field) in fields {
                let place = format!("{place}.{name}");
                let is_camel = name.starts_with(|first: char| first.is_ascii_lowercase())
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                assert!(is_camel, "{place}");
                let property = &properties[name];
                assert!(
                    property["description"].as_str().is_some_and(|text| text.len() > 3),
                    "{place}"
                );
                assert_documented(document, property, field, &place);
            }
        }
        Value::Array(items) => {
            // The example has an item of each kind.
            assert!(!items.is_empty() || place.starts_with("report."), "{place}");
            for item in items {
                assert_documented(document, &schema["items"], item, place);
            }
        }
        _ => assert!(schema["properties"].is_null() || value.is_null(), "{place}"),
    }
}

#[test]
fn the_report_is_documented_field_by_field() {
    let conduit = Conduit::start();
    let document = conduit.get("/api/v1/openapi.json").expect(200).json();
    let answer = &document["paths"]["/api/v1/supervision"]["get"]["responses"]["200"]["content"]["application/json"];
    let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    assert_documented(&document, &answer["schema"], &report, "report");
    // The example has all of it as well.
    assert_documented(&document, &answer["schema"], &answer["example"], "example");
}
