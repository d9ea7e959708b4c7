//! HTTP/2's own rules (RFC 9113), frame by frame, and what browsers and clients rely on over TLS.

use serde_json::json;

use crate::common::frames::{DATA, Frames, HEADERS, RST_STREAM, STATUS_200, STATUS_400, STATUS_404};
use crate::common::secure::Secure;
use crate::common::{Tenant, tenant};

/// Returns the head of an event.
fn event_fields<'a>(path: &'a str, shop: &'a Tenant) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("authorization", shop.webhook_auth.as_str()),
        ("x-webhook-secret", shop.webhook_secret.as_str()),
    ]
}

#[test]
fn an_answer_ends_with_its_last_frame_and_a_short_one_is_one_record() {
    let secure = Secure::start(&[]);
    let mut frames = Frames::connect(&secure);
    // Settings and tickets have come with it.
    frames.get("/livez");
    frames.answer();
    let before = frames.records();
    frames.get("/livez");
    let answer = frames.answer();
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert_eq!(answer[0].status(), STATUS_200);
    assert!(!answer[0].ends_stream() && answer[1].kind == DATA && answer[1].ends_stream());
    assert!(answer[1].payload.starts_with(b"{"));
    assert_eq!(frames.records(), before + 1);

    for path in ["/api/v1/openapi.json", "/metrics", "/nowhere"] {
        frames.get(path);
        let answer = frames.answer();
        let last = answer.last().unwrap();
        assert!(last.kind == DATA && !last.payload.is_empty(), "{path}");
    }
    let head = [
        (":method", "HEAD"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/livez"),
    ];
    frames.request(&head, true);
    let answer = frames.answer();
    assert_eq!(answer.len(), 1, "{answer:?}");
    // An export is produced while it is sent.
    let token = format!("Bearer {}", secure.conduit.admin_token());
    let export = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/api/v1/events"),
        ("authorization", token.as_str()),
        ("accept", "text/csv"),
    ];
    frames.request(&export, true);
    let answer = frames.answer();
    assert_eq!(answer[0].status(), STATUS_200);
    assert!(answer.last().unwrap().ends_stream());
}

#[test]
fn a_body_is_asked_for_only_if_it_is_wanted() {
    let secure = Secure::start(&[]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    let path = format!(
        "/api/v1/integrations/custom/event?did={}&dpid={}",
        shop.did, shop.processor
    );
    let body = tenant::body("contact", json!({"email": "ada@shop.example"}));
    let mut frames = Frames::connect(&secure);
    let mut fields = event_fields(&path, &shop);
    fields.push(("expect", "100-continue"));
    let stream = frames.request(&fields, false);
    let go_on = frames.frame();
    assert!(go_on.kind == HEADERS && !go_on.ends_stream(), "{go_on:?}");
    frames.data(stream, body.as_bytes(), true);
    let answer = frames.answer();
    assert_eq!(answer[0].status(), STATUS_200);
    assert_eq!(secure.conduit.settled().accepted, 1);

    fields[3] = (":path", "/nowhere");
    frames.request(&fields, false);
    assert_eq!(frames.frame().status(), STATUS_404);
}

#[test]
fn an_early_answer_is_not_lost_behind_a_long_body() {
    let secure = Secure::start(&[]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    for bytes in [1_000, 1_000_000] {
        let length = bytes.to_string();
        let mut frames = Frames::connect(&secure);
        let mut fields = event_fields("/nowhere", &shop);
        fields.push(("content-length", length.as_str()));
        let stream = frames.request(&fields, false);
        let mut answer = frames.long_data(stream, bytes);
        while !answer.last().is_some_and(|last| last.ends_stream()) {
            answer.push(frames.frame());
        }
        assert_eq!(answer[0].status(), STATUS_404);
        assert!(answer.iter().all(|frame| frame.kind != RST_STREAM), "{answer:?}");
        // The connection stays open.
        frames.get("/livez");
        assert_eq!(frames.answer()[0].status(), STATUS_200);
    }
    let file = secure.dir.path().join("long");
    std::fs::write(&file, vec![b' '; 1_000_000]).unwrap();
    let data = format!("@{}", file.to_str().unwrap());
    for path in [
        "/nowhere",
        "/api/v1/subjects/lookup",
        "/api/v1/integrations/custom/event?did=did:web:a&dpid=b",
    ] {
        let url = format!("{}{path}", secure.conduit.url);
        let output = secure.curl(&[
            "--http2",
            "--data-binary",
            &data,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]);
        let expected = if path == "/nowhere" { "404" } else { "401" };
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
    }
}

#[test]
fn a_request_names_one_server_and_one_length() {
    let secure = Secure::start(&[]);
    let with = |more: &[(&'static str, &'static str)]| {
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":path", "/livez")];
        fields.extend_from_slice(more);
        let mut frames = Frames::connect(&secure);
        frames.request(&fields, true);
        frames.answer()
    };
    for fields in [
        &[(":authority", "localhost")][..],
        &[("host", "localhost")],
        &[(":authority", "localhost"), ("host", "LOCALHOST:443")],
    ] {
        assert_eq!(with(fields)[0].status(), STATUS_200, "{fields:?}");
    }
    for fields in [
        &[][..],
        &[(":authority", "localhost"), ("host", "other.example")],
        &[
            (":authority", "localhost"),
            ("host", "localhost"),
            ("host", "localhost"),
        ],
        &[(":authority", "ada@localhost")],
        &[("host", "ada@localhost")],
        &[("host", "local host")],
    ] {
        let answer = with(fields);
        let is_refused = answer[0].kind == RST_STREAM || answer[0].status() == STATUS_400;
        assert!(is_refused, "{fields:?} {answer:?}");
        if let Some(body) = answer.iter().find(|frame| frame.kind == DATA) {
            let problem: serde_json::Value = serde_json::from_slice(&body.payload).unwrap();
            assert_eq!(problem["code"], "host_invalid");
        }
    }
    let mut frames = Frames::connect(&secure);
    let lengths = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/nowhere"),
        ("content-length", "2"),
        ("content-length", "3"),
    ];
    let stream = frames.request(&lengths, false);
    let frame = frames.frame();
    assert_eq!((frame.kind, frame.stream), (RST_STREAM, stream), "{frame:?}");
}

#[test]
fn one_signs_in_over_tls_by_any_name_of_the_server_and_from_there_only() {
    let secure = Secure::start(&[("CONDUIT_PUBLIC_URL", "https://conduit.example")]);
    let port = secure.address().port();
    let form = format!("token={}", secure.conduit.admin_token());
    let sign_in = |version: &str, host: &str, origin: &str| {
        let (url, origin) = (format!("https://{host}:{port}/sign-in"), format!("Origin: {origin}"));
        let output = secure.curl(&[version, "-i", "-H", &origin, "-d", &form, &url]);
        String::from_utf8(output.stdout).unwrap()
    };
    for version in ["--http2", "--http1.1"] {
        for host in ["localhost", "127.0.0.1"] {
            let answer = sign_in(version, host, &format!("https://{host}:{port}"));
            assert!(answer.split(' ').nth(1) == Some("303"), "{version} {host}: {answer}");
            let lower = answer.to_ascii_lowercase();
            assert!(
                lower.contains("strict-transport-security: max-age=31536000"),
                "{answer}"
            );
            let (_, cookie) = answer.split_once("__Host-conduit_session=").unwrap();
            let value = cookie.split(';').next().unwrap();
            let overview = |name: &str| {
                let cookie = format!("Cookie: {name}={value}");
                let url = format!("https://{host}:{port}/overview");
                let output = secure.curl(&[version, "-o", "/dev/null", "-w", "%{http_code}", "-H", &cookie, &url]);
                String::from_utf8(output.stdout).unwrap()
            };
            assert_eq!(overview("__Host-conduit_session"), "200");
            // Anybody on the way may have set it in clear.
            assert_eq!(overview("conduit_session"), "303");
        }
        for origin in [
            format!("http://localhost:{port}"),
            format!("https://127.0.0.1:{port}"),
            "https://localhost".to_owned(),
            "http://conduit.example".to_owned(),
            "null".to_owned(),
        ] {
            let answer = sign_in(version, "localhost", &origin);
            assert!(answer.split(' ').nth(1) == Some("403"), "{version} {origin}: {answer}");
        }
        let public = sign_in(version, "localhost", "https://conduit.example");
        assert!(public.split(' ').nth(1) == Some("303"), "{public}");
    }
    let plain = secure.curl(&["-I", &format!("https://localhost:{port}/livez")]);
    let plain = String::from_utf8(plain.stdout).unwrap().to_ascii_lowercase();
    assert!(plain.contains("strict-transport-security"), "{plain}");
}

#[test]
fn a_client_that_does_not_answer_is_left_properly() {
    let secure = Secure::start(&[("CONDUIT__SERVER__KEEP_ALIVE_SECONDS", "1")]);
    let mut frames = Frames::connect(&secure);
    frames.get("/livez");
    frames.answer();
    // The PING before the end of the idle connection is not answered.
    assert!(frames.closes_properly());
}
