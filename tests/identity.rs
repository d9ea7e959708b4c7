//! Identity: who is who, and who is not.

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

fn subject(tenant: &Tenant, conduit: &Conduit, fields: Value) -> String {
    let id = tenant.send(conduit, "contact", fields);
    let outcome = tenant.outcome(conduit, &id);
    assert_eq!(outcome["status"], "processed", "{outcome}");
    outcome["subject"].as_str().unwrap().to_owned()
}

#[test]
fn one_person_by_e_mail_then_by_phone_then_by_both_is_merged() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let by_email = subject(&shop, &conduit, json!({"email": "ada@shop.example"}));
    let by_phone = subject(&shop, &conduit, json!({"phone": "030 901820"}));
    assert_ne!(by_email, by_phone);
    let both = subject(
        &shop,
        &conduit,
        json!({"email": "ada@shop.example", "phone": "+4930901820"}),
    );
    assert_eq!(both, by_email, "the older one survives");
    let after = subject(&shop, &conduit, json!({"phone": "+49 30 901820", "customerId": "C-1"}));
    assert_eq!(after, by_email);

    // The merged subject answers as the survivor, with everything of both.
    let found = shop
        .call(&conduit, "GET", &format!("/api/v1/subjects/{by_phone}"), None)
        .expect(200)
        .json();
    assert_eq!(found["did"].as_str(), Some(by_email.as_str()));
    assert_eq!(
        (
            found["activityCount"].as_u64(),
            found["links"].as_array().unwrap().len()
        ),
        (Some(4), 3)
    );
    let merge = &found["merges"][0];
    assert_eq!(merge["from"].as_str(), Some(by_phone.as_str()));
    assert_eq!(merge["evidence"].as_array().unwrap().len(), 2);
    let activities = shop
        .call(&conduit, "GET", &format!("/api/v1/activities?subject={by_phone}"), None)
        .expect(200)
        .json();
    assert_eq!(activities["items"].as_array().unwrap().len(), 4);

    // Looking up by value, in any spelling, finds the one subject.
    let look_up = |category: &str, value: &str| {
        let body = json!({"category": category, "value": value, "defaultRegion": "DE"});
        shop.call(&conduit, "POST", "/api/v1/subjects/lookup", Some(body))
            .expect(200)
            .json()["items"]
            .clone()
    };
    for found in [
        look_up("user.contact.email", "ADA@shop.example"),
        look_up("user.contact.phone_number", "030/901820"),
    ] {
        assert_eq!(
            (found.as_array().unwrap().len(), found[0]["did"].as_str()),
            (1, Some(by_email.as_str()))
        );
    }
    assert_eq!(look_up("user.contact.email", "nobody@shop.example"), json!([]));
    conduit.assert_audit_verifies();
}

#[test]
fn shared_and_null_like_values_link_nobody() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let one = subject(
        &shop,
        &conduit,
        json!({"email": "noreply@shop.example", "customerId": "C-1"}),
    );
    let two = subject(
        &shop,
        &conduit,
        json!({"email": "noreply@shop.example", "customerId": "C-2"}),
    );
    assert_ne!(one, two);
    let id = shop.send(&conduit, "contact", json!({"customerId": "N/A"}));
    let outcome = shop.outcome(&conduit, &id);
    assert_eq!(
        (outcome["status"].as_str(), outcome["subject"].is_null()),
        (Some("processed"), true)
    );
    assert_eq!(outcome["warnings"][0]["code"], "blocklisted_value");
}

#[test]
fn a_name_alone_never_makes_two_people_one() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let one = subject(
        &shop,
        &conduit,
        json!({"email": "a@shop.example", "name": "Ada Lovelace"}),
    );
    let two = subject(
        &shop,
        &conduit,
        json!({"email": "b@shop.example", "name": "Ada Lovelace"}),
    );
    assert_ne!(one, two);
}

#[test]
fn the_same_person_at_two_controllers_is_two_unrelated_subjects() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let here = subject(&shop, &conduit, json!({"email": "ada@shop.example"}));
    let there = subject(&rival, &conduit, json!({"email": "ada@shop.example"}));
    assert_ne!(here, there);
    rival
        .call(&conduit, "GET", &format!("/api/v1/subjects/{here}"), None)
        .expect(404);
    let found = rival.call(&conduit, "GET", "/api/v1/subjects", None).expect(200).json();
    assert_eq!(
        (
            found["items"].as_array().unwrap().len(),
            found["items"][0]["did"].as_str()
        ),
        (1, Some(there.as_str()))
    );
}

/// The next batch is looked up while the one before is being committed: what that one attached must not be missed.
#[test]
fn people_in_consecutive_batches_are_the_same_people() {
    let mut conduit = Conduit::with(&[
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__BATCH_EVENTS", "2"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "60000"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "600000"),
        ("FAILPOINTS", "PiiExtractorActor=panic"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    // A backlog of batches of two: each person comes by e-mail, in the next batch by phone and customer number, and in
    // the one after that by e-mail and phone, which is a merge; the weak name comes along each time.
    let mut ids = Vec::new();
    for person in 0..30 {
        let email = format!("c{person}@shop.example");
        let phone = format!("+49301{person:06}");
        for (step, fields) in [
            json!({"email": email, "name": "Ada Lovelace"}),
            json!({"email": email, "phone": "not a number", "name": "Ada Lovelace"}),
            json!({"phone": phone, "customerId": format!("C-{person}"), "name": "Ada Lovelace"}),
            json!({"customerId": format!("C-{person}"), "name": "Ada Lovelace"}),
            json!({"email": email, "phone": phone, "name": "Ada Lovelace"}),
            json!({"phone": phone, "email": email, "customerId": format!("C-{person}")}),
        ]
        .into_iter()
        .enumerate()
        {
            ids.push((person, step, shop.send(&conduit, "contact", fields)));
        }
    }
    conduit.kill();
    conduit.unset("FAILPOINTS");
    conduit.launch();
    let stats = conduit.settled();
    // By e-mail twice is a repeat, since the second brings no other valid value.
    assert_eq!((stats.processed, stats.duplicate), (150, 30), "{stats:?}");
    let mut people = std::collections::BTreeMap::new();
    for (person, step, id) in ids {
        let outcome = shop.outcome(&conduit, &id);
        if step != 1 {
            let subject = outcome["subject"].as_str().unwrap().to_owned();
            assert_eq!(
                *people.entry(person).or_insert(subject.clone()),
                subject,
                "{person} {step}"
            );
        }
    }
    let distinct: std::collections::BTreeSet<_> = people.values().collect();
    assert_eq!(distinct.len(), 30);
    conduit.assert_audit_verifies();
}
