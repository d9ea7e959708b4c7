//! Pages that keep themselves up to date: through outages, under the keyboard, and as long as the session goes on.

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};

use super::browser::Browser;
use super::sessions::Visitor;
use super::{assert_quiet, sign_in};
use crate::common::{Conduit, Tenant, wait_for};

const TAB: &str = "\u{e004}";

/// A database that no other process can write to, until it is released.
struct Lock {
    system: actix_web::rt::SystemRunner,
    connection: SqliteConnection,
}

impl Lock {
    fn take(conduit: &Conduit) -> Self {
        let system = actix_web::rt::System::new();
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(conduit.data_dir().join("conduit.db"))
            .busy_timeout(std::time::Duration::from_secs(30));
        let connection = system.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            connection
        });
        Self { system, connection }
    }

    fn release(mut self) {
        let rollback = sqlx::query("ROLLBACK").execute(&mut self.connection);
        self.system.block_on(rollback).unwrap();
    }
}

#[track_caller]
fn wait_for_state(browser: &Browser, word: &str) {
    wait_for(&format!("the page to be {word:?}"), || {
        (browser.text("[data-live-state]").trim() == word).then_some(())
    });
}

/// Returns the session cookie of the browser.
fn cookie(browser: &Browser, conduit: &Conduit) -> String {
    let found = browser.devtools("Network.getCookies", json!({"urls": [conduit.url]}));
    let mut cookies = found["cookies"].as_array().unwrap().iter();
    let session = cookies.find(|cookie| cookie["name"] == "conduit_session").unwrap();
    format!("conduit_session={}", session["value"].as_str().unwrap())
}

#[test]
fn an_outage_is_seen_while_it_lasts_and_when_it_is_over() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &conduit.admin_token());
    wait_for_state(&browser, "Live");
    let lock = Lock::take(&conduit);
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    // It ages although nothing else changes.
    browser.wait_until("return /oldest [3-9]\\.?\\d* s/.test(document.querySelector('#tiles').innerText)");
    browser.wait_until("return document.querySelector('#attention').innerText.includes('shards is degraded')");
    browser.wait_until("return document.querySelector('#health').innerText.includes('degraded')");
    lock.release();
    browser.wait_until("return document.querySelector('#tiles').innerText.includes('nothing waits')");
    browser.wait_until("return !document.querySelector('#health').innerText.includes('degraded')");
    browser.wait_until("return document.querySelector('#attention').innerText.includes('All is well')");
    assert_quiet(&browser, &conduit);
}

#[test]
fn an_event_in_flight_is_told_of_as_one_and_its_page_rests_when_it_is_done() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    let lock = Lock::take(&conduit);
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    browser.go(&format!("{}/events/{event}", conduit.url));
    wait_for_state(&browser, "Live");
    browser.wait_for_text("Waits for the pipeline");
    browser.wait_for_text("Not known yet");
    let text = browser.text("main");
    for untrue in ["No category", "Extracted", "Resolved", "was found"] {
        assert!(!text.contains(untrue), "{untrue}: {text}");
    }
    lock.release();
    browser.wait_for_text("Its activity is in the log.");
    browser.wait_for_text("user.contact.email");
    // Nothing more happens to it: there is nothing to pause.
    browser.wait_until("return document.querySelector('[data-live-controls]').hidden");
    assert_quiet(&browser, &conduit);
}

#[test]
fn a_page_goes_on_with_the_session_and_says_when_it_is_over() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/events", conduit.url));
    wait_for_state(&browser, "Live");
    let mut visitor = Visitor::stranger(&conduit);
    visitor.cookie = cookie(&browser, &conduit);
    let address = |browser: &Browser| browser.requested().iter().filter(|url| url.ends_with("/live")).count();
    assert_eq!(address(&browser), 2, "the overview's and that of the events");

    // The session that the stream began with ends, but the browser has another one by now.
    let other = Visitor::signed_in(&conduit, &shop.token);
    let (name, value) = other.cookie.split_once('=').unwrap();
    browser.devtools(
        "Network.setCookie",
        json!({"url": conduit.url, "name": name, "value": value, "httpOnly": true}),
    );
    visitor.change("/sign-out", &[]).expect(303);
    wait_for("another stream", || (address(&browser) > 0).then_some(()));
    wait_for_state(&browser, "Live");
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    browser.wait_until("return document.querySelector('#list').innerText.includes('Processed')");

    // The second session ends as well.
    other.change("/sign-out", &[]).expect(303);
    wait_for_state(&browser, "Signed out");
    assert!(browser.text("#list").contains("Processed"), "what is shown stays");
    browser.click("[data-sign-in]");
    browser.fill("#token", &shop.token);
    browser.click("form[action='/sign-in'] button");
    wait_for_state(&browser, "Live");
    assert!(browser.address().ends_with("/events"), "{}", browser.address());
    assert_quiet(&browser, &conduit);
}

#[test]
fn a_list_goes_on_under_the_keyboard() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let first = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    conduit.settled();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/events", conduit.url));
    wait_for_state(&browser, "Live");
    let row = format!("return document.activeElement?.getAttribute('href') === '/events/{first}'");
    browser.run(
        "document.querySelector(arguments[0]).focus()",
        json!([format!("#list a[href='/events/{first}']")]),
    );
    let second = shop.send(&conduit, "account_created", json!({"email": "bea@shop.example"}));
    browser.wait_until(&format!(
        "return document.querySelector(\"#list tbody tr:first-child a[href='/events/{second}']\") !== null"
    ));
    browser.wait_until(&row);
    wait_for_state(&browser, "Live");
    // The order of the keyboard is that of the page.
    browser.press(TAB);
    browser.wait_until(
        "return document.activeElement.closest('tr') === document.querySelector('#list tbody tr:last-child')",
    );
    assert_quiet(&browser, &conduit);
}

#[test]
fn a_row_with_the_focus_is_not_taken_away() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    let lock = Lock::take(&conduit);
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    browser.go(&format!("{}/events?status=received", conduit.url));
    wait_for_state(&browser, "Live");
    let row = json!([format!("#list a[href='/events/{event}']")]);
    browser.run("document.querySelector(arguments[0]).focus()", row.clone());
    lock.release();
    wait_for_state(&browser, "Waiting");
    assert_eq!(
        browser.run(
            "return document.activeElement === document.querySelector(arguments[0])",
            row
        ),
        true
    );
    browser.run("document.activeElement.blur()", json!([]));
    browser.wait_for_text("No event matches");
    wait_for_state(&browser, "Live");
    assert_quiet(&browser, &conduit);
}

#[test]
fn a_page_that_cannot_be_read_again_says_so() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/events", conduit.url));
    wait_for_state(&browser, "Live");
    browser.devtools("Network.enable", json!({}));
    browser.devtools("Network.setBlockedURLs", json!({"urls": ["*/events"]}));
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    wait_for_state(&browser, "Not up to date");
    browser.devtools("Network.setBlockedURLs", json!({"urls": []}));
    shop.send(&conduit, "contact", json!({"email": "bea@shop.example"}));
    wait_for_state(&browser, "Live");
    browser.wait_until("return document.querySelectorAll('#list tbody tr').length === 2");
}

#[test]
fn every_live_page_can_be_paused_and_never_says_what_is_not_so() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rejected = shop.send(&conduit, "account_created", json!({"email": "not an address"}));
    shop.outcome(&conduit, &rejected);
    let browser = Browser::start();
    sign_in(&browser, &conduit, &conduit.admin_token());
    for page in ["/events", &format!("/events/{rejected}"), "/supervision", "/overview"] {
        browser.go(&format!("{}{page}", conduit.url));
        wait_for_state(&browser, "Live");
        browser.click("[data-pause]");
        wait_for_state(&browser, "Paused");
        assert_eq!(browser.text("[data-pause]").trim(), "Resume");
    }
    let before = browser.text("#tiles");
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    conduit.settled();
    browser.run(
        "window.said = [];
         new MutationObserver(() => window.said.push(document.querySelector('[data-live-state]').innerText.trim()))
            .observe(document.querySelector('[data-live-state]'), {subtree: true, childList: true, characterData: true})",
        json!([]),
    );
    conduit.kill();
    assert_eq!(browser.text("#tiles"), before);
    wait_for_state(&browser, "Paused");
    browser.click("[data-pause]");
    wait_for_state(&browser, "Connecting");
    assert_eq!(browser.text("[data-pause]").trim(), "Pause");
    let said = browser.run("return window.said", json!([]));
    assert!(!said.as_array().unwrap().contains(&json!("Live")), "{said}");
}

#[test]
fn supervision_has_the_lines_of_the_log_and_counts_in_words() {
    let conduit = Conduit::with(&[
        ("FAILPOINTS", "PiiExtractorActor::event=return"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let browser = Browser::start();
    sign_in(&browser, &conduit, &conduit.admin_token());
    browser.go(&format!("{}/supervision", conduit.url));
    browser.wait_for_text("No line since the start of this node");
    let poison = shop.send(&conduit, "poison", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &poison);
    // They appear by themselves, and are the lines of the log.
    let isolated = "poison event isolated: it becomes a dead letter (outcome failed), its neighbours go on";
    for message in [
        "actor panicked; it restarts after its backoff",
        "actor restarted",
        isolated,
    ] {
        browser.wait_until(&format!(
            "return document.querySelector('#log').innerText.includes('{message}')"
        ));
        assert!(!conduit.log_lines(message).is_empty(), "{message}");
    }
    let log = browser.text("#log");
    for part in [
        "PiiExtractorActor",
        "shard ",
        "generation=1 ",
        "cause=",
        poison.as_str(),
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let singular = "return document.querySelector('main').innerText.match(/\\b1 (events|restarts|segments|batches|controllers|claims)\\b/)";
    assert_eq!(browser.run(singular, json!([])), json!(null));
    browser.wait_for_text("of 2,000,000 claims");
    assert_quiet(&browser, &conduit);
}
