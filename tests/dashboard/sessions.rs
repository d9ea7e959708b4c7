//! Sessions: who gets in, what a change needs, and what ends one.

use serde_json::json;

use super::browser::Browser;
use super::{assert_quiet, complaints, sign_in};
use crate::common::{Answer, Conduit, Tenant, request, wait_for};

/// A browser's requests without a browser: one cookie, and an origin.
pub struct Visitor<'a> {
    conduit: &'a Conduit,
    pub cookie: String,
}

impl<'a> Visitor<'a> {
    pub fn stranger(conduit: &'a Conduit) -> Self {
        Self {
            conduit,
            cookie: String::new(),
        }
    }

    pub fn signed_in(conduit: &'a Conduit, token: &str) -> Self {
        let mut visitor = Self::stranger(conduit);
        let answer = visitor.post("/sign-in", &[("token", token)]).expect(303);
        visitor.cookie = answer
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        visitor
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("accept", "text/html"), ("cookie", self.cookie.as_str())];
        all.extend_from_slice(headers);
        // Redirects are looked at, not followed.
        let client: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        request(
            &client,
            method,
            &format!("{}{path}", self.conduit.url),
            &all,
            body.as_bytes(),
        )
        .unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Returns the token in this session's forms.
    pub fn form_token(&self) -> String {
        let page = self.get("/overview").expect(200).text;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(&self.conduit.url, path, fields)
    }

    pub fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let headers = [
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send("POST", path, &headers, &body)
    }

    /// Sends a form with this session's token.
    pub fn change(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all)
    }
}

#[test]
fn one_signs_in_looks_around_and_signs_out() {
    let conduit = Conduit::start();
    let browser = Browser::start();
    browser.go(&format!("{}/events?status=rejected", conduit.url));
    browser.wait_for_text("Sign in");
    browser.fill("#token", "cdt_adm_wrong");
    browser.click("form[action='/sign-in'] button");
    browser.wait_for_text("This token is unknown");
    // A refusal is logged by the browser; nothing else may be.
    let refused = complaints(&browser);
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|entry| entry["message"].as_str().unwrap().contains("401")),
        "{refused:?}"
    );
    browser.fill("#token", &conduit.admin_token());
    browser.click("form[action='/sign-in'] button");
    browser.wait_for_text("No event matches");
    assert!(browser.address().ends_with("/events?status=rejected"));
    browser.go(&format!("{}/", conduit.url));
    browser.wait_for_text("Start with a controller");
    wait_for("the page to be live", || {
        browser.text("[data-live-state]").contains("Live").then_some(())
    });
    assert_quiet(&browser, &conduit);
    browser.click(".sidebar form[action='/sign-out'] button");
    browser.wait_for_text("Use the operator");
    browser.go(&format!("{}/overview", conduit.url));
    browser.wait_for_text("Use the operator");
    assert_quiet(&browser, &conduit);
}

#[test]
fn pages_and_the_theme_work_without_javascript() {
    let conduit = Conduit::start();
    let browser = Browser::start();
    browser.without_scripts(true);
    sign_in(&browser, &conduit, &conduit.admin_token());
    browser.click(".sidebar button[value='dark']");
    browser.click(".sidebar a[href='/events']");
    browser.wait_for_text("No event yet");
    browser.size(380, 800);
    browser.click(".topbar summary");
    browser.click(".topbar a[href='/overview']");
    browser.without_scripts(false);
    browser.wait_for_text("Events received");
    let text = browser.text("main");
    assert!(!text.contains("Connecting") && !text.contains("Pause"), "{text}");
    assert_eq!(
        browser.run("return document.documentElement.dataset.theme", json!([])),
        "dark"
    );
}

#[test]
fn the_keyboard_is_enough() {
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    let conduit = Conduit::start();
    let browser = Browser::start();
    browser.go(&format!("{}/sign-in", conduit.url));
    // The field has the focus from the start.
    browser.wait_until("return document.activeElement?.id === 'token'");
    browser.press(&format!("{}{ENTER}", conduit.admin_token()));
    browser.wait_for_text("Start with a controller");
    browser.press(TAB);
    let focused = || browser.run("return document.activeElement.innerText.trim()", json!([]));
    assert_eq!(focused(), "Skip to the content");
    browser.press(ENTER);
    browser.wait_until("return document.activeElement.id === 'main'");
    // Without it, the navigation comes first, in its order, and the focus is seen.
    browser.go(&format!("{}/events", conduit.url));
    browser.press(&TAB.repeat(3));
    assert_eq!(focused(), "Overview");
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline, json!([])), "solid");
    browser.press(&format!("{}{ENTER}", TAB.repeat(2)));
    browser.wait_for_text("Create a controller first");
}

#[test]
fn every_answer_has_its_headers_and_files_are_kept_for_long() {
    let conduit = Conduit::start();
    let visitor = Visitor::signed_in(&conduit, &conduit.admin_token());
    for path in ["/overview", "/sign-in", "/nowhere"] {
        let answer = visitor.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert!(
        visitor
            .get("/nowhere")
            .expect(404)
            .text
            .contains("there is no such address")
    );
    let page = visitor.get("/overview").text;
    let (_, rest) = page.split_once("href=\"/assets/style.").unwrap();
    let style = format!("/assets/style.{}", rest.split_once('"').unwrap().0);
    let answer = visitor.get(&style).expect(200);
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    visitor.get("/assets/style.0.css").expect(404);
    // A request that does not come from a browser gets the API's answer.
    let answer = conduit.get("/nowhere").expect(404);
    assert_eq!(answer.json()["code"], "not_found");
}

#[test]
fn a_change_needs_our_own_page_and_this_session_s_token() {
    let mut conduit = Conduit::start();
    let admin = conduit.admin_token();
    let stranger = Visitor::stranger(&conduit);
    stranger
        .post_from("https://evil.example", "/sign-in", &[("token", &admin)])
        .expect(403);
    stranger.post_from("null", "/sign-in", &[("token", &admin)]).expect(403);
    let (one, other) = (
        Visitor::signed_in(&conduit, &admin),
        Visitor::signed_in(&conduit, &admin),
    );
    let token = one.form_token();
    one.post("/sign-out", &[]).expect(403);
    other.post("/sign-out", &[("csrf", &token)]).expect(403);
    one.post_from("https://evil.example", "/sign-out", &[("csrf", &token)])
        .expect(403);
    one.get("/overview").expect(200);
    one.post("/sign-out", &[("csrf", &token)]).expect(303);
    // A copy of the cookie is worth nothing any more.
    assert_eq!(
        one.get("/overview").expect(303).header("location"),
        Some("/sign-in?next=%2Foverview")
    );
    other.get("/overview").expect(200);
    // Nor after a restart.
    let (one, other) = (one.cookie, other.cookie);
    conduit.kill();
    conduit.launch();
    let with = |cookie: &str| Visitor {
        conduit: &conduit,
        cookie: cookie.to_owned(),
    };
    with(&one).get("/overview").expect(303);
    with(&other).get("/overview").expect(200);
}

#[test]
fn those_who_guess_are_kept_waiting_even_with_the_right_token() {
    let conduit = Conduit::with(&[("CONDUIT__DASHBOARD__MAX_FAILURES", "3")]);
    let stranger = Visitor::stranger(&conduit);
    for _ in 0..3 {
        stranger.post("/sign-in", &[("token", "guessed")]).expect(401);
    }
    stranger.post("/sign-in", &[("token", "guessed")]).expect(429);
    stranger
        .post("/sign-in", &[("token", &conduit.admin_token())])
        .expect(429);
}

#[test]
fn a_page_that_is_read_again_by_itself_does_not_keep_the_session() {
    let conduit = Conduit::start();
    let visitor = Visitor::signed_in(&conduit, &conduit.admin_token());
    let by_itself = || {
        let answer = visitor.send("GET", "/controllers", &[("x-conduit-refresh", "1")], "");
        answer.expect(200).header("set-cookie").map(str::to_owned)
    };
    wait_for("a cookie that is worth sealing anew", || {
        assert_eq!(by_itself(), None);
        let asked_for = visitor.get("/controllers").expect(200);
        asked_for.header("set-cookie").map(str::to_owned)
    });
    assert_eq!(by_itself(), None);
}

#[test]
fn a_session_ends_with_its_token() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    visitor.get("/overview").expect(200);
    conduit
        .admin("DELETE", "/api/v1/controllers/did:web:shop.example", None)
        .expect(204);
    assert!(
        visitor
            .get("/overview")
            .expect(303)
            .header("location")
            .unwrap()
            .starts_with("/sign-in")
    );
}

#[test]
fn a_token_that_is_replaced_ends_with_its_sessions() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    let rotate = "/api/v1/controllers/did:web:shop.example/management-token/rotate";
    let made = conduit.admin("POST", rotate, None).expect(200).json();
    let new = made["managementToken"].as_str().unwrap();
    visitor.get("/overview").expect(303);
    let of = |conduit: &Conduit, token: &str| conduit.call(token, "GET", "/api/v1/stats", None);
    of(&conduit, &shop.token).expect(401);
    conduit.kill();
    conduit.launch();
    of(&conduit, &shop.token).expect(401);
    of(&conduit, new).expect(200);

    let operator = Visitor::signed_in(&conduit, &conduit.admin_token());
    let page = operator.get("/controllers/did:web:shop.example").expect(200).text;
    let (_, form) = page.split_once("/token\"").unwrap();
    let (_, rest) = form.split_once("name=\"state\" value=\"").unwrap();
    let state = [("state", rest.split_once('"').unwrap().0)];
    let path = "/controllers/did:web:shop.example/token";
    let page = operator.change(path, &state).expect(200).text;
    let (_, rest) = page.split_once("cdt_mgt_").unwrap();
    let newest = format!("cdt_mgt_{}", rest.split_once('<').unwrap().0);
    of(&conduit, new).expect(401);
    of(&conduit, &newest).expect(200);
    // The same form once more: the token that is in somebody's hands already stays.
    operator.change(path, &state).expect(409);
    of(&conduit, &newest).expect(200);
}

#[test]
fn cookies_are_for_this_site_alone_and_for_tls_where_there_is_tls() {
    let conduit = Conduit::with(&[("CONDUIT_PUBLIC_URL", "https://conduit.example")]);
    let visitor = Visitor::stranger(&conduit);
    let admin = conduit.admin_token();
    let plain = visitor.post("/sign-in", &[("token", &admin)]).expect(303);
    let cookie = plain.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"));
    let secure = visitor
        .post_from(
            "https://conduit.example",
            "/sign-in",
            &[("token", &admin), ("next", "//evil.example")],
        )
        .expect(303);
    assert_eq!(secure.header("location"), Some("/overview"));
    let cookie = secure.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-conduit_session=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    assert!(!cookie.contains(&admin));
}
