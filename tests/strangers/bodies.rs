//! Bodies: their owners, their length, their deadlines, and their sum.

use std::fs;

use serde_json::json;

use crate::common::tenant::body_of;
use crate::common::wire::Wire;
use crate::common::{Conduit, Tenant, wait_for};
use crate::dashboard::sessions::Visitor;

/// Returns the peak memory of a process, in KiB.
fn peak(conduit: &Conduit) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", conduit.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Begins a form of so many bytes.
fn form(conduit: &Conduit, path: &str, cookie: &str, length: usize) -> Wire {
    let length = length.to_string();
    let headers = [
        ("Origin", conduit.url.as_str()),
        ("Host", conduit.url.trim_start_matches("http://")),
        ("Cookie", cookie),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", length.as_str()),
    ];
    let mut wire = Wire::to(conduit);
    let mut head = format!("POST {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    assert!(wire.send(format!("{head}\r\n").as_bytes()));
    wire
}

const FORMS: [&str; 5] = ["/sign-in", "/theme", "/sign-out", "/integrations/new", "/controllers"];

#[test]
fn strangers_send_small_forms_and_send_them_in_time() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "1")]);
    // What the first answers need, and keep, does not count.
    for path in FORMS {
        form(&conduit, path, "", 4 << 20).answer();
    }
    let before = peak(&conduit);
    let mut open = Vec::new();
    for number in 0..150 {
        let mut wire = form(&conduit, FORMS[number % FORMS.len()], "", 4 << 20);
        // A body of an unauthenticated caller is not read; other callers learn at once that it is too long.
        let status = wire.answer().status;
        assert!([303, 401, 403, 413].contains(&status), "{status}");
        wire.send(&vec![b'x'; 64 << 10]);
        open.push(wire);
    }
    assert!(peak(&conduit) - before < 40 << 10, "{} KiB", peak(&conduit) - before);
    // A form without an announced length has the same limit.
    let mut wire = Wire::begin(
        &conduit,
        "POST",
        "/sign-in",
        &[("Origin", "http://conduit.example"), ("Transfer-Encoding", "chunked")],
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..2 {
        wire.send(chunk.as_bytes());
    }
    assert_eq!(wire.answer().status, 413);
    // A body that does not come is not waited for.
    let mut wire = form(&conduit, "/sign-in", "", 100);
    assert!(wire.send(b"token="));
    let answer = wire.answer();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    wire.closed();
}

#[test]
fn whoever_may_not_is_told_before_the_body() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let bearer = format!("Bearer {}", shop.token);
    let did = &shop.did;
    for (method, path, is_operators) in [
        ("POST", "/api/v1/controllers".to_owned(), true),
        ("PUT", format!("/api/v1/controllers/{did}"), true),
        ("PUT", format!("/api/v1/controllers/{did}/limits"), true),
        (
            "POST",
            format!("/api/v1/controllers/{did}/webhook-secret/rotate"),
            false,
        ),
        (
            "POST",
            format!("/api/v1/controllers/{did}/webhook-secret/revoke"),
            false,
        ),
        ("POST", "/api/v1/integrations/custom".to_owned(), false),
        (
            "PUT",
            format!("/api/v1/integrations/custom/{}", shop.integration),
            false,
        ),
        (
            "POST",
            format!("/api/v1/integrations/custom/{}/test", shop.integration),
            false,
        ),
        (
            "POST",
            format!("/api/v1/integrations/custom/{}/trial", shop.integration),
            false,
        ),
        (
            "POST",
            format!("/api/v1/integrations/custom/{}/api-key/rotate", shop.integration),
            false,
        ),
        ("POST", "/api/v1/events/search".to_owned(), false),
        ("POST", "/api/v1/events/replay".to_owned(), false),
        ("POST", "/api/v1/subjects/lookup".to_owned(), false),
    ] {
        let length = ("Content-Length", "60000");
        let answer = Wire::begin(&conduit, method, &path, &[length]).answer();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "authorization_missing"),
            "{path}"
        );
        let answer = Wire::begin(&conduit, method, &path, &[("Authorization", "Bearer x"), length]).answer();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "authentication_failed"),
            "{path}"
        );
        if is_operators {
            let answer = Wire::begin(&conduit, method, &path, &[("Authorization", &bearer), length]).answer();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "operator_only"),
                "{path}"
            );
        }
        // The announced length is enough.
        let token = format!("Bearer {}", conduit.admin_token());
        let long = [("Authorization", token.as_str()), ("Content-Length", "4194305")];
        let answer = Wire::begin(&conduit, method, &path, &long).answer();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large"),
            "{path}"
        );
    }
    // Forms: without a session, and a tenant's where the operator is asked for.
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    for (path, status) in [
        ("/sign-out".to_owned(), 303),
        ("/controllers".to_owned(), 403),
        (format!("/controllers/{did}/token"), 403),
        (format!("/controllers/{did}/delete"), 403),
    ] {
        assert_eq!(form(&conduit, &path, "", 60_000).answer().status, 303, "{path}");
        if status == 403 {
            let answer = form(&conduit, &path, &visitor.cookie, 60_000).answer();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "operator_only"),
                "{path}"
            );
        }
    }
}

#[test]
fn a_browser_whose_session_ended_keeps_more_than_a_stranger() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    visitor.change("/sign-out", &[]).expect(303);
    let long = "x".repeat(200_000);
    let page = visitor.post("/integrations/new", &[("sample", &long)]).expect(401).text;
    assert!(page.contains("your input is kept") && page.contains(&long));
    // The sign-in takes it as well.
    let fields = [
        ("token", shop.token.as_str()),
        ("next", "/integrations/new"),
        ("kept", "form"),
        ("sample", &long),
    ];
    let page = visitor.post("/sign-in", &fields).expect(200).text;
    assert!(page.contains(&long));
    let stranger = Visitor::stranger(&conduit);
    let page = stranger
        .post("/integrations/new", &[("sample", &long)])
        .expect(401)
        .text;
    assert!(page.contains("too long to be kept") && !page.contains(&long));
    stranger.post("/sign-in", &fields).expect(413);
}

#[test]
fn a_tenants_long_bodies_have_a_share_of_the_memory_and_others_go_on() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "5")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let before = peak(&conduit);
    let bearer = format!("Bearer {}", shop.token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Length", "4194304")];
    let part = vec![b' '; 1 << 20];
    let mut open = Vec::new();
    for _ in 0..120 {
        let mut wire = Wire::begin(&conduit, "POST", "/api/v1/integrations/custom", &headers);
        // All but the last megabyte, as far as it is accepted.
        let _ = (0..3).all(|_| wire.send(&part));
        open.push(wire);
    }
    let answers: Vec<_> = open.iter_mut().skip(10).filter_map(Wire::try_answer).collect();
    assert!(!answers.is_empty());
    // Some that had begun are waited for in vain.
    let codes =
        ["overloaded", "body_timeout"].map(|code| answers.iter().filter(|answer| answer.code() == code).count());
    assert!(
        codes[0] > 60 && codes[0] + codes[1] == answers.len(),
        "{codes:?} {answers:?}"
    );
    assert!(peak(&conduit) - before < 100 << 10, "{} KiB", peak(&conduit) - before);
    let event = json!({"email": "ada@shop.example"});
    other.send(&conduit, "unwatched", event.clone());
    shop.send(&conduit, "unwatched", event);
    let search = json!({"category": "user.contact.email", "value": "ada@shop.example"});
    other
        .call(&conduit, "POST", "/api/v1/subjects/lookup", Some(search))
        .expect(200);
}

#[test]
fn a_tenants_slow_events_leave_room_for_anothers() {
    const LENGTH: usize = 100_000;
    let conduit = Conduit::with(&[("CONDUIT__SERVER__MAX_IN_FLIGHT_BYTES", "1000000")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let event = body_of("unwatched", LENGTH);
    let (first, last) = event.as_bytes().split_at(LENGTH - 1);
    let mut held = Vec::new();
    wait_for("one to be refused", || {
        let mut wire = shop.begin_event(&conduit, &shop.webhook_auth, LENGTH);
        wire.send(first);
        held.push(wire);
        let text = conduit.admin("GET", "/metrics", None).text;
        text.contains("conduit_refusals_total{endpoint=\"event\",code=\"overloaded\"}")
            .then_some(())
    });
    assert!(held.len() > 3, "{}", held.len());
    let mut slow = other.begin_event(&conduit, &other.webhook_auth, LENGTH);
    assert!(slow.send(first) && slow.send(last));
    assert_eq!(slow.answer().status, 200);
    other.send(&conduit, "unwatched", json!({"email": "ada@shop.example"}));
    // The admitted events are accepted.
    let mut oldest = held.remove(0);
    assert!(oldest.send(last));
    assert_eq!(oldest.answer().status, 200);
}
