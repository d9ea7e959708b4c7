//! Any body at all gets a documented status, and bad input is never our fault.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::common::size::sized;
use crate::common::{Conduit, Tenant};

/// Bodies, in full size and usually.
const BODIES: (u32, u32) = (10_000, 2_000);

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 30, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map("email|phone|items|customer|name|sku|\\PC{0,8}", inner, 0..6)
                .prop_map(Value::from_iter),
        ]
    })
}

/// Generates bytes, text, JSON, and events with arbitrary fields.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let event = (
        prop_oneof![
            Just("account_created".to_owned()),
            Just("contact".to_owned()),
            "\\PC{0,140}"
        ],
        json_value(),
    );
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => "[\\{\\}\\[\\]\",:0-9a-z\\\\ ]{0,60}".prop_map(String::into_bytes),
        2 => json_value().prop_map(|value| value.to_string().into_bytes()),
        4 => event.prop_map(|(event, fields)| {
            let mut body = json!({"event": event, "triggeredAt": "2026-04-06T10:30:00Z"});
            match fields {
                Value::Object(fields) => body.as_object_mut().unwrap().extend(fields),
                other => drop(body.as_object_mut().unwrap().insert("email".to_owned(), other)),
            }
            body.to_string().into_bytes()
        }),
    ]
}

#[test]
fn any_body_gets_a_documented_status_and_an_outcome() {
    let bodies_sent = sized(BODIES.0, BODIES.1);
    let conduit = Conduit::with(&[("CONDUIT_LOG", "warn,conduit::serve=info")]);
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let url = tenant.webhook_url(&conduit);
    let mut runner = TestRunner::new(Config {
        cases: bodies_sent,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&bodies(), |body| {
            let answer = tenant.try_send_by(&conduit.client, &url, &body).unwrap();
            prop_assert!(matches!(answer.status, 200 | 400), "{} {}", answer.status, answer.text);
            Ok(())
        })
        .unwrap();
    let stats = conduit.settled();
    assert!(stats.accepted > u64::from(bodies_sent) / 10, "{stats:?}");
    assert_eq!(stats.failed, 0, "{stats:?}");
    assert!(conduit.log_lines("actor panicked").is_empty());
    conduit.assert_audit_verifies();
}
