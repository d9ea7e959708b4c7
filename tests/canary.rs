//! No personal value and no credential at rest or in a log.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::common::{Conduit, Tenant, tenant::body};

/// Collects every file below a directory.
fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let needle = needle.to_ascii_lowercase().into_bytes();
    lower.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_value_and_no_credential_is_kept_in_clear() {
    // Everything is logged, and some events stay in the journal, some are rejected, and one brings an actor down.
    let mut conduit = Conduit::with(&[
        ("CONDUIT_LOG", "trace"),
        ("FAILPOINTS", "PiiExtractorActor::event=return"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let canaries = [
        "canaryada@shop.example",
        "Canarylovelace",
        "4930901820",
        "canary-7081",
        "canaryevent@shop.example",
    ];
    let fields =
        json!({"email": canaries[0], "name": canaries[1], "phone": "+49 30 901820", "customerId": canaries[3]});
    shop.send(&conduit, "contact", fields.clone());
    shop.send(
        &conduit,
        "account_created",
        json!({"email": "canaryada@", "customer": {"name": canaries[1]}}),
    );
    shop.send(&conduit, "poison", json!({"email": canaries[0]}));
    shop.send(&conduit, canaries[4], fields.clone());
    conduit.settled();
    for bad in [
        r#"{"event": canaryada@shop.example}"#,
        r#"{"event":"canary-7081","triggeredAt":"canary-7081"}"#,
    ] {
        let answer = shop.try_send(&conduit, bad.as_bytes()).unwrap().expect(400);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    let look_up = json!({"category": "user.contact.email", "value": canaries[0]});
    shop.call(&conduit, "POST", "/api/v1/subjects/lookup", Some(look_up.clone()))
        .expect(200);
    let search = |identifier: serde_json::Value, status| {
        let body = json!({"identifier": identifier, "limit": 1});
        let found = shop.call(&conduit, "POST", "/api/v1/events/search", Some(body));
        assert!(!contains(found.expect(status).text.as_bytes(), "canaryada"));
    };
    search(look_up, 200);
    search(json!({"category": "user.contact.email", "value": "canaryada@"}), 400);
    shop.call(
        &conduit,
        "POST",
        "/api/v1/subjects/lookup",
        Some(json!({"category": canaries[0]})),
    )
    .expect(400);
    conduit.kill();
    // Some stay in the journal, unprocessed.
    conduit.set("FAILPOINTS", "SubjectResolverActor=panic");
    conduit.launch();
    shop.try_send(&conduit, body("contact", fields).as_bytes())
        .unwrap()
        .expect(200);
    let admin = conduit.admin_token();
    conduit.kill();

    let mut found = Vec::new();
    files(&conduit.data_dir(), &mut found);
    assert!(
        found
            .iter()
            .any(|(name, bytes)| name.ends_with(".wal") && !bytes.is_empty()),
        "the journal is looked at"
    );
    found.push(("the log".to_owned(), conduit.logs().into_bytes()));
    let secrets = [
        shop.webhook_secret.as_str(),
        shop.webhook_auth.trim_start_matches("Bearer "),
        shop.token.as_str(),
    ];
    for (name, bytes) in &found {
        for needle in canaries.iter().copied().chain(secrets) {
            assert!(!contains(bytes, needle), "{name} holds {needle}");
        }
        assert!(
            name.ends_with("admin.token") || !contains(bytes, &admin),
            "{name} holds the operator's token"
        );
    }
}
