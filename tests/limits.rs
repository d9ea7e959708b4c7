//! Limits of a controller: set, held, shown, and off by default.

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, request, tenant::body, wait_for};
use crate::nodes::Nodes;

fn send(conduit: &Conduit, shop: &Tenant) -> Answer {
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    shop.try_send(conduit, event.as_bytes()).unwrap()
}

fn path(shop: &Tenant) -> String {
    format!("/api/v1/controllers/{}/limits", shop.did)
}

fn set(conduit: &Conduit, shop: &Tenant, limits: Value) -> Value {
    conduit.admin("PUT", &path(shop), Some(limits)).expect(200).json()
}

/// Sends until one is refused with this code; that answer, and how many were accepted before.
fn refusal(conduit: &Conduit, shop: &Tenant, code: &str) -> (Answer, u64) {
    let mut accepted = 0;
    wait_for("a refusal", || {
        let answer = send(conduit, shop);
        if answer.status == 200 {
            accepted += 1;
            return None;
        }
        assert_eq!((answer.status, answer.json()["code"].as_str()), (500, Some(code)));
        Some((answer, accepted))
    })
}

fn stats(conduit: &Conduit, shop: &Tenant) -> Value {
    let path = format!("/api/v1/stats?did={}", shop.did);
    shop.call(conduit, "GET", &path, None).expect(200).json()
}

#[test]
fn a_rate_is_held_behind_authentication_and_the_wait_is_told() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let off = json!({"eventsPerSecond": 0, "burst": 0, "backlogEvents": 0, "overrides": {}, "version": 0});
    assert_eq!(shop.call(&conduit, "GET", &path(&shop), None).expect(200).json(), off);
    let limits = set(&conduit, &shop, json!({"eventsPerSecond": 1, "burst": 3}));
    assert_eq!(
        limits,
        json!({"eventsPerSecond": 1, "burst": 3, "backlogEvents": 0, "version": 1,
            "overrides": {"eventsPerSecond": 1, "burst": 3}})
    );
    let (refused, accepted) = refusal(&conduit, &shop, "rate_limit_exceeded");
    assert!(accepted >= 3, "{accepted}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("1 events a second") && detail.contains("3 at once"),
        "{detail}"
    );

    // Others are not concerned, and who fails to authenticate learns nothing of it.
    for _ in 0..20 {
        assert_eq!(send(&conduit, &rival).status, 200);
    }
    refusal(&conduit, &shop, "rate_limit_exceeded");
    let stranger = Tenant {
        webhook_secret: "cdt_whs_wrong".to_owned(),
        ..shop.clone()
    };
    assert_eq!(send(&conduit, &stranger).status, 401);
    wait_for("one more to be taken", || {
        (send(&conduit, &shop).status == 200).then_some(())
    });

    // Refusals are counted, for this tenant and in all.
    let told = stats(&conduit, &shop);
    let by_rate = told["refused"]["rate_limit_exceeded"].as_u64().unwrap();
    assert!(by_rate >= 2);
    assert_eq!(
        told["limits"],
        json!({"eventsPerSecond": 1, "burst": 3, "backlogEvents": 0})
    );
    assert_eq!(stats(&conduit, &rival)["refused"]["rate_limit_exceeded"], 0);
    let metrics = conduit.get("/metrics").expect(200).text;
    let series = format!("conduit_refusals_total{{endpoint=\"event\",code=\"rate_limit_exceeded\"}} {by_rate}");
    assert!(metrics.contains(&series), "{metrics}");

    // A restart keeps the limit; setting nothing takes it away.
    conduit.kill();
    conduit.launch();
    refusal(&conduit, &shop, "rate_limit_exceeded");
    set(&conduit, &shop, json!({}));
    for _ in 0..20 {
        assert_eq!(send(&conduit, &shop).status, 200);
    }
    assert!(stats(&conduit, &shop)["refused"]["rate_limit_exceeded"].as_u64() >= Some(1));
}

#[test]
fn limits_are_set_by_the_operator_at_their_version_and_in_their_range() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.call(&conduit, "PUT", &path(&shop), Some(json!({"burst": 9})))
        .expect(403);
    let problem = conduit
        .admin(
            "PUT",
            &path(&shop),
            Some(json!({"eventsPerSecond": 1_000_001, "backlogEvents": 5})),
        )
        .expect(400)
        .json();
    assert_eq!(
        (problem["code"].as_str(), problem["errors"][0]["pointer"].as_str()),
        (Some("limits_invalid"), Some("/eventsPerSecond"))
    );
    conduit
        .admin("PUT", &path(&shop), Some(json!({"eventsPerHour": 1})))
        .expect(400);
    let first = json!({"backlogEvents": 5, "version": 0});
    let made = conduit.admin("PUT", &path(&shop), Some(first.clone())).expect(200);
    assert_eq!(made.header("etag"), Some("\"1\""));
    let late = conduit.admin("PUT", &path(&shop), Some(first)).expect(409).json();
    assert_eq!(late["code"], "version_mismatch");
    conduit
        .admin("GET", "/api/v1/controllers/did:web:nobody.example/limits", None)
        .expect(404);
    conduit
        .admin(
            "PUT",
            "/api/v1/controllers/did:web:nobody.example/limits",
            Some(json!({})),
        )
        .expect(404);
}

#[test]
fn a_backlog_is_limited_and_shrinks_by_itself() {
    // One batch, and every batch after it, waits for an actor that comes back in its own time.
    let mut conduit = Conduit::with(&[
        ("CONDUIT__LIMITS__BACKLOG_EVENTS", "5"),
        ("CONDUIT__PIPELINE__MAX_ATTEMPTS", "100"),
        ("CONDUIT__PIPELINE__RESTART_BUDGET", "100000"),
        ("FAILPOINTS", "PiiExtractorActor=panic"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let free = Tenant::create(&conduit, "did:web:free.example");
    set(&conduit, &free, json!({"backlogEvents": 0}));
    for _ in 0..5 {
        assert_eq!(send(&conduit, &shop).status, 200);
    }
    let refused = send(&conduit, &shop);
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (500, Some("backlog_limit_exceeded"))
    );
    assert!(refused.header("retry-after").is_some());
    for _ in 0..20 {
        assert_eq!(send(&conduit, &free).status, 200);
    }
    assert_eq!(stats(&conduit, &shop)["refused"]["backlog_limit_exceeded"], 1);
    assert_eq!(stats(&conduit, &shop)["inFlight"], 5);
    // Events that wait after a restart count as well.
    conduit.kill();
    conduit.launch();
    assert_eq!(send(&conduit, &shop).status, 500);
    conduit.kill();
    conduit.unset("FAILPOINTS");
    conduit.launch();
    assert_eq!(conduit.settled().processed, 25);
    for _ in 0..20 {
        wait_for("room in the backlog", || {
            (send(&conduit, &shop).status == 200).then_some(())
        });
    }
}

#[test]
fn a_limit_set_on_one_node_holds_on_the_other() {
    let nodes = Nodes::start(2);
    let [a, b] = &nodes.nodes[..] else { panic!("two") };
    let shop = Tenant::create(a, "did:web:shop.example");
    wait_for("the other node to hear of it", || {
        (send(b, &shop).status == 200).then_some(())
    });
    set(a, &shop, json!({"eventsPerSecond": 1, "burst": 1}));
    let (_, accepted) = refusal(b, &shop, "rate_limit_exceeded");
    let told = b.call(&shop.token, "GET", &path(&shop), None).expect(200).json();
    assert_eq!(
        (told["eventsPerSecond"].as_u64(), told["version"].as_u64()),
        (Some(1), Some(1)),
        "after {accepted}"
    );
    set(a, &shop, json!({"eventsPerSecond": 0}));
    wait_for("the end of the limit to be heard of", || {
        (0..5).all(|_| send(b, &shop).status == 200).then_some(())
    });
}

#[test]
fn what_is_changed_of_a_controller_gives_it_no_second_burst() {
    let conduit = Conduit::start();
    let mut shop = Tenant::create(&conduit, "did:web:shop.example");
    set(&conduit, &shop, json!({"eventsPerSecond": 1, "burst": 400}));
    let (_, accepted) = refusal(&conduit, &shop, "rate_limit_exceeded");
    assert!(accepted >= 400, "{accepted}");
    let rotate = format!("/api/v1/integrations/custom/{}/api-key/rotate", shop.integration);
    let rotated = shop.call(&conduit, "POST", &rotate, None).expect(200).json();
    shop.webhook_auth = rotated["webhookAuth"].as_str().unwrap().to_owned();
    let (_, accepted) = refusal(&conduit, &shop, "rate_limit_exceeded");
    assert!(accepted < 200, "{accepted}");
}

#[test]
fn bodies_are_not_looked_at_beyond_the_limit() {
    let conduit = Conduit::with(&[
        ("CONDUIT__LIMITS__EVENTS_PER_SECOND", "1"),
        ("CONDUIT__LIMITS__BURST", "1"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    refusal(&conduit, &shop, "rate_limit_exceeded");
    let headers = [
        ("authorization", shop.webhook_auth.as_str()),
        ("x-webhook-secret", shop.webhook_secret.as_str()),
    ];
    // A body that is wrong uses up the rate like another one.
    let url = shop.webhook_url(&conduit);
    let broken = || request(&conduit.client, "POST", &url, &headers, b"{").unwrap().status;
    wait_for("a broken body to be refused as such", || {
        (broken() == 400).then_some(())
    });
    wait_for("one to be refused for the rate", || (broken() == 500).then_some(()));
}
