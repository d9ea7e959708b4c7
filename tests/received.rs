//! Bodies of senders: the endpoint and the dry run accept and refuse the same, and the sent fields can be looked up.

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, request, tenant::body};

const AT: &str = "2026-04-06T10:30:00Z";

/// Sends a text to a call with the controller's token.
fn post(conduit: &Conduit, shop: &Tenant, path: &str, text: &str) -> Answer {
    let headers = [
        ("authorization", format!("Bearer {}", shop.token)),
        ("content-type", "application/json".to_owned()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let url = format!("{}/api/v1/integrations/custom{path}", conduit.url);
    request(&conduit.client, "POST", &url, &headers, text.as_bytes()).expect("an answer")
}

#[test]
fn the_dry_run_refuses_what_the_endpoint_refuses() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__MAX_BODY_BYTES", "2000")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let saved = crate::common::tenant::shop();
    let deep = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    let whole = |inside: &str| format!(r#"{{"event":"contact","triggeredAt":"{AT}",{inside}}}"#);
    let mut bodies = vec![
        whole(r#""email":"a@shop.example","email":"b@shop.example""#),
        whole(r#""x":[{"y":1,"y":2}]"#),
        whole(&format!(r#""x":{deep}"#)),
        whole(&format!(r#""x":"{}""#, "x".repeat(2_000))),
        whole(r#""x":"\ud800""#),
        r#"{"event":"contact"}"#.to_owned(),
        r#"[1]"#.to_owned(),
        "\u{feff}\u{feff}{}".to_owned(),
    ];
    for between in ["#", "5", r"\n", "  ", "_", ""] {
        bodies.push(format!(
            r#"{{"event":"contact","triggeredAt":"2026-04-06{between}10:30:00Z"}}"#
        ));
    }
    for offset in ["+00:60", "+24:00", "", "+0200", "+2:00"] {
        bodies.push(format!(
            r#"{{"event":"contact","triggeredAt":"2026-04-06T10:30:00{offset}"}}"#
        ));
    }
    for body in bodies {
        let endpoint = shop.try_send(&conduit, body.as_bytes()).unwrap();
        assert_eq!(endpoint.status, 400, "{body} {}", endpoint.text);
        let endpoint = endpoint.json();
        let dry = post(&conduit, &shop, &format!("/{}/test", shop.integration), &body)
            .expect(400)
            .json();
        assert_eq!(
            (&dry["code"], &dry["errors"]),
            (&endpoint["code"], &endpoint["errors"]),
            "{body}"
        );
        // A body that is no JSON at all is a fault of the whole body of a draft.
        if endpoint["code"] == "json_invalid" {
            continue;
        }
        let draft = format!(r#"{{"event": {body}, "integration": {saved}}}"#);
        let draft = post(
            &conduit,
            &shop,
            &format!("/{}/test?draft=true", shop.integration),
            &draft,
        )
        .expect(400)
        .json();
        assert_eq!(draft["code"], endpoint["code"], "{body}");
        let pointer = |problem: &Value| problem["errors"][0]["pointer"].as_str().map(str::to_owned);
        let below = pointer(&endpoint).map(|pointer| format!("/event{pointer}"));
        assert_eq!(pointer(&draft), below, "{body} {draft}");
    }
    let twice = r#"{"name": "a", "name": "b", "events": []}"#;
    let problem = post(&conduit, &shop, "", twice).expect(400).json();
    assert_eq!(
        (&problem["code"], &problem["errors"][0]["pointer"]),
        (&json!("body_invalid"), &json!("/name"))
    );
    assert_eq!(conduit.stats().accepted, 0);
}

#[test]
fn a_byte_order_mark_and_numbers_of_any_size_are_valid_json() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for (number, text) in [
        format!("\u{feff}{}", body("contact", json!({"email": "ada@shop.example"}))),
        format!(r#"{{"event":"contact","triggeredAt":"{AT}","email":"bea@shop.example","n":1e400,"m":[-1e999]}}"#),
        r#"{"event":"contact","triggeredAt":"2026-04-06 10:30:00z","email":"cleo@shop.example"}"#.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let dry = post(&conduit, &shop, &format!("/{}/test", shop.integration), text)
            .expect(200)
            .json();
        assert_eq!(dry["status"], "processed", "{number}: {dry}");
        let sent = shop.try_send(&conduit, text.as_bytes()).unwrap().expect(200).json();
        let outcome = shop.outcome(&conduit, sent["eventId"].as_str().unwrap());
        assert_eq!(outcome["status"], "processed", "{number}: {outcome}");
        assert_eq!(outcome["categories"], json!(["user.contact.email"]), "{number}");
    }
    // So are bodies of the management API.
    let made = post(
        &conduit,
        &shop,
        "",
        "\u{feff}{\"name\": \"n\", \"events\": [{\"name\": \"e\"}]}",
    );
    made.expect(201);
}

#[test]
fn names_with_dots_and_brackets_are_mapped_by_quoted_segments() {
    let conduit = Conduit::start();
    let integration = json!({"name": "n", "events": [{"name": "e", "fields": [
        {"path": "[\"user.email\"]", "required": true, "pii": "user.contact.email"},
        {"path": "people[][\"full[name]\"]", "pii": "user.name"},
        {"path": "[\"say \\\"hi\\\"\"]", "required": true}]}]});
    let shop = Tenant::with(&conduit, "did:web:shop.example", integration);
    let event = shop.send(
        &conduit,
        "e",
        json!({"user.email": "ada@shop.example", "people": [{"full[name]": "Ada"}], "say \"hi\"": "x"}),
    );
    let outcome = shop.outcome(&conduit, &event);
    assert_eq!(
        (&outcome["status"], &outcome["categories"]),
        (&json!("processed"), &json!(["user.contact.email", "user.name"]))
    );
    let event = shop.send(&conduit, "e", json!({"user.email": "nobody", "user": {"email": "x"}}));
    let outcome = shop.outcome(&conduit, &event);
    let fields: Vec<_> = outcome["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| &reason["field"])
        .collect();
    assert_eq!(fields, ["/user.email", "/say \"hi\""]);
    let shown = shop.call(
        &conduit,
        "GET",
        &format!("/api/v1/integrations/custom/{}", shop.integration),
        None,
    );
    assert_eq!(
        shown.expect(200).json()["events"][0]["fields"][0]["path"],
        "[\"user.email\"]"
    );
}

#[test]
fn the_names_that_were_sent_are_found_out_and_stored_nowhere() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let sent = json!({"Email": "ada@shop.example", "customer": {"Name": "Ada"}, "zq_unheard_of": 1, "bob@shop.example": {"x": 1}});
    let event = shop.send(&conduit, "account_created", sent.clone());
    let outcome = shop.outcome(&conduit, &event);
    assert_eq!(outcome["status"], "rejected");
    let received = &outcome["received"];
    let names: Vec<_> = received["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["path"].as_str().unwrap(), field["near"].as_str()))
        .collect();
    assert!(
        names.contains(&("Email", Some("email"))) && names.contains(&("customer.Name", Some("customer.name"))),
        "{names:?}"
    );
    assert!(
        names.contains(&("zq_unheard_of", None)) && received["hidden"] == 1,
        "{received}"
    );
    assert!(
        !outcome.to_string().contains("bob@") && !outcome.to_string().contains("ada@"),
        "{outcome}"
    );
    let dry = shop
        .call(
            &conduit,
            "POST",
            &format!("/api/v1/integrations/custom/{}/test", shop.integration),
            Some(serde_json::from_str(&body("account_created", sent)).unwrap()),
        )
        .expect(200)
        .json();
    assert_eq!(&dry["received"], received);

    let unknown = shop.send(&conduit, "Account Created", json!({"email": "ada@shop.example"}));
    let outcome = shop.outcome(&conduit, &unknown);
    assert_eq!(
        (&outcome["event"], &outcome["received"]["event"]),
        (&json!("(withheld)"), &json!("Account Created"))
    );
    let message = outcome["reasons"][0]["message"].as_str().unwrap();
    assert!(message.contains("did you mean account_created?"), "{message}");
    let by_address = shop.send(&conduit, "carl@shop.example", json!({}));
    assert_eq!(shop.outcome(&conduit, &by_address)["received"]["event"], Value::Null);
    let good = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &good)["received"], Value::Null);

    // Neither the list nor the files contain sealed payloads.
    let list = shop.call(&conduit, "GET", "/api/v1/events", None).expect(200).text;
    assert!(!list.contains("received\":{") && !list.contains("zq_unheard_of"));
    conduit.settled();
    for name in ["conduit.db", "conduit.db-wal"] {
        let file = std::fs::read(conduit.data_dir().join(name)).unwrap_or_default();
        for secret in ["zq_unheard_of", "Account Created"] {
            assert!(
                !file.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "{name}: {secret}"
            );
        }
    }
}
