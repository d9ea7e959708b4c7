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

/// A household, a shop that gives its own number, a sender's default: many people with one telephone number.
#[test]
fn a_shared_number_hides_nobody_who_has_identifiers_of_their_own() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let send = |person: usize, fields: Value| {
        let mut fields = fields;
        fields["email"] = format!("p{person}@shop.example").into();
        let id = shop.send(&conduit, "contact", fields);
        shop.outcome(&conduit, &id)
    };
    let whole = |person: usize| json!({"phone": "030 901820", "customerId": format!("C-{person}")});
    let first: Vec<Value> = (1..=14).map(|person| send(person, whole(person))).collect();
    let dids: Vec<&str> = first.iter().map(|event| event["subject"].as_str().unwrap()).collect();
    let distinct: std::collections::BTreeSet<_> = dids[9..].iter().collect();
    assert_eq!(
        distinct.len(),
        5,
        "ten are one, as before; the others are themselves: {dids:?}"
    );
    assert!(dids[..10].iter().all(|did| *did == dids[0]));
    for event in &first[10..] {
        assert_eq!(event["warnings"][0]["code"], "identifier_shared", "{event}");
        let message = event["warnings"][0]["message"].as_str().unwrap();
        assert!(message.contains("user.contact.phone_number"), "{message}");
    }
    // Returning people stay the same subjects, and each is found by their own identifiers.
    for person in 11..=14 {
        let again = send(person, json!({"phone": "+49 30 901820", "name": "Whoever"}));
        assert_eq!(again["subject"], dids[person - 1], "{again}");
        for (category, value) in [
            ("user.contact.email", format!("p{person}@shop.example")),
            ("user.unique_id", format!("C-{person}")),
        ] {
            let body = json!({"category": category, "value": value});
            let found = shop
                .call(&conduit, "POST", "/api/v1/subjects/lookup", Some(body))
                .expect(200)
                .json();
            assert_eq!(found["items"].as_array().unwrap().len(), 1);
            assert_eq!(found["items"][0]["did"], dids[person - 1]);
            let links = found["items"][0]["links"].as_array().unwrap();
            assert!(links.iter().all(|link| link["category"] != "user.contact.phone_number"));
        }
    }
    conduit.assert_audit_verifies();
}

#[test]
fn weak_evidence_attaches_only_where_three_kinds_agree_and_says_so() {
    let conduit = Conduit::start();
    let integration = json!({"name": "Practice", "defaultRegion": "DE", "events": [{"name": "visit", "fields": [
        {"path": "email", "pii": "user.contact.email"},
        {"path": "name", "pii": "user.name"},
        {"path": "born", "pii": "user.demographic.date_of_birth"},
        {"path": "postcode", "pii": "user.contact.address.postal_code"}]}]});
    let practice = Tenant::with(&conduit, "did:web:practice.example", integration);
    let visit = |fields: Value| {
        let id = practice.send(&conduit, "visit", fields);
        practice.outcome(&conduit, &id)
    };
    let ada = json!({"email": "ada@shop.example", "name": "Ada Byron", "born": "1990-12-10", "postcode": "28195"});
    let known = visit(ada)["subject"].clone();
    for two_people in [
        json!({"name": "Ada Byron", "postcode": "28195"}),
        json!({"name": "Ada Byron", "born": "1990-12-10"}),
    ] {
        let event = visit(two_people);
        assert!(event["subject"].is_string() && event["subject"] != known, "{event}");
        assert_eq!(event["warnings"], json!([]));
    }
    // A default date of forms belongs to nobody.
    let placeholder = |name: &str| json!({"name": name, "born": "1970-01-01", "postcode": "28195", "email": null});
    let somebody = visit(placeholder("Jo Doe"));
    assert_eq!(somebody["warnings"][0]["code"], "blocklisted_value", "{somebody}");
    let mut other = placeholder("Jo Doe");
    other["born"] = "1900-01-01".into();
    assert_ne!(visit(other)["subject"], somebody["subject"]);

    let agreeing = visit(json!({"name": "ADA Byron", "born": "1990-12-10", "postcode": "28 195"}));
    assert_eq!(agreeing["subject"], known);
    assert_eq!(agreeing["warnings"][0]["code"], "weak_evidence", "{agreeing}");
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

/// The next batch is looked up during the commit of the batch before. It must not miss the links of that batch.
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
    // A backlog of batches of two. Each person comes by e-mail, in the next batch by phone and customer number, and in
    // the one after that by e-mail and phone, which is a merge. The weak name comes along each time.
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
    // By e-mail twice is no repeat: a value that was left out makes the second another event.
    assert_eq!((stats.processed, stats.duplicate), (180, 0), "{stats:?}");
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
