//! Changes made on one node hold on the others; and what holds while the database is away.

use serde_json::json;

use super::Nodes;
use crate::common::{Answer, Conduit, PATIENCE, Postgres, Tenant, tenant::body, wait_for};

fn send(node: &Conduit, shop: &Tenant) -> Answer {
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    shop.try_send(node, event.as_bytes()).unwrap()
}

/// Waits until a node answers a tenant's events so.
#[track_caller]
fn wait_until(node: &Conduit, shop: &Tenant, status: u16) {
    wait_for("the change to be heard of", || {
        let answer = send(node, shop);
        assert!([200, 401].contains(&answer.status), "{}", answer.text);
        (answer.status == status).then_some(())
    });
}

const NO_GRACE: &str = r#"{"gracePeriodSeconds": 0}"#;

fn rotate(node: &Conduit, shop: &Tenant, path: &str) -> serde_json::Value {
    let no_grace = serde_json::from_str(NO_GRACE).unwrap();
    shop.call(node, "POST", path, Some(no_grace)).expect(200).json()
}

#[test]
fn what_is_made_rotated_and_deleted_on_one_node_holds_on_the_other() {
    let nodes = Nodes::start(2);
    let [a, b] = &nodes.nodes[..] else { panic!("two") };
    let mut shop = Tenant::create(a, "did:web:shop.example");
    wait_until(b, &shop, 200);
    // It has the data key, and so processes its accepted events.
    let id = shop.send(b, "contact", json!({"email": "bob@shop.example"}));
    assert_eq!(shop.outcome(b, &id)["status"], "processed");

    // An API key by one node, a webhook secret by the other.
    let integration = format!("/api/v1/integrations/custom/{}", shop.integration);
    let old = shop.clone();
    shop.webhook_auth = rotate(a, &shop, &format!("{integration}/api-key/rotate"))["webhookAuth"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_until(b, &old, 401);
    assert_eq!(send(b, &shop).status, 200);
    let old = shop.clone();
    let path = format!("/api/v1/controllers/{}/webhook-secret/rotate", shop.did);
    shop.webhook_secret = rotate(b, &shop, &path)["webhookSecret"].as_str().unwrap().to_owned();
    wait_until(a, &old, 401);
    assert_eq!(send(a, &shop).status, 200);

    // A node without notifications looks by itself.
    nodes.on_database(async |pool| {
        let cut: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert_eq!(cut, [true, true], "each node listens");
    });
    let mut mapping = shop.call(a, "GET", &integration, None).expect(200).json();
    mapping["events"] = json!([{"name": "only", "fields": []}]);
    shop.call(a, "PUT", &integration, Some(mapping)).expect(200);
    wait_for("the new mapping to be heard of", || {
        let id = shop.send(b, "unwatched", json!({"email": "ada@shop.example"}));
        (shop.outcome(b, &id)["status"] == "rejected").then_some(())
    });

    // A node that is further behind than the kept changes reads everything.
    wait_until(a, &shop, 200);
    nodes.on_database(async |pool| {
        for change in [
            "DELETE FROM integrations",
            "UPDATE directory SET version = version + 100000",
        ] {
            sqlx::query(change).execute(pool).await.unwrap();
        }
    });
    wait_until(a, &shop, 401);
    wait_until(b, &shop, 401);
}

#[test]
fn an_integration_deleted_on_one_node_is_closed_on_the_other() {
    let nodes = Nodes::start(2);
    let [a, b] = &nodes.nodes[..] else { panic!("two") };
    let shop = Tenant::create(a, "did:web:shop.example");
    wait_until(b, &shop, 200);
    let integration = format!("/api/v1/integrations/custom/{}", shop.integration);
    shop.call(b, "DELETE", &integration, None).expect(204);
    wait_until(a, &shop, 401);
    for node in [a, b] {
        shop.call(node, "GET", &integration, None).expect(404);
        node.settled();
    }
}

#[test]
fn a_deletion_that_was_interrupted_is_finished_by_the_next_start() {
    let mut nodes = Nodes::start(1);
    let shop = Tenant::create(&nodes.nodes[0], "did:web:shop.example");
    let rival = Tenant::create(&nodes.nodes[0], "did:web:rival.example");
    for tenant in [&shop, &rival] {
        send(&nodes.nodes[0], tenant).expect(200);
    }
    nodes.nodes[0].settled();
    nodes.nodes[0].kill();
    nodes.on_database(async |pool| {
        let begun = "WITH gone AS (DELETE FROM controllers WHERE did = 'did:web:shop.example' RETURNING id) \
                     INSERT INTO deletions SELECT id FROM gone";
        sqlx::query(begun).execute(pool).await.unwrap();
    });
    nodes.nodes[0].launch();
    nodes.on_database(async |pool| {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let left: i64 = sqlx::query_scalar("SELECT count(*) FROM deletions")
                .fetch_one(pool)
                .await
                .unwrap();
            if left == 0 {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "not finished");
        }
        for table in [
            "integrations",
            "journal_checkpoints",
            "events",
            "subjects",
            "links",
            "activities",
        ] {
            let count = format!("SELECT count(DISTINCT controller) FROM {table}");
            let owners: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!(owners, 1, "{table}: the other's is kept");
        }
    });
    send(&nodes.nodes[0], &rival).expect(200);
    nodes.nodes[0].assert_audit_verifies();
}

#[test]
fn a_controller_deleted_on_one_node_is_gone_on_the_other_and_its_did_can_be_used_again() {
    let nodes = Nodes::start(2);
    let [a, b] = &nodes.nodes[..] else { panic!("two") };
    let shop = Tenant::create(a, "did:web:shop.example");
    let rival = Tenant::create(a, "did:web:rival.example");
    wait_until(b, &shop, 200);
    wait_until(b, &rival, 200);
    let path = format!("/api/v1/controllers/{}", shop.did);
    a.admin("DELETE", &path, None).expect(204);
    // Made anew by the node that may not know yet that the old one is gone.
    let made = wait_for("the DID to be free", || {
        let answer = b.admin("GET", &path, None);
        (answer.status == 404).then(|| Tenant::create(b, &shop.did))
    });
    wait_until(a, &made, 200);
    wait_until(b, &shop, 401);
    for node in [a, b] {
        let answer = shop.call(node, "GET", "/api/v1/events", None);
        assert_eq!(answer.status, 401, "the old token");
        let id = made.send(node, "contact", json!({"email": "ada@shop.example"}));
        assert!(["processed", "duplicate"].contains(&made.outcome(node, &id)["status"].as_str().unwrap()));
        assert_eq!(send(node, &rival).status, 200);
        node.settled();
    }
    a.assert_audit_verifies();
    let left: i64 = nodes.on_database(async |pool| {
        let left = sqlx::query_scalar("SELECT count(*) FROM deletions");
        left.fetch_one(pool).await.unwrap()
    });
    assert_eq!(left, 0, "all is removed that the deleted one owned");
}

#[test]
fn credentials_are_taken_for_a_while_without_the_database_and_then_no_more() {
    let server = Postgres::start();
    let conduit = Conduit::with(&[
        ("CONDUIT_DATABASE_URL", &server.database()),
        // Longer than it takes to stop the server and to send one event.
        ("CONDUIT__STORAGE__CREDENTIALS_VALID_SECONDS", "10"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    send(&conduit, &shop).expect(200);
    server.stop("INT");
    send(&conduit, &shop).expect(200);
    let refused = wait_for("the credentials to be too old", || {
        let answer = send(&conduit, &shop);
        (answer.status != 200).then_some(answer)
    })
    .expect(500);
    assert_eq!(refused.json()["code"], "credentials_unconfirmed");
    assert!(refused.header("retry-after").is_some());
    // A stranger gets the same answer.
    let stranger = Tenant {
        webhook_secret: "guessed".to_owned(),
        ..shop.clone()
    };
    assert_eq!(
        send(&conduit, &stranger).expect(500).json()["code"],
        "credentials_unconfirmed"
    );
    let managed = shop.call(&conduit, "GET", "/api/v1/events", None).expect(503);
    assert_eq!(managed.json()["code"], "credentials_unconfirmed");
    let ready = conduit.get("/readyz").expect(503).json();
    assert_eq!(ready["status"], "unavailable");
    wait_for("the log to say so", || {
        (!conduit.log_lines("too long to rely on").is_empty()).then_some(())
    });

    server.launch();
    wait_for("events to be taken again", || {
        (send(&conduit, &shop).status == 200).then_some(())
    });
    let stats = conduit.settled();
    assert_eq!(stats.processed, stats.accepted);
    for message in ["cannot be read: other nodes", "too long to rely on", "is current again"] {
        assert_eq!(conduit.log_lines(message).len(), 1, "{message}");
    }
}
