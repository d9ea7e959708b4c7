//! Events found: by their subject, by the hash of an identifier, page by page while others come in.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::{Answer, Conduit, Postgres, Tenant};

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("a list").iter();
    items
        .map(|item| item["eventId"].as_str().expect("an id").to_owned())
        .collect()
}

fn search(conduit: &Conduit, tenant: &Tenant, body: Value) -> Answer {
    tenant.call(conduit, "POST", "/api/v1/events/search", Some(body))
}

fn by_email(value: &str) -> Value {
    json!({"identifier": {"category": "user.contact.email", "value": value}})
}

#[track_caller]
fn assert_problem(answer: &Answer, code: &str, pointer: Option<&str>) {
    let problem = answer.json();
    assert_eq!(
        (answer.status, problem["code"].as_str()),
        (400, Some(code)),
        "{problem}"
    );
    if let Some(pointer) = pointer {
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

fn a_person_s_events_are_found(settings: &[(&str, &str)]) {
    let conduit = Conduit::with(settings);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let mail = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let phone = shop.send(&conduit, "contact", json!({"phone": "030 901820"}));
    conduit.settled();
    let merged = shop.outcome(&conduit, &phone)["subject"].as_str().unwrap().to_owned();
    let both = shop.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "phone": "+4930901820"}),
    );
    let repeat = shop.send(&conduit, "contact", json!({"email": "ADA@shop.example"}));
    let account = shop.send(&conduit, "account_created", json!({"email": "ada@shop.example"}));
    // Neither another person's event, nor another tenant's, nor one that never had a subject.
    shop.send(&conduit, "contact", json!({"email": "bob@shop.example"}));
    rival.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let rejected = shop.send(&conduit, "account_created", json!({"phone": "030 901820"}));
    conduit.settled();
    assert_eq!(shop.outcome(&conduit, &rejected)["status"], "rejected");
    let hers = [&account, &repeat, &both, &phone, &mail].map(String::clone);

    // By her former subject, by her present one, by either identifier in any spelling.
    let survivor = shop.outcome(&conduit, &phone)["subject"].as_str().unwrap().to_owned();
    assert_ne!(survivor, merged);
    for did in [&survivor, &merged] {
        let path = format!("/api/v1/events?subject={did}");
        assert_eq!(ids(&shop.call(&conduit, "GET", &path, None).expect(200).json()), hers);
        assert_eq!(ids(&conduit.admin("GET", &path, None).expect(200).json()), hers);
        rival.call(&conduit, "GET", &path, None).expect(404);
    }
    let by_phone = json!({"identifier":
        {"category": "user.contact.phone_number", "value": "030/901820", "defaultRegion": "DE"}});
    for body in [by_email(" Ada@SHOP.example"), by_phone] {
        let found = search(&conduit, &shop, body).expect(200).json();
        assert_eq!((ids(&found), &found["nextCursor"]), (hers.to_vec(), &Value::Null));
        assert_eq!(found["subjects"], json!([survivor]));
    }
    // Her activities, by the subject that was found.
    let activities = shop.call(&conduit, "GET", &format!("/api/v1/activities?subject={survivor}"), None);
    assert_eq!(activities.expect(200).json()["items"].as_array().unwrap().len(), 4);

    // Narrowed.
    let narrowed = |more: Value| {
        let mut body = by_email("ada@shop.example");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        search(&conduit, &shop, body).expect(200).json()
    };
    assert_eq!(ids(&narrowed(json!({"status": "duplicate"}))), [repeat.as_str()]);
    assert_eq!(ids(&narrowed(json!({"event": "account_created"}))), [account.as_str()]);
    assert_eq!(ids(&narrowed(json!({"integration": shop.integration}))), hers);
    let received = shop.outcome(&conduit, &both)["receivedAt"].clone();
    let until = ids(&narrowed(json!({"to": received})));
    assert!(until.contains(&mail) && !until.contains(&account), "{until:?}");
    assert_eq!(ids(&narrowed(json!({"from": "2999-01-01T00:00:00Z"}))), [""; 0]);
    let first = narrowed(json!({"limit": 2}));
    let second = narrowed(json!({"limit": 3, "cursor": first["nextCursor"]}));
    assert_eq!([ids(&first), ids(&second)].concat(), hers);
    assert_eq!(second["nextCursor"], Value::Null);

    let nobody = search(&conduit, &shop, by_email("nobody@shop.example"))
        .expect(200)
        .json();
    assert_eq!(nobody, json!({"items": [], "nextCursor": null, "subjects": []}));
    let theirs = search(&conduit, &rival, by_email("ada@shop.example"))
        .expect(200)
        .json();
    assert_eq!(ids(&theirs).len(), 1);
    assert!(
        !conduit.logs().to_lowercase().contains("ada@shop"),
        "no value is logged"
    );
}

#[test]
fn a_person_s_events_are_found_by_subject_and_by_identifier() {
    a_person_s_events_are_found(&[("CONDUIT_LOG", "debug")]);
}

#[test]
fn a_person_s_events_are_found_in_postgresql() {
    let server = Postgres::shared();
    a_person_s_events_are_found(&[("CONDUIT_DATABASE_URL", &server.database())]);
}

#[test]
fn what_cannot_be_searched_for_is_named_and_not_repeated() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let refused = |body: Value, code: &str, pointer: Option<&str>| {
        let answer = search(&conduit, &shop, body);
        assert_problem(&answer, code, pointer);
        // The request's id may have these letters by chance.
        let id = answer.json()["requestId"].as_str().unwrap_or("none").to_owned();
        assert!(!answer.text.replace(&id, "").contains("ada"), "{}", answer.text);
    };
    refused(by_email("ada at shop"), "lookup_invalid", Some("/identifier/value"));
    refused(
        json!({"identifier": {"category": "ada", "value": "ada"}}),
        "lookup_invalid",
        Some("/identifier/category"),
    );
    refused(
        json!({"identifier": {"category": "user.contact.email"}}),
        "body_invalid",
        None,
    );
    refused(json!({}), "body_invalid", None);
    for (field, value, code) in [
        ("status", json!("done"), "parameter_invalid"),
        ("integration", json!("ada"), "parameter_invalid"),
        ("event", json!(""), "parameter_invalid"),
        ("event", json!("contact\u{9b}"), "parameter_invalid"),
        ("from", json!("yesterday"), "parameter_invalid"),
        ("to", json!("ada"), "parameter_invalid"),
        ("limit", json!(0), "parameter_invalid"),
        ("limit", json!(201), "parameter_invalid"),
        ("cursor", json!("ada"), "cursor_invalid"),
    ] {
        let mut body = by_email("ada@shop.example");
        body[field] = value;
        refused(body, code, Some(&format!("/{field}")));
    }
    let mut body = by_email("ada@shop.example");
    body["page"] = json!(1);
    refused(body, "body_invalid", None);
    // The operator has to say whose: hashes are a controller's own.
    let answer = conduit.admin("POST", "/api/v1/events/search", Some(by_email("ada@shop.example")));
    assert_problem(&answer, "did_missing", None);
    let path = format!("/api/v1/events/search?did={}", shop.did);
    conduit
        .admin("POST", &path, Some(by_email("ada@shop.example")))
        .expect(200);
    // A name is many people's.
    for number in 0..51 {
        let fields = json!({"email": format!("p{number}@shop.example"), "name": "Ada Lovelace"});
        shop.send(&conduit, "contact", fields);
    }
    conduit.settled();
    refused(
        json!({"identifier": {"category": "user.name", "value": "Ada Lovelace"}}),
        "identifier_too_common",
        Some("/identifier/value"),
    );
}

#[test]
fn a_cursor_serves_the_list_and_the_filter_that_it_came_from() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for number in 0..3 {
        shop.send(&conduit, "contact", json!({"email": format!("p{number}@shop.example")}));
        Tenant::create(&conduit, &format!("did:web:other{number}.example"));
        shop.call(
            &conduit,
            "POST",
            "/api/v1/integrations/custom",
            Some(json!({"name": "More", "events": [{"name": "x", "fields": []}]})),
        )
        .expect(201);
    }
    conduit.settled();
    let lists = [
        "/api/v1/events",
        "/api/v1/activities",
        "/api/v1/subjects",
        "/api/v1/integrations/custom",
        "/api/v1/controllers",
    ];
    let page = |path: &str, query: &str| conduit.admin("GET", &format!("{path}?{query}"), None);
    for list in lists {
        let first = page(list, "limit=1").expect(200).json();
        let cursor = first["nextCursor"].as_str().unwrap();
        let second = page(list, &format!("limit=2&cursor={cursor}")).expect(200).json();
        assert_ne!(first["items"][0], second["items"][0], "{list}");
        // The limit is no part of it, the rest is.
        if list != "/api/v1/controllers" {
            let answer = page(list, &format!("did={}&cursor={cursor}", shop.did));
            assert_problem(&answer, "cursor_invalid", None);
        }
        for other in lists.into_iter().filter(|other| *other != list) {
            assert_problem(&page(other, &format!("cursor={cursor}")), "cursor_invalid", None);
        }
        for bad in ["", "x", "AAAA", &cursor[1..], "01a20dd6-ddfc-73ea-917c-69ac75dba012"] {
            assert_problem(&page(list, &format!("cursor={bad}")), "cursor_invalid", None);
        }
    }
    for list in ["/api/v1/events", "/api/v1/activities"] {
        for bad in ["", "contact%C2%9B"] {
            assert_problem(&page(list, &format!("event={bad}")), "parameter_invalid", None);
        }
    }
    let search_page = |value: &str, cursor: Option<&str>| {
        let mut body = by_email(value);
        body["limit"] = json!(1);
        body["cursor"] = json!(cursor);
        search(&conduit, &shop, body)
    };
    shop.send(&conduit, "unwatched", json!({"email": "p0@shop.example"}));
    conduit.settled();
    let first = search_page("p0@shop.example", None).expect(200).json();
    let cursor = first["nextCursor"].as_str();
    search_page("P0@shop.example", cursor).expect(200);
    assert_problem(
        &search_page("p1@shop.example", cursor),
        "cursor_invalid",
        Some("/cursor"),
    );
}

/// Reads all pages of a list, with an action between two of them.
fn pages(conduit: &Conduit, query: &str, mut between: impl FnMut()) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/events?limit=20{query}{cursor}");
        let page = conduit.admin("GET", &path, None).expect(200).json();
        found.extend(ids(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
        between();
    }
}

fn every_event_is_met_once(settings: &[(&str, &str)]) {
    let mut settings = settings.to_vec();
    settings.push(LONG_WINDOW);
    let conduit = Conduit::with(&settings);
    let load = Load::new(&conduit);
    load.throughout(&conduit, Refusals::None, || {
        load.more(200);
        for _ in 0..5 {
            let before: HashSet<String> = load.accepted_ids().into_iter().collect();
            let mut more = 0;
            let met = pages(&conduit, "", || {
                // Some come in, and others get their outcomes, between any two pages.
                load.more(3);
                more += 3;
            });
            let distinct: HashSet<String> = met.iter().cloned().collect();
            assert_eq!(distinct.len(), met.len(), "an event twice");
            let missed: Vec<_> = before.difference(&distinct).collect();
            assert!(missed.is_empty(), "{missed:?}");
            assert!(met.is_sorted_by(|a, b| a > b) && more > 0);
        }
    });
    load.assert_outcomes(&conduit);
}

#[test]
fn while_events_come_in_and_are_processed_each_is_met_once() {
    every_event_is_met_once(&[]);
}

#[test]
fn while_events_come_in_and_are_processed_each_is_met_once_in_postgresql() {
    let server = Postgres::shared();
    every_event_is_met_once(&[("CONDUIT_DATABASE_URL", &server.database())]);
}

#[test]
fn what_is_in_flight_is_found_however_deep_it_lies_and_stays_in_its_place_when_processed() {
    let mut conduit = Conduit::with(&[
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "60000"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_MAX_MS", "600000"),
        ("FAILPOINTS", "PiiExtractorActor=panic"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let mut sent = Vec::new();
    for number in 0..450 {
        let (tenant, event) = match number {
            5 | 7 | 300 => (&shop, "heartbeat"),
            _ if number % 3 == 0 => (&other, "unwatched"),
            _ => (&shop, "unwatched"),
        };
        let fields = json!({"email": format!("p{number}@shop.example"), "host": number.to_string()});
        sent.push(tenant.send(&conduit, event, fields));
    }
    sent.reverse();
    assert_eq!(conduit.stats().in_flight, 450);
    assert_eq!(pages(&conduit, "", || ()), sent);
    assert_eq!(pages(&conduit, "&status=received", || ()), sent);
    assert_eq!(pages(&conduit, "&status=processed", || ()), [""; 0]);
    let rare = [300, 7, 5].map(|number: usize| sent[449 - number].clone());
    assert_eq!(pages(&conduit, "&event=heartbeat", || ()), rare);
    let mine = format!("&did={}&event=heartbeat", shop.did);
    assert_eq!(pages(&conduit, &mine, || ()), rare);

    // Half of the pages from the journal, half from the store.
    let first = conduit
        .admin("GET", "/api/v1/events?limit=200", None)
        .expect(200)
        .json();
    conduit.kill();
    conduit.unset("FAILPOINTS");
    conduit.launch();
    assert_eq!(conduit.settled().processed, 450);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = pages(&conduit, "", || ());
    let behind = conduit.admin("GET", &format!("/api/v1/events?limit=200&cursor={cursor}"), None);
    assert_eq!([ids(&first), ids(&behind.expect(200).json())].concat(), sent[..400]);
    assert_eq!(rest, sent);
    assert_eq!(pages(&conduit, "&event=heartbeat", || ()), rare);
}
