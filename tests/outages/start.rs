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

/// Waits for a start that takes long. Returns the address at which it listens.
fn spawn_a_long_start(conduit: &mut Conduit, step: &str) -> String {
    let lines = |conduit: &Conduit| conduit.log_lines("the start takes long");
    let before = lines(conduit).len();
    conduit.spawn();
    wait_for("the start to take long", || {
        let line = lines(conduit).into_iter().nth(before)?;
        assert!(line["fields"]["step"].as_str()?.contains(step), "{line}");
        Some(format!("http://{}", line["fields"]["address"].as_str()?))
    })
}

#[test]
fn a_start_that_waits_for_a_lock_or_another_node_answers_probes() {
    let server = Postgres::start();
    let database = server.database();
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &database)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let key = conduit.data_dir().join("master.key");
    let mut second = Conduit::unstarted(&[
        ("CONDUIT_DATABASE_URL", &database),
        ("CONDUIT_MASTER_KEY_FILE", key.to_str().unwrap()),
    ]);
    assert_eq!(conduit.stop(), Some(0));
    let mut sessions = Sessions::new(&database);
    sessions.lock("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE");
    // The first node waits for the table, and the second one for the first, which is about to change the schema.
    for node in [&mut conduit, &mut second] {
        let url = spawn_a_long_start(node, "opening the database");
        let get = |path: &str| request(&node.client, "GET", &format!("{url}{path}"), &[], b"").unwrap();
        assert_eq!(get("/livez").expect(200).json()["status"], "alive");
        let readiness = get("/readyz").expect(503).json();
        assert_eq!(readiness["status"], "unavailable", "{readiness}");
        let detail = readiness["checks"][0]["detail"].as_str().unwrap();
        assert!(
            detail.contains("the start takes long: opening the database"),
            "{detail}"
        );
    }
    // It can be stopped.
    assert_eq!(second.stop(), Some(0));
    spawn_a_long_start(&mut second, "opening the database");
    sessions.end();
    for node in [&mut conduit, &mut second] {
        node.wait_until_it_listens();
        node.get("/readyz").expect(200);
    }
    let after = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &after)["status"], "processed");
}

#[test]
fn a_start_on_a_server_that_says_nothing_answers_probes_at_once() {
    // It takes connections, and answers nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("postgresql://conduit:{PASSWORD}@{address}/conduit");
    let mut conduit = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &url)]);
    let url = spawn_a_long_start(&mut conduit, "opening the database");
    assert!(conduit.log_lines("the start waits for it").is_empty());
    let get = |path: &str| request(&conduit.client, "GET", &format!("{url}{path}"), &[], b"").unwrap();
    get("/livez").expect(200);
    get("/readyz").expect(503);
    assert_eq!(conduit.stop(), Some(0));
}

#[test]
fn a_start_waits_for_a_database_that_takes_no_connections() {
    let server = Postgres::start();
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    let allow = |allowed: bool| server.sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"));
    allow(false);
    let mut conduit = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &url)]);
    wait_without_a_database(&mut conduit);
    assert!(conduit.logs().contains("55000"), "{}", conduit.logs());
    allow(true);
    conduit.wait_until_it_listens();
    conduit.get("/readyz").expect(200);
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
    let (address, name) = url.rsplit_once('/').unwrap();
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'hidden'");
    server.sql(&format!("REVOKE CONNECT ON DATABASE {name} FROM public"));
    for (wrong, words) in [
        (url.replace("conduit:", "guest:").replace(PASSWORD, "hidden"), "42501"),
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
