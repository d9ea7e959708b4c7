//! The mapping editor saves typed text only on request, and never loses it before.

use serde_json::{Value, json};

use super::browser::Browser;
use super::pages::violations;
use super::sessions::Visitor;
use super::{assert_quiet, sign_in};
use crate::common::{Conduit, Tenant, tenant};

const ENTER: &str = "\u{e007}";

fn shop() -> (Conduit, Tenant) {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    (conduit, shop)
}

fn api_path(shop: &Tenant) -> String {
    format!("/api/v1/integrations/custom/{}", shop.integration)
}

fn live(conduit: &Conduit, shop: &Tenant) -> Value {
    shop.call(conduit, "GET", &api_path(shop), None).json()
}

fn value(browser: &Browser, field: &str) -> Value {
    browser.run("return document.querySelector(arguments[0]).value", json!([field]))
}

#[test]
fn enter_in_a_field_checks_the_mapping_and_saves_nothing() {
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    let edit = format!("{}/integrations/{}/edit", conduit.url, shop.integration);
    for field in ["#name", "#dedup_window", "#e0-purpose", "#e0f0-path"] {
        browser.go(&edit);
        let focus = "document.querySelector('#event-0').open = true; document.querySelector(arguments[0]).focus()";
        browser.run(focus, json!([field]));
        browser.press(ENTER);
        browser.wait_for_text("The mapping is valid. It is not saved yet.");
    }
    assert_eq!(live(&conduit, &shop)["version"], 1);
    browser.go(&format!("{}/integrations/new", conduit.url));
    browser.fill("#name", "Typed");
    browser.press(ENTER);
    browser.wait_for_text("not valid yet");
    assert_eq!(value(&browser, "#name"), "Typed");
}

#[test]
fn what_was_pasted_stays_when_saving_fails() {
    const SAMPLE: &str = r#"{"email": "pasted@shop.example"}"#;
    let (conduit, shop) = shop();
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    let escaped = SAMPLE.replace('"', "&#34;");
    for path in [
        "/integrations/new".to_owned(),
        format!("/integrations/{}/edit", shop.integration),
    ] {
        let fields = [("do", "save"), ("sample", SAMPLE), ("name", "")];
        let page = visitor.change(&path, &fields).expect(200).text;
        assert!(page.contains("not valid yet") && page.contains(&escaped), "{page}");
    }
}

#[test]
fn another_theme_loses_nothing_of_the_page() {
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    let integration = format!("{}/integrations/{}", conduit.url, shop.integration);
    let theme = "return document.documentElement.dataset.theme";
    let is_pressed = "return document.querySelector('.sidebar button[value=\"dark\"]').getAttribute('aria-pressed')";

    // Typed text stays, and the choice is kept.
    browser.go(&format!("{integration}/edit"));
    browser.fill("#sample", "{}");
    browser.click(".sidebar button[value='dark']");
    browser.wait_until("return document.documentElement.dataset.theme === 'dark'");
    assert_eq!(browser.run(is_pressed, json!([])), "true");
    assert_eq!(value(&browser, "#sample"), "{}");
    browser
        .wait_until("return performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('/theme'))");
    browser.go(&integration);
    assert_eq!(browser.run(theme, json!([])), "dark");

    // So does the text that is shown once.
    browser.click("form[action$='/rotate'] button");
    browser.wait_for_text("A new API key");
    let key = browser.text("#api-key");
    browser.click(".sidebar button[value='light']");
    browser.wait_until("return document.documentElement.dataset.theme === 'light'");
    assert_eq!(browser.text("#api-key"), key);
    assert_quiet(&browser, &conduit);

    // Without the script, there are no buttons that would lead away from it.
    browser.without_scripts(true);
    let shown = "return getComputedStyle(document.querySelector('.sidebar .themes')).display";
    for (path, display) in [("", "flex"), ("/edit", "none")] {
        browser.go(&format!("{integration}{path}"));
        browser.without_scripts(false);
        assert_eq!(browser.run(shown, json!([])), display, "{path}");
        browser.without_scripts(true);
    }
    browser.go(&integration);
    browser.click("form[action$='/rotate'] button");
    // The page is there, and its script was passed over.
    browser.click("#api-key");
    browser.without_scripts(false);
    assert_eq!(browser.run(shown, json!([])), "none");
}

#[test]
fn an_integration_is_deleted_by_its_name_as_it_is_seen() {
    let (conduit, shop) = shop();
    let spaced = json!({"name": "Web  <b>shop", "events": tenant::shop()["events"]});
    shop.call(&conduit, "PUT", &api_path(&shop), Some(spaced)).expect(200);
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/integrations/{}", conduit.url, shop.integration));
    browser.fill("#delete-name", "Web");
    browser.click("form[action$='/delete'] button");
    browser.wait_for_text("Nothing was deleted");
    // The message is at the field, which has the focus and the typed text.
    assert_eq!(value(&browser, "#delete-name"), "Web");
    browser.wait_until("return document.activeElement.getAttribute('aria-describedby') === 'delete-name-fault'");
    let seen = browser.text("label[for='delete-name'] strong");
    browser.fill("#delete-name", &seen);
    browser.click("form[action$='/delete'] button");
    browser.wait_for_text("No integration yet");
}

#[test]
fn each_fault_is_reached_from_the_summary_and_by_assistive_technology() {
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!(
        "{}/integrations/{}/edit#event-0-field-0",
        conduit.url, shop.integration
    ));
    browser.fill("#region", "zz");
    let long = "document.querySelector('#e0-purpose').value = 'x'.repeat(501);
         document.querySelector('#e1-purpose').value = 'x'.repeat(501)";
    browser.run(long, json!([]));
    browser.fill("#e0f0-path", "a..b");
    browser.fill("#e0f1-pii", "qqqqqqqqqqqqqqqq");
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Some fields are not valid yet");
    // The summary has the focus, and leads to each field, which shows its fault.
    browser.wait_until("return document.activeElement.id === 'said'");
    let summary = browser.text("#said");
    for said in [
        "Region: is no region whose telephone numbers are known",
        "account_created, path of field 1:",
        "account_created, category of field 2: is no PII category: docs/categories.md",
        "contact, purpose: must have at most 500 characters",
    ] {
        assert!(summary.contains(said), "{summary}");
    }
    let unlinked = "return [...document.querySelectorAll('#said a')].filter((link) => {
            const field = document.querySelector(link.hash);
            const said = (field?.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id));
            return field?.getAttribute('aria-invalid') !== 'true'
                || !said.some((place) => place?.classList.contains('fault-text'));
        }).map((link) => link.hash)";
    assert_eq!(browser.run(unlinked, json!([])), json!([]));
    let twice = "const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
         return ids.filter((id, at) => ids.indexOf(id) !== at)";
    assert_eq!(browser.run(twice, json!([])), json!([]));
    browser.click("#said a[href='#e0f1-pii']");
    browser.wait_until("return document.activeElement.id === 'e0f1-pii'");
}

#[test]
fn what_is_added_has_the_focus() {
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/integrations/new", conduit.url));
    for (button, added) in [
        ("add-field:0", "e0f1-path"),
        ("add-field:0", "e0f2-path"),
        ("add-event", "e1-name"),
    ] {
        browser.click(&format!("button[value='{button}']"));
        browser.wait_until(&format!("return document.activeElement.id === '{added}'"));
    }
}

/// Ends the session of a browser, as if it had been idle for too long.
fn end_session(browser: &Browser) {
    browser.devtools("Network.clearBrowserCookies", json!({}));
}

#[test]
fn a_form_outlives_its_session() {
    const PASTED: &str = "{\"email\":\n \"<b>ada@shop.example\"}";
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    let edit = format!("/integrations/{}/edit", shop.integration);
    for (path, save) in [
        ("/integrations/new", "main form button.primary[value='save']"),
        (edit.as_str(), "button.primary[value='save']"),
    ] {
        browser.go(&format!("{}{path}", conduit.url));
        browser.run(
            "document.querySelector('#sample').value = arguments[0]",
            json!([PASTED]),
        );
        browser.fill("#name", "Typed");
        browser.run(
            "document.querySelector('#event-0').open = true; document.querySelector('#e0-name').value = 'typed'",
            json!([]),
        );
        end_session(&browser);
        browser.click(save);
        browser.wait_for_text("Sign in to continue: your input is kept.");
        assert_eq!(violations(&browser), Vec::<String>::new());
        // A slip at the sign-in loses nothing either.
        browser.fill("#token", "cdt_wrong");
        browser.click("form[action='/sign-in'] button");
        browser.wait_for_text("This token is unknown");
        browser.fill("#token", &shop.token);
        browser.click("form[action='/sign-in'] button");
        browser.wait_for_text("Not saved: your session had ended.");
        let typed = [
            value(&browser, "#sample"),
            value(&browser, "#name"),
            value(&browser, "#e0-name"),
        ];
        assert_eq!(typed, [json!(PASTED), json!("Typed"), json!("typed")], "{path}");
        assert_eq!(live(&conduit, &shop)["version"], 1);
    }
    browser.click("button.primary[value='save']");
    browser.wait_for_text("Saved as version 2");
    assert!(!conduit.logs().contains("ada@shop.example"));
}

#[test]
fn a_form_of_another_session_is_shown_again_and_changes_nothing() {
    let (conduit, shop) = shop();
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    let stale = Visitor::signed_in(&conduit, &shop.token).form_token();
    let edit = format!("/integrations/{}/edit", shop.integration);
    let fields = |csrf, action| {
        let mapping = [("name", "Typed"), ("sample", "pasted"), ("e0.name", "typed")];
        [&[("csrf", csrf), ("do", action)], &mapping[..]].concat()
    };
    for path in ["/integrations/new", &edit] {
        for action in ["save", "past", "test"] {
            let page = visitor.post(path, &fields(&stale, action)).expect(200).text;
            let kept = [
                "Not saved",
                "value=\"Typed\"",
                ">pasted<",
                "value=\"typed\"",
                &visitor.form_token(),
            ];
            for text in kept {
                assert!(page.contains(text), "{text}: {page}");
            }
        }
        // Another site learns and shows nothing, with a session or without.
        for visitor in [&visitor, &Visitor::stranger(&conduit)] {
            let answer = visitor
                .post_from("https://evil.example", path, &fields(&stale, "save"))
                .expect(403);
            assert!(!answer.text.contains("Typed"));
        }
    }
    assert_eq!(live(&conduit, &shop)["version"], 1);
    let all = shop.call(&conduit, "GET", "/api/v1/integrations/custom", None).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_kept_through_the_sign_in_is_bounded_and_belongs_to_who_signs_in() {
    let (conduit, shop) = shop();
    let other = Tenant::create(&conduit, "did:web:other.example");
    let stranger = Visitor::stranger(&conduit);
    let edit = format!("/integrations/{}/edit", shop.integration);
    let long = "x".repeat(300_000);
    let page = stranger.post(&edit, &[("sample", &long)]).expect(401).text;
    assert!(page.contains("too long to be kept") && page.len() < 20_000);
    // Another tenant gets the page that it would get anyway; the token is in none.
    let sign_in = [
        ("token", other.token.as_str()),
        ("next", edit.as_str()),
        ("kept", "form"),
        ("name", "Typed"),
    ];
    let answer = stranger.post("/sign-in", &sign_in).expect(303);
    assert_eq!(answer.header("location"), Some(edit.as_str()));
    let own = [
        ("token", shop.token.as_str()),
        ("next", edit.as_str()),
        ("kept", "form"),
        ("name", "Typed"),
    ];
    let answer = stranger.post("/sign-in", &own).expect(200);
    assert!(answer.text.contains("Not saved") && !answer.text.contains(&shop.token));
    assert!(answer.header("set-cookie").is_some());
    // For other forms, the message says that nothing was changed.
    let answer = stranger
        .post(&format!("/integrations/{}/rotate", shop.integration), &[])
        .expect(303);
    let place = answer.header("location").unwrap();
    assert!(place.ends_with(&shop.integration), "{place}");
    assert!(stranger.get(place).expect(200).text.contains("nothing was changed"));
}

#[test]
fn what_a_sample_has_or_lacks_is_said_in_words() {
    let (conduit, shop) = shop();
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    for (sample, said) in [
        (
            r#"{"email": "ada@shop.example"}"#,
            "1 field found, a new one; 1 looks like personal data.",
        ),
        (
            r#"{"size": 4, "colour": "red"}"#,
            "2 fields found, all of them new; none looks like personal data.",
        ),
        ("{}", "has no field to map: paste an event"),
        (r#"{"event": 5}"#, "has an event that is not a text"),
        (
            r#"{"event": "ping"}"#,
            "The sample has no other field than its name and time",
        ),
        ("[]", "must be one JSON object"),
        (r#"{"a": 1, "a": 2}"#, "a name occurs twice"),
    ] {
        let page = visitor.change("/integrations/new", &[("do", "suggest"), ("sample", sample)]);
        let page = page.expect(200).text;
        assert!(page.contains(said), "{sample}: {page}");
        let is_good = page.contains("note good");
        assert_eq!(
            is_good,
            said.contains("found") || said.contains("other field"),
            "{sample}"
        );
    }
}

#[test]
fn a_category_is_found_by_its_title_and_explained() {
    let (conduit, shop) = shop();
    let browser = Browser::start();
    sign_in(&browser, &conduit, &shop.token);
    browser.go(&format!("{}/integrations/new", conduit.url));
    // A browser looks for typed text in keys and labels.
    let labels = "return [...document.querySelectorAll('#categories option')]
        .filter((option) => (option.value + option.label).toLowerCase().includes(arguments[0])).map((option) => option.label)";
    for typed in ["mail", "phone", "birth"] {
        let found = browser.run(labels, json!([typed]));
        let first = found[0].as_str().unwrap();
        assert!(
            first.contains(" · ") && first.contains("for example "),
            "{typed}: {found}"
        );
    }
    browser.fill("#e0f0-pii", "user.contact.email");
    browser.wait_until("return document.querySelector('#e0f0-hint').innerText.includes('identifies')");
}
