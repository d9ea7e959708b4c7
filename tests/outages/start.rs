//! A start without PostgreSQL waits for it; one that PostgreSQL refuses ends.

use serde_json::json;

use super::postgres::Sessions;
use crate::common::postgres::PASSWORD;
use crate::common::{Conduit, Postgres, Tenant, request, wait_for};

/// Starts the process, which waits; the address at which it listens.
fn wait_without_a_database(conduit: &mut Conduit) -> String {
    conduit.spawn();
    wait_for("the start to wait", || {
        let line = conduit.log_lines("the start waits for it").pop()?;
        let address = line["fields"]["address"].as_str().expect("an address").to_owned();
        Some(format!("http://{address}"))
    })
}

#[test]
fn a_start_without_postgresql_waits_and_says_so() {
    let server = Postgres::start();
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &server.database())]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let before = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &before);
    conduit.kill();
    server.stop("INT");

    let url = wait_without_a_database(&mut conduit);
    let get = |path: &str| request(&conduit.client, "GET", &format!("{url}{path}"), &[], b"").unwrap();
    assert_eq!(get("/livez").expect(200).json()["status"], "alive");
    let readiness = get("/readyz").expect(503).json();
    assert_eq!(readiness["status"], "unavailable", "{readiness}");
    assert_eq!(readiness["checks"][0]["name"], "database", "{readiness}");
    let refused = shop
        .try_send_by(&conduit.client, &shop.webhook_url_at(&url), b"{}")
        .unwrap();
    let refused = refused.expect(500);
    assert_eq!(refused.json()["code"], "starting_up");
    assert!(refused.header("retry-after").is_some());
    assert!(refused.header("x-request-id").is_some());
    let query = get("/api/v1/stats").expect(503);
    assert_eq!(query.json()["code"], "database_unavailable");
    assert!(conduit.log_lines("the start waits for it").len() <= 2);

    server.launch();
    conduit.wait_until_it_listens();
    assert_eq!(conduit.url, url);
    conduit.get("/readyz").expect(200);
    let after = shop.send(&conduit, "contact", json!({"email": "ada.two@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &after)["status"], "processed");
    assert_eq!(conduit.settled().processed, 2);
}

#[test]
fn a_start_during_which_postgresql_goes_waits_as_well() {
    let server = Postgres::start();
    let url = server.database();
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &url)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let before = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &before);
    conduit.kill();

    // The store opens, and the next question has no answer.
    let mut sessions = Sessions::new(&url);
    let wait_within_the_start = |conduit: &mut Conduit, sessions: &mut Sessions| {
        sessions.lock("LOCK TABLE controllers IN ACCESS EXCLUSIVE MODE");
        conduit.spawn();
        wait_for("the start to wait", || {
            let line = conduit.log_lines("went away during the start").pop()?;
            let address = line["fields"]["address"].as_str().expect("an address").to_owned();
            Some(format!("http://{address}"))
        })
    };
    let url = wait_within_the_start(&mut conduit, &mut sessions);
    let get = |path: &str| request(&conduit.client, "GET", &format!("{url}{path}"), &[], b"").unwrap();
    assert_eq!(get("/livez").expect(200).json()["status"], "alive");
    assert_eq!(get("/readyz").expect(503).json()["status"], "unavailable");
    assert_eq!(conduit.stop(), Some(0));
    sessions.end();

    wait_within_the_start(&mut conduit, &mut sessions);
    sessions.end();
    conduit.wait_until_it_listens();
    let after = shop.send(&conduit, "contact", json!({"email": "ada.two@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &after)["status"], "processed");
}

#[test]
fn a_start_that_waits_can_be_stopped() {
    let url = format!("postgresql://conduit:{PASSWORD}@127.0.0.1:1/conduit");
    let mut conduit = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &url)]);
    wait_without_a_database(&mut conduit);
    // Its handlers are in place before the second try.
    assert_eq!(conduit.stop(), Some(0));
    assert!(!conduit.logs().contains(PASSWORD));
}

#[test]
fn a_server_that_refuses_the_configuration_ends_the_start_with_words() {
    let server = Postgres::shared();
    let url = server.database();
    let (address, _) = url.rsplit_once('/').unwrap();
    for (wrong, words) in [
        (url.replace(PASSWORD, "hidden"), "28P01"),
        (url.replace("conduit:", "nobody:"), "28P01"),
        (format!("{address}/nowhere"), "3D000"),
    ] {
        let mut conduit = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &wrong)]);
        conduit.spawn();
        assert_eq!(conduit.wait(), Some(2), "{words}");
        let logs = conduit.logs();
        assert!(
            logs.contains(words) && logs.contains("storage.database_url") && !logs.contains("hidden"),
            "{logs}"
        );
    }
}
