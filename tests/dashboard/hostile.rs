//! Text from tenants and events is shown as text, and no tenant sees pages of another.

use serde_json::{Value, json};

use super::browser::Browser;
use super::sessions::Visitor;
use super::world::World;
use super::{assert_quiet, complaints, sign_in};
use crate::common::{Conduit, Tenant};

/// Out of an attribute, out of a text, out of a script, and as an address.
const HOSTILE: [&str; 5] = [
    "\"><img src=x onerror=alert(1)>",
    "'><svg onload=alert(2)>",
    "</textarea></title></script><script>alert(3)</script>",
    "javascript:alert(4)",
    "{{7*7}}<b id=injected>${7*7}</b>",
];

/// Returns an integration whose free texts are all hostile.
fn integration(number: usize) -> Value {
    let bad = HOSTILE[number % HOSTILE.len()];
    json!({"name": bad, "events": [{"name": bad, "purpose": bad, "fields": [
        {"path": "email", "required": true, "pii": "user.contact.email"},
        {"path": bad.replace(['[', ']', '.'], ""), "pii": "user.name"}]}]})
}

fn nothing_ran(browser: &Browser, place: &str) {
    let injected =
        "return window.ran || document.querySelectorAll('#injected, img, main svg[onload], script:not([src])').length";
    assert_eq!(browser.run(injected, json!([])), json!(0), "{place}");
    // A blocked script would have been a complaint; an alert would have stopped the browser's driver.
    assert_eq!(complaints(browser), Vec::<Value>::new(), "{place}");
}

#[test]
fn nothing_that_a_tenant_or_an_event_says_is_run() {
    let conduit = Conduit::start();
    let made = conduit
        .admin(
            "POST",
            "/api/v1/controllers",
            Some(json!({"name": HOSTILE[0], "did": "did:web:hostile.example"})),
        )
        .expect(201)
        .json();
    let token = made["managementToken"].as_str().unwrap();
    let mut places = vec![
        "/overview".to_owned(),
        "/events".to_owned(),
        "/integrations".to_owned(),
        "/subjects".to_owned(),
        "/activities".to_owned(),
        "/controllers".to_owned(),
        "/controllers/did:web:hostile.example".to_owned(),
    ];
    for (number, bad) in HOSTILE.into_iter().enumerate() {
        let body = integration(number);
        let made_integration = conduit
            .call(token, "POST", "/api/v1/integrations/custom", Some(body))
            .expect(201)
            .json();
        let id = made_integration["id"].as_str().unwrap();
        let tenant = Tenant {
            did: "did:web:hostile.example".to_owned(),
            webhook_secret: made["webhookSecret"].as_str().unwrap().to_owned(),
            token: token.to_owned(),
            integration: id.to_owned(),
            processor: made_integration["dataProcessorId"].as_str().unwrap().to_owned(),
            webhook_auth: made_integration["webhookAuth"].as_str().unwrap().to_owned(),
        };
        for (event, fields) in [
            (bad, json!({"email": format!("ada{number}@shop.example")})),
            (bad, json!({"email": bad})),
            ("<b id=injected>unknown</b>", json!({"email": bad})),
        ] {
            let event = tenant.send(&conduit, event, fields);
            let outcome = tenant.outcome(&conduit, &event);
            places.push(format!("/events/{event}"));
            if let Some(subject) = outcome["subject"].as_str() {
                places.push(format!("/subjects/{subject}"));
            }
        }
        places.push(format!("/integrations/{id}"));
        places.push(format!("/integrations/{id}/edit"));
    }
    let escaped = url::form_urlencoded::byte_serialize(HOSTILE[0].as_bytes()).collect::<String>();
    places.push(format!("/events?event={escaped}"));
    places.push(format!("/activities?event={escaped}"));
    places.push(format!("/sign-in?next={escaped}"));
    places.push(format!("/{escaped}"));

    let browser = Browser::start();
    for token in [token.to_owned(), conduit.admin_token()] {
        sign_in(&browser, &conduit, &token);
        for place in &places {
            browser.go(&format!("{}{place}", conduit.url));
            browser.text("main");
            if place.starts_with("/%") {
                // The missing page is a complaint of the browser itself.
                browser.log("browser");
            }
            nothing_ran(&browser, place);
        }
        // Typed text comes back unchanged.
        browser.go(&format!("{}/integrations/new", conduit.url));
        let typed = HOSTILE.concat();
        browser.run("document.querySelector('#sample').value = arguments[0]; document.querySelector('#name').value = arguments[0]", json!([typed]));
        browser.click("button[value='suggest']");
        browser.wait_for_text("is not valid JSON");
        nothing_ran(&browser, "the editor");
        let back = browser.run("return document.querySelector('#sample').value", json!([]));
        assert_eq!(back, json!(typed));
        browser.click(".sidebar form[action='/sign-out'] button");
        browser.wait_for_text("Use the operator");
    }
    assert_quiet(&browser, &conduit);
}

#[test]
fn one_tenant_opens_none_of_another_s_pages() {
    let world = World::build();
    let other = Tenant::create(&world.conduit, "did:web:other.example");
    let visitor = Visitor::signed_in(&world.conduit, &other.token);
    let integration = format!("/integrations/{}", world.shop.integration);
    let theirs = [
        format!("/events/{}", world.processed),
        format!("/subjects/{}", world.subject),
        integration.clone(),
        format!("{integration}/edit"),
        format!("/controllers/{}", world.shop.did),
        format!("/events?did={}", world.shop.did),
        format!("/integrations?did={}", world.shop.did),
        format!("/subjects?did={}", world.shop.did),
        format!("/activities?did={}", world.shop.did),
        format!("/activities?subject={}", world.subject),
        format!("/activities.csv?did={}", world.shop.did),
        format!("/live?did={}", world.shop.did),
    ];
    for path in theirs {
        let answer = visitor.get(&path).expect(404);
        assert!(!answer.text.contains("Web shop"), "{path}");
    }
    for (path, fields) in [
        (format!("{integration}/edit"), vec![("do", "save"), ("name", "Mine")]),
        (format!("{integration}/rotate"), vec![("grace", "0")]),
        (format!("{integration}/delete"), vec![("name", "Web shop")]),
        (format!("/controllers/{}/rotate", world.shop.did), vec![("grace", "0")]),
        (
            "/subjects".to_owned(),
            vec![("did", world.shop.did.as_str()), ("value", "ada@shop.example")],
        ),
        ("/activities/verify".to_owned(), vec![("did", world.shop.did.as_str())]),
    ] {
        visitor.change(&path, &fields).expect(404);
    }
    visitor
        .change(&format!("/controllers/{}/delete", world.shop.did), &[("name", "x")])
        .expect(403);
    let made = [
        ("do", "save"),
        ("name", "X"),
        ("did", world.shop.did.as_str()),
        ("e0.name", "e"),
    ];
    assert!(
        visitor
            .change("/integrations/new", &made)
            .text
            .contains("there is no such controller")
    );
    // Lists show no data of the other tenant, and a filter by the other's integration finds none.
    for path in ["/events", "/subjects", "/activities", "/integrations", "/overview"] {
        let page = visitor.get(path).expect(200).text;
        assert!(!page.contains(&world.subject) && !page.contains("Newsletter"), "{path}");
    }
    let filtered = visitor
        .get(&format!("/events?integration={}", world.shop.integration))
        .expect(200)
        .text;
    assert!(filtered.contains("No event matches"));
    // Nothing was changed.
    world
        .shop
        .call(&world.conduit, "GET", "/api/v1/integrations/custom", None)
        .expect(200);
    world
        .shop
        .send(&world.conduit, "contact", json!({"email": "still@shop.example"}));
}
