//! The head of an event has all four parts of the credentials: who it is from is known before its body.

use serde_json::json;

use crate::common::secure::Secure;
use crate::common::tenant::{body, body_of};
use crate::common::{Conduit, Tenant};

const LENGTH: usize = 262_144;

/// Returns the bytes of bodies that the process holds.
fn held(conduit: &Conduit) -> f64 {
    let text = conduit.admin("GET", "/metrics", None).expect(200).text;
    let line = text
        .lines()
        .find(|line| line.starts_with("conduit_body_bytes "))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn heads_alone_take_nothing_whoever_sends_them() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    // A made-up key is answered without the body.
    for _ in 0..20 {
        let mut wire = shop.begin_event(&conduit, "Bearer cdt_key_made_up", LENGTH);
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (401, "authentication_failed"));
    }
    // An authenticated sender is waited for, and takes no memory meanwhile: all of these would be 75 MB.
    let mut waiting: Vec<_> = (0..300)
        .map(|_| shop.begin_event(&conduit, &shop.webhook_auth, LENGTH))
        .collect();
    other.send(&conduit, "unwatched", json!({"email": "ada@shop.example"}));
    shop.send(&conduit, "unwatched", json!({"email": "ada@shop.example"}));
    assert!(held(&conduit) < 10_000.0);
    // Any of them may still send.
    let event = body_of("unwatched", LENGTH);
    let mut wire = waiting.pop().unwrap();
    assert!(wire.send(event.as_bytes()));
    assert_eq!(wire.answer().status, 200);
}

#[test]
fn heads_alone_take_nothing_over_http_2() {
    let secure = Secure::start(&[]);
    let conduit = &secure.conduit;
    let shop = Tenant::create(conduit, "did:web:shop.example");
    let other = Tenant::create(conduit, "did:web:other.example");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, connection) = h2::client::handshake(secure.connect(&[b"h2"]).await).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut heads = |key: &str, count: usize| {
            let target = format!("https://127.0.0.1{}", shop.event_target());
            let request = || {
                http1::Request::post(&target)
                    .header("authorization", key)
                    .header("x-webhook-secret", &shop.webhook_secret)
                    .header("content-length", LENGTH)
                    .body(())
                    .unwrap()
            };
            (0..count)
                .map(|_| client.send_request(request(), false).unwrap())
                .collect::<Vec<_>>()
        };
        for (answer, _body) in heads("Bearer cdt_key_made_up", 100) {
            assert_eq!(answer.await.unwrap().status(), 401);
        }
        let held = heads(&shop.webhook_auth, 100);
        // A separate thread, because the connection goes on meanwhile.
        let sent = std::thread::scope(|scope| {
            let send = || other.send(conduit, "unwatched", json!({"email": "ada@shop.example"}));
            scope.spawn(send).join().unwrap()
        });
        assert!(!sent.is_empty());
        drop(held);
        connection.abort();
    });
    assert!(held(conduit) < 10_000.0);
}

#[test]
fn credentials_decide_before_the_limit_of_failures_does() {
    let conduit = Conduit::with(&[("CONDUIT__AUTH__MAX_FAILURES", "3")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let statuses: Vec<_> = (0..5)
        .map(|_| {
            shop.begin_event(&conduit, "Bearer cdt_key_made_up", 100)
                .answer()
                .status
        })
        .collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    // From the same address, at once or in parts.
    shop.send(&conduit, "unwatched", json!({"email": "ada@shop.example"}));
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    let mut wire = shop.begin_event(&conduit, &shop.webhook_auth, event.len());
    assert!(wire.send(&event.as_bytes()[..10]));
    assert_eq!(shop.begin_event(&conduit, "Bearer no", 100).answer().status, 429);
    assert!(wire.send(&event.as_bytes()[10..]));
    assert_eq!(wire.answer().status, 200);
    // The query is checked first, for every caller.
    let mut wire = crate::common::wire::Wire::begin(
        &conduit,
        "POST",
        "/api/v1/integrations/custom/event?did=x",
        &[("Content-Length", "100")],
    );
    assert_eq!(wire.answer().status, 400);
}

#[test]
fn a_tenant_over_its_limit_is_told_so_before_its_body() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let path = format!("/api/v1/controllers/{}/limits", shop.did);
    let limits = json!({"backlogEvents": 1});
    conduit.admin("PUT", &path, Some(limits)).expect(200);
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    // One holds its place while its body is awaited, so there is none for another. Which of two comes first is chance: if it
    // is the second, the first is refused, and both try again.
    let mut first = crate::common::wait_for("the first one to take the place", || {
        let mut first = shop.begin_event(&conduit, &shop.webhook_auth, event.len());
        assert!(first.send(b"{"));
        let mut second = shop.begin_event(&conduit, &shop.webhook_auth, event.len());
        if second.send(b"{") {
            second.end();
        }
        (second.answer().code() == "backlog_limit_exceeded").then_some(first)
    });
    assert!(first.send(&event.as_bytes()[1..]));
    assert_eq!(first.answer().status, 200);
}
