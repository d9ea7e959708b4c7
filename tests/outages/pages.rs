//! PostgreSQL hangs: probes, supervision and the dashboard still answer, and tell the truth.

use serde_json::json;

use super::postgres::Sessions;
use crate::common::{Answer, Conduit, Postgres, Tenant, request, wait_for};

/// Somebody who has signed in.
struct Visitor<'a> {
    conduit: &'a Conduit,
    cookie: String,
}

impl<'a> Visitor<'a> {
    fn sign_in(conduit: &'a Conduit, token: &str) -> Self {
        let headers = [
            ("origin", conduit.url.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "text/html"),
        ];
        let form = format!("token={token}");
        // The answer leads to a page, which is not followed.
        let client: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let url = format!("{}/sign-in", conduit.url);
        let answer = request(&client, "POST", &url, &headers, form.as_bytes())
            .unwrap()
            .expect(303);
        let cookie = answer
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        Self { conduit, cookie }
    }

    fn get(&self, path: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str()), ("accept", "text/html")];
        let url = format!("{}{path}", self.conduit.url);
        request(&self.conduit.client, "GET", &url, &headers, b"").unwrap()
    }
}

#[test]
fn pages_show_what_they_have_while_postgresql_hangs() {
    let server = Postgres::start();
    let conduit = Conduit::with(&[
        ("CONDUIT_DATABASE_URL", &server.database()),
        ("CONDUIT__JOURNAL__MAX_BYTES", "200000"),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let operator = Visitor::sign_in(&conduit, &conduit.admin_token());
    let tenant = Visitor::sign_in(&conduit, &shop.token);
    let done = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &done);

    server.hang();
    wait_for("the database to be degraded", || {
        conduit.readiness().is_degraded("database", "away since").then_some(())
    });
    let waiting = shop.send(&conduit, "contact", json!({"email": "ada.two@shop.example"}));
    conduit.get("/livez").expect(200);
    conduit.get("/readyz").expect(200);
    conduit.admin("GET", "/api/v1/supervision", None).expect(200);
    for (path, missing) in [
        ("/overview", "Missing: the totals, the chart"),
        ("/events", "Missing: the events with an outcome"),
        ("/integrations", "Missing: the names, mappings"),
        ("/subjects", "Missing: the data subjects"),
        ("/activities", "Missing: the activities"),
        ("/controllers", "Missing: the names, totals"),
    ] {
        let page = operator.get(path).expect(200).text;
        assert!(page.contains(missing), "{path}: {page}");
        assert!(page.contains("Events are accepted and wait in the journal."), "{path}");
        assert!(page.contains(&waiting), "{path} has the event in flight: {page}");
    }
    assert!(operator.get("/controllers").text.contains(&shop.did));
    assert!(tenant.get("/integrations").expect(200).text.contains(&shop.processor));
    assert!(operator.get("/integrations/new").expect(503).text.contains("Missing:"));
    let page = operator.get("/supervision").expect(200).text;
    assert!(page.contains("The dead letters cannot be shown"), "{page}");
    assert!(page.contains("Events are accepted and wait in the journal."));

    // Once the journal is full, no page says that events are accepted.
    let large = json!({"email": "ada@shop.example", "padding": "x".repeat(20_000)});
    let body = crate::common::tenant::body("contact", large);
    wait_for("the journal to be full", || {
        (shop.try_send(&conduit, body.as_bytes()).unwrap().status == 500).then_some(())
    });
    for path in ["/overview", "/supervision"] {
        let page = operator.get(path).expect(200).text;
        assert!(
            page.contains("Events are refused now: journal is unavailable"),
            "{path}: {page}"
        );
        assert!(!page.contains("are accepted"), "{path}: {page}");
    }
    let answer = conduit.admin("GET", "/api/v1/subjects", None).expect(503);
    assert!(!answer.text.contains("accepted"), "{}", answer.text);

    server.go_on();
    conduit.settled();
    let page = wait_for("the pages to be whole again", || {
        let page = operator.get("/overview").expect(200).text;
        (!page.contains("Missing:")).then_some(page)
    });
    assert!(page.contains("Events received"));
}

#[test]
fn pages_and_readiness_agree_while_tables_are_locked() {
    let server = Postgres::start();
    let url = server.database();
    let conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &url)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let operator = Visitor::sign_in(&conduit, &conduit.admin_token());
    let done = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &done);

    let mut sessions = Sessions::new(&url);
    sessions.lock("LOCK TABLE events, activities, subjects, links, controllers, integrations IN ACCESS EXCLUSIVE MODE");
    // Before anybody knows: the page waits for the dead letters for a moment only. Other pages that had no answer do
    // not say since when.
    let page = operator.get("/supervision").expect(200).text;
    assert!(page.contains("The dead letters cannot be shown"), "{page}");
    let waiting = shop.send(&conduit, "contact", json!({"email": "ada.two@shop.example"}));
    let since = wait_for("the database to be degraded", || {
        let answer = conduit.get("/readyz").expect(200).json();
        let checks = answer["checks"].as_array().unwrap();
        let detail = checks.iter().find(|check| check["name"] == "database").unwrap()["detail"].as_str();
        let (since, cause) = detail?.strip_prefix("away since ")?.split_once(": ")?;
        assert!(cause.contains("a table is locked"), "{cause}");
        Some(since.to_owned())
    });
    for path in ["/overview", "/events", "/subjects", "/controllers"] {
        let page = operator.get(path).expect(200).text;
        assert!(
            page.contains("The database is away since") && page.contains("a table is locked"),
            "{path}: {page}"
        );
        assert!(
            page.contains(&format!("datetime=\"{since}\"")),
            "{path} says {since}: {page}"
        );
    }
    // The journal has the one event. The other one is in the database only, which is not asked.
    let page = operator.get(&format!("/events/{waiting}")).expect(200).text;
    assert!(page.contains(&waiting) && page.contains(&shop.processor), "{page}");
    let page = operator.get(&format!("/events/{done}")).expect(503).text;
    assert!(page.contains("Missing: the events with an outcome"), "{page}");

    sessions.end();
    super::wait_until_ready(&conduit);
    assert!(
        operator
            .get(&format!("/events/{done}"))
            .expect(200)
            .text
            .contains(&done)
    );
    assert_eq!(conduit.settled().processed, 2);
}
