//! The public contract: every status of the event endpoint, and the order of its checks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::common::{Answer, Conduit, Tenant, request, tenant::body};

fn post(conduit: &Conduit, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let url = format!("{}/api/v1/integrations/custom/event{query}", conduit.url);
    request(&conduit.client, "POST", &url, headers, body).expect("an answer")
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(
        (problem["status"].as_u64(), problem["code"].as_str()),
        (Some(u64::from(status)), Some(code))
    );
    for key in ["type", "title", "detail", "requestId"] {
        assert!(
            problem[key].as_str().is_some_and(|text| !text.is_empty()),
            "{key}: {problem}"
        );
    }
    assert_eq!(answer.header("x-request-id"), problem["requestId"].as_str());
}

#[test]
fn the_documented_request_is_accepted_and_processed() {
    let conduit = Conduit::start();
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let sent =
        br#"{"event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "customer@example.com"}"#;
    let answer = tenant.try_send(&conduit, sent).unwrap().expect(200).json();
    assert_eq!(answer["status"], "accepted");
    let outcome = tenant.outcome(&conduit, answer["eventId"].as_str().unwrap());
    assert_eq!(outcome["status"], "processed", "{outcome}");
    assert_eq!(outcome["receivedAt"], answer["receivedAt"]);
    assert_eq!(outcome["triggeredAt"], "2026-04-06T10:30:00.000Z");
    assert_eq!(outcome["categories"], json!(["user.contact.email"]));
    assert_eq!(outcome["dataProcessorId"].as_str(), Some(tenant.processor.as_str()));
    for stage in ["journaledAt", "extractedAt", "resolvedAt", "loggedAt"] {
        assert!(outcome["stages"][stage].is_string(), "{outcome}");
    }
    let activities = tenant
        .call(&conduit, "GET", "/api/v1/activities", None)
        .expect(200)
        .json();
    let activity = &activities["items"][0];
    assert_eq!(
        (activity["purpose"].as_str(), activity["legalBasis"].as_str()),
        (Some("Account registration"), Some("contract"))
    );
    assert_eq!(
        (activity["sequence"].as_u64(), &activity["subject"]),
        (Some(1), &outcome["subject"])
    );
}

#[test]
fn checks_come_in_order_query_credentials_body() {
    let conduit = Conduit::start();
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let good = [
        ("authorization", tenant.webhook_auth.as_str()),
        ("x-webhook-secret", tenant.webhook_secret.as_str()),
    ];
    let url = format!("?did={}&dpid={}", tenant.did, tenant.processor);
    let long = vec![b'x'; 300_000];

    // A bad query comes before bad credentials and a bad body.
    assert_problem(&post(&conduit, "", &[], b"x"), 400, "did_missing");
    let both = post(&conduit, "", &[], b"").json();
    let codes: Vec<_> = both["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["code"].clone())
        .collect();
    assert_eq!(codes, ["did_missing", "dpid_missing"]);
    assert_problem(&post(&conduit, "?did=x&dpid=p", &[], b""), 400, "did_invalid");
    assert_problem(&post(&conduit, "?did=did:web:a", &[], b""), 400, "dpid_missing");
    assert_problem(
        &post(&conduit, "?did=did:web:a&dpid=a%20b", &[], b""),
        400,
        "dpid_invalid",
    );
    assert_problem(
        &post(&conduit, "?did=did:web:a&did=did:web:a&dpid=p", &[], b""),
        400,
        "did_invalid",
    );

    // Bad credentials come before a bad body, however long.
    assert_problem(&post(&conduit, &url, &[], &long), 401, "authorization_missing");
    assert_problem(&post(&conduit, &url, &good[..1], b"x"), 401, "webhook_secret_missing");
    assert_problem(&post(&conduit, &url, &good[1..], b"x"), 401, "authorization_missing");
    let wrong = [("authorization", "Bearer wrong"), good[1]];
    assert_problem(&post(&conduit, &url, &wrong, &long), 401, "authentication_failed");
    let basic = [("authorization", "Basic abc"), good[1]];
    assert_problem(&post(&conduit, &url, &basic, b""), 401, "authorization_malformed");
    let prefixed = format!("Bearer {}", tenant.webhook_secret);
    let with_bearer = [good[0], ("x-webhook-secret", prefixed.as_str())];
    assert_problem(
        &post(&conduit, &url, &with_bearer, b""),
        401,
        "webhook_secret_malformed",
    );

    // Then the body.
    assert_problem(&post(&conduit, &url, &good, &long), 400, "body_too_large");
    assert_problem(&post(&conduit, &url, &good, b""), 400, "body_empty");
    assert_problem(&post(&conduit, &url, &good, b"[]"), 400, "json_not_an_object");
    assert_problem(
        &post(&conduit, &url, &good, b"{\"event\":\"a\",\"event\":\"a\"}"),
        400,
        "json_duplicate_key",
    );
    let faults = post(&conduit, &url, &good, br#"{"event":"","triggeredAt":"x"}"#);
    assert_problem(&faults, 400, "event_invalid");
    let pointers: Vec<_> = faults.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/event", "/triggeredAt"]);
    assert_problem(
        &post(
            &conduit,
            &url,
            &good,
            br#"{"event":"a","triggeredAt":"2999-01-01T00:00:00Z"}"#,
        ),
        400,
        "triggered_at_in_future",
    );
    let encoded = [good[0], good[1], ("content-encoding", "gzip")];
    assert_problem(
        &post(&conduit, &url, &encoded, b"{}"),
        400,
        "content_encoding_unsupported",
    );

    // An unknown event type is accepted, and rejected later with a hint.
    let id = tenant.send(&conduit, "account_creatd", json!({}));
    let outcome = tenant.outcome(&conduit, &id);
    assert_eq!(
        (outcome["status"].as_str(), outcome["reasons"][0]["code"].as_str()),
        (Some("rejected"), Some("event_unknown"))
    );
    assert!(
        outcome["reasons"][0]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean account_created?")
    );
}

#[test]
fn a_401_is_the_same_for_every_cause() {
    let conduit = Conduit::start();
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let attempt = |did: &str, dpid: &str, key: &str, secret: &str| {
        let headers = [("authorization", key), ("x-webhook-secret", secret)];
        let answer = post(&conduit, &format!("?did={did}&dpid={dpid}"), &headers, b"{}");
        assert_problem(&answer, 401, "authentication_failed");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let mut problem = answer.json();
        problem["requestId"] = json!(null);
        problem.to_string()
    };
    let (key, secret) = (tenant.webhook_auth.as_str(), tenant.webhook_secret.as_str());
    let unknown_did = attempt("did:web:unknown.example", &tenant.processor, key, secret);
    assert_eq!(attempt(&tenant.did, "unknown", key, secret), unknown_did);
    assert_eq!(
        attempt(&tenant.did, &tenant.processor, "Bearer wrong", secret),
        unknown_did
    );
    assert_eq!(attempt(&tenant.did, &tenant.processor, key, "wrong"), unknown_did);
    assert_eq!(
        attempt(&tenant.did, &tenant.processor, &other.webhook_auth, secret),
        unknown_did
    );
    assert_eq!(
        attempt(&tenant.did, &tenant.processor, key, &other.webhook_secret),
        unknown_did
    );
    assert_eq!(attempt(&other.did, &other.processor, key, secret), unknown_did);
    let logs = conduit.logs();
    for cause in [
        "unknown did or dpid",
        "wrong or expired API key",
        "wrong or expired webhook secret",
    ] {
        assert!(logs.contains(cause), "the operator's log names the cause: {cause}");
    }
}

#[test]
fn a_caller_that_keeps_failing_is_told_to_wait_and_a_right_one_is_served() {
    let conduit = Conduit::with(&[("CONDUIT__AUTH__MAX_FAILURES", "5")]);
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let url = format!("?did={}&dpid={}", tenant.did, tenant.processor);
    let wrong = [("authorization", "Bearer wrong"), ("x-webhook-secret", "wrong")];
    for _ in 0..5 {
        assert_problem(&post(&conduit, &url, &wrong, b"{}"), 401, "authentication_failed");
    }
    let refused = post(&conduit, &url, &wrong, b"{}");
    assert_problem(&refused, 429, "too_many_failures");
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s > 0))
    );
    tenant.send(&conduit, "account_created", json!({"email": "a@shop.example"}));
}

#[test]
fn slow_senders_time_out_and_other_methods_are_refused() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "1")]);
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let address = conduit.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST /api/v1/integrations/custom/event?did={}&dpid={} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         x-webhook-secret: {}\r\nContent-Length: 100\r\n\r\n{{\"event\":",
        tenant.did, tenant.processor, tenant.webhook_auth, tenant.webhook_secret
    )
    .unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("body_timeout"),
        "{answer}"
    );

    let url = tenant.webhook_url(&conduit);
    let get = request(&conduit.client, "GET", &url, &[], b"").unwrap();
    assert_problem(&get, 405, "method_not_allowed");
    assert_eq!(get.header("allow"), Some("POST, OPTIONS"));
    assert_problem(&conduit.get("/nowhere"), 404, "not_found");
}

#[test]
fn overload_is_refused_with_retry_after() {
    let conduit = Conduit::with(&[("CONDUIT__JOURNAL__MAX_BYTES", "1")]);
    let tenant = Tenant::create(&conduit, "did:web:shop.example");
    let event = body("account_created", json!({"email": "a@shop.example"}));
    // The first is taken, since nothing is in flight; the cap holds while one is.
    let answers: Vec<_> = (0..50)
        .map(|_| tenant.try_send(&conduit, event.as_bytes()).unwrap())
        .collect();
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_problem(refused, 500, "journal_full");
        assert!(refused.header("retry-after").is_some());
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    let stats = conduit.settled();
    assert_eq!(
        stats.accepted,
        answers.iter().filter(|answer| answer.status == 200).count() as u64
    );
}
