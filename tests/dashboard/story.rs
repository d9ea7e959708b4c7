//! The whole story: from the first sign-in to a verified log, as an integrator and an operator live it.

use serde_json::json;

use super::browser::Browser;
use super::pages::SAMPLE;
use super::{assert_quiet, sign_in};
use crate::common::{Conduit, request, wait_for};

/// Returns a text that a page shows only once.
fn shown(browser: &Browser, id: &str) -> String {
    browser.text(&format!("#{id}")).trim().to_owned()
}

/// Sends an event as the pages say; its id.
fn send(conduit: &Conduit, url: &str, authorization: &str, secret: &str, body: &str) -> String {
    let headers = [
        ("authorization", authorization),
        ("x-webhook-secret", secret),
        ("content-type", "application/json"),
    ];
    let answer = request(&conduit.client, "POST", url, &headers, body.as_bytes())
        .unwrap()
        .expect(200);
    answer.json()["eventId"].as_str().unwrap().to_owned()
}

fn order(number: u32, email: &str) -> String {
    json!({"event": "order_placed", "triggeredAt": "2026-04-06T10:30:00Z", "orderId": format!("A-{number}"),
        "customer": {"id": format!("c-{number}"), "name": "Ada Example", "email": email}, "shipTo": {"city": "Bremen"}})
    .to_string()
}

#[test]
fn from_the_first_sign_in_to_a_verified_log() {
    let conduit = Conduit::start();
    let operator = Browser::start();

    // The operator makes a controller.
    sign_in(&operator, &conduit, &conduit.admin_token());
    operator.click("main a[href='/controllers#new']");
    operator.fill("#name", "Shop");
    operator.fill("#did", "did:web:shop.example");
    operator.click("form[action='/controllers'] button");
    operator.wait_for_text("Shop is ready");
    let (secret, token) = (shown(&operator, "webhook-secret"), shown(&operator, "management-token"));
    // The form that is sent twice makes no second one.
    operator.run("history.back()", json!([]));
    operator.wait_until("return document.querySelector('#did')?.value === 'did:web:shop.example'");
    operator.click("form[action='/controllers'] button");
    operator.wait_for_text("A controller with this DID exists already");
    operator.log("browser");

    // The controller onboards an integration from a pasted payload.
    let browser = Browser::start();
    sign_in(&browser, &conduit, &token);
    browser.click("main a[href='/integrations/new']");
    browser.fill("#sample", SAMPLE);
    browser.click("button[value='suggest']");
    browser.wait_for_text("look like personal data");
    browser.fill("#name", "Web shop");
    browser.fill("#e0-purpose", "Order fulfilment");
    browser.run("document.querySelector('#e0-basis').value = 'contract'", json!([]));
    // Fields stand in the sample's order.
    let place = "return [...document.querySelectorAll('[id^=e0f][id$=-path]')].findIndex((path) => path.value === 'customer.email')";
    let place = format!("#event-0-field-{}", browser.run(place, json!([])));
    browser.click(&format!("{place} input[type='checkbox']"));
    browser.click("button[value='test']");
    browser.wait_for_text("a new data subject");
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Web shop is ready");
    let (url, authorization) = (shown(&browser, "url"), shown(&browser, "api-key"));
    assert!(shown(&browser, "curl").contains(&authorization));
    browser.click("[data-copy='api-key']");
    browser.wait_for_text("Copied");

    // Events are sent, and appear by themselves.
    browser.click(".sidebar a[href='/events']");
    browser.wait_for_text("No event yet");
    wait_for("the page to be live", || {
        browser.text("[data-live-state]").contains("Live").then_some(())
    });
    let first = send(&conduit, &url, &authorization, &secret, &order(1, "ada@shop.example"));
    browser.wait_for_text("Processed");
    browser.click("[data-pause]");
    browser.wait_for_text("Paused");
    let broken = send(&conduit, &url, &authorization, &secret, &order(2, "not an address"));
    let event = format!("/api/v1/events/{broken}");
    wait_for("the event to be rejected", || {
        (conduit.call(&token, "GET", &event, None).json()["status"] == "rejected").then_some(())
    });
    assert!(!browser.text("#list").contains("Rejected"));
    browser.click("[data-pause]");
    browser.wait_for_text("Rejected");

    // The rejected one says why, and leads to the line that caused it.
    browser.click(&format!("a[href='/events/{broken}']"));
    browser.wait_for_text("Why it was rejected");
    browser.click("main .items a.button");
    browser.wait_for_text("Edit the mapping");
    assert!(browser.address().ends_with(&place));
    browser.click(&format!("{place} input[type='checkbox']"));
    browser.click("button[value='past']");
    browser.wait_for_text("1 with another outcome");
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Saved as version 2");
    let mended = send(&conduit, &url, &authorization, &secret, &order(3, "not an address"));
    browser.go(&format!("{}/events/{mended}", conduit.url));
    browser.wait_for_text("Processed");
    browser.wait_for_text("Warnings");

    // The rejected event is replayed under the fixed mapping.
    browser.go(&format!("{}/events/{broken}", conduit.url));
    browser.click("form[action$='/replay'] button");
    browser.wait_for_text("It was replayed. It is processed now.");
    browser.wait_for_text("Processed again from the kept payload, under version 2 of the mapping.");
    let replayed = "return [...document.querySelectorAll('.timeline li')].map((line) => \
         [line.querySelector('strong').innerText, line.querySelector('.took').innerText !== ''])";
    assert_eq!(
        browser.run(replayed, json!([])),
        json!([
            ["Received", false],
            ["Durable", true],
            ["Replayed", false],
            ["Extracted", true],
            ["Resolved", true],
            ["Processed", true]
        ])
    );
    browser.wait_for_text("Outcomes");
    browser.wait_for_text("version 2");

    // The data subject is found by an identifier that is in no address.
    browser.click(".sidebar a[href='/subjects']");
    browser.fill("#value", "Ada@Shop.example");
    browser.click("form[action='/subjects'] button");
    browser.wait_for_text("All data subjects");
    assert!(!browser.address().contains("Ada"));
    assert!(!browser.text("main").to_lowercase().contains("ada@"));
    browser.click("#main td a.row");
    browser.wait_for_text("Processing activities");
    browser.wait_for_text("Order fulfilment");
    browser.click(&format!("a[href='/events/{first}']"));
    browser.wait_for_text("Timeline");

    // The log verifies.
    browser.click(".sidebar a[href='/activities']");
    browser.click("form[action='/activities/verify'] button");
    browser.wait_for_text("The chain is intact. All 3 records");

    // A key is rotated: the old one serves beside the new one.
    browser.click(".sidebar a[href='/integrations']");
    browser.click("#main td a.row");
    let state = browser.run(
        "return document.querySelector(\"form[action$='/rotate'] [name='state']\").value",
        json!([]),
    );
    browser.click("form[action$='/rotate'] button");
    browser.wait_for_text("A new API key for Web shop");
    let rotated = shown(&browser, "api-key");
    assert_ne!(rotated, authorization);
    for key in [&authorization, &rotated] {
        send(&conduit, &url, key, &secret, &order(4, "bea@shop.example"));
    }
    // The same form again does not end the grace of the old key.
    browser.run("history.back()", json!([]));
    browser.wait_until(
        "return document.readyState === 'complete' && document.querySelector(\"form[action$='/rotate']\") !== null",
    );
    // The browser may have read the page again meanwhile, which then knows of the rotation.
    browser.run(
        "document.querySelector(\"form[action$='/rotate'] [name='state']\").value = arguments[0]",
        json!([state]),
    );
    browser.click("form[action$='/rotate'] button");
    browser.wait_for_text("It was rotated meanwhile");
    send(&conduit, &url, &authorization, &secret, &order(5, "cy@shop.example"));
    browser.log("browser");

    // It is deleted by its name alone.
    browser.go(&format!("{}/integrations", conduit.url));
    browser.wait_for_text("The old API key is still valid");
    browser.click("#main td a.row");
    browser.fill("#delete-name", "Web");
    browser.click("form[action$='/delete'] button");
    browser.wait_for_text("Nothing was deleted");
    browser.fill("#delete-name", "Web shop");
    browser.click("form[action$='/delete'] button");
    browser.wait_for_text("No integration yet");
    assert_quiet(&browser, &conduit);

    // Nothing that was typed in is logged.
    let logs = conduit.logs();
    for private in ["ada@shop.example", "Ada@Shop.example", &token, &secret, &rotated] {
        assert!(!logs.contains(private), "{private} is in the log");
    }
}

#[test]
fn a_chain_that_was_tampered_with_is_named() {
    let world = super::world::World::build();
    let browser = Browser::start();
    sign_in(&browser, &world.conduit, &world.shop.token);
    let database = world.conduit.data_dir().join("conduit.db");
    super::world::tamper(
        &database,
        "UPDATE activities SET purpose = 'Advertising' WHERE sequence = 3",
    );
    browser.click(".sidebar a[href='/activities']");
    browser.click("form[action='/activities/verify'] button");
    browser.wait_for_text("is broken");
    browser.wait_for_text("record 3 was changed");
    browser.wait_for_text("2 records before it are unchanged");
}

#[test]
fn the_editor_s_buttons_work_without_javascript_and_keep_what_was_typed() {
    let world = super::world::World::build();
    let browser = Browser::start();
    sign_in(&browser, &world.conduit, &world.shop.token);
    browser.without_scripts(true);
    browser.go(&format!("{}/integrations/new", world.conduit.url));
    browser.fill("#name", "Typed");
    browser.fill("#e0-name", "signup");
    browser.fill("#e0f0-path", "email");
    browser.click("button[value='add-field:0']");
    browser.fill("#e0f1-path", "phone");
    browser.fill("#e0f1-pii", "user.contact.phone_numbr");
    browser.click("button[value='add-event']");
    browser.fill("#e1-name", "signup");
    browser.click("button.primary[value='save']");
    browser.without_scripts(false);
    browser.wait_for_text("is there already: names are unique");
    browser.wait_for_text("did you mean user.contact.phone_number?");
    let value = |field: &str| browser.run("return document.querySelector(arguments[0]).value", json!([field]));
    assert_eq!(value("#name"), "Typed");
    assert_eq!(value("#e0f0-path"), "email");
    browser.without_scripts(true);
    browser.click("button[value='remove-event:1']");
    browser.click("button[value='remove-field:0:1']");
    browser.click("button.primary[value='save']");
    browser.without_scripts(false);
    browser.wait_for_text("Typed is ready");
}

#[test]
fn two_who_edit_at_a_time_do_not_overwrite_each_other_unknowingly() {
    let world = super::world::World::build();
    let browser = Browser::start();
    sign_in(&browser, &world.conduit, &world.shop.token);
    let edit = format!("{}/integrations/{}/edit", world.conduit.url, world.shop.integration);
    browser.go(&edit);
    browser.fill("#name", "Mine");
    let path = format!("/api/v1/integrations/custom/{}", world.shop.integration);
    let mut theirs = crate::common::tenant::shop();
    theirs["name"] = json!("Theirs");
    world.shop.call(&world.conduit, "PUT", &path, Some(theirs)).expect(200);
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Somebody saved version 2 meanwhile");
    let differences = browser.text("#conflict");
    assert!(
        differences.contains("\"Theirs\"") && differences.contains("\"Mine\""),
        "{differences}"
    );
    assert_eq!(super::pages::violations(&browser), Vec::<String>::new());
    let name = || world.shop.call(&world.conduit, "GET", &path, None).json()["name"].clone();
    assert_eq!(name(), "Theirs");
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Saved as version 3");
    assert_eq!(name(), "Mine");
}
