//! HTTP/1.1's own rules (RFC 9110 and 9112), by what lies on the wire.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Conduit, PATIENCE, Tenant, tenant};

fn connect(conduit: &Conduit) -> TcpStream {
    let stream = TcpStream::connect(conduit.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends this, and reads up to the end of the connection.
fn exchange(conduit: &Conduit, sent: &[u8]) -> String {
    let mut stream = connect(conduit);
    stream.write_all(sent).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Returns the head of an event with this announced body.
fn event_head(shop: &Tenant, more: &str) -> String {
    format!(
        "POST /api/v1/integrations/custom/event?did={}&dpid={} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         x-webhook-secret: {}\r\n{more}\r\n",
        shop.did, shop.processor, shop.webhook_auth, shop.webhook_secret
    )
}

/// Returns the status of an answer, and its problem.
fn problem(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("content-type: application/problem+json"), "{head}");
    assert!(lower.contains(&format!("x-request-id: {}", problem["requestId"].as_str().unwrap())));
    assert_eq!(problem["status"], status);
    (status, problem)
}

#[test]
fn what_is_malformed_gets_a_problem_and_ends_the_connection() {
    let conduit = Conduit::start();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    for (sent, status, code) in [
        (
            "GET /livez HTTP/1.1\r\nHost: x\r\nx: a\x01b\r\n\r\n",
            400,
            "request_invalid",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: x\r\nx: a\0b\r\n\r\n",
            400,
            "request_invalid",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
            400,
            "request_invalid",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            "request_invalid",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            400,
            "request_invalid",
        ),
        ("GET /livez HTTP/1.1\r\n\r\n", 400, "host_invalid"),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, "host_invalid"),
        ("GET /livez HTTP/1.1\r\nHost: ada@x\r\n\r\n", 400, "host_invalid"),
        (
            "GET http://ada@x/livez HTTP/1.1\r\nHost: x\r\n\r\n",
            400,
            "host_invalid",
        ),
        ("\x16\x03\x01\x02", 400, "request_invalid"),
        (
            "GET /livez HTTP/3.0\r\nHost: x\r\n\r\n",
            505,
            "http_version_unsupported",
        ),
        (&long, 431, "head_too_large"),
        (&path, 414, "uri_too_long"),
    ] {
        let answer = exchange(&conduit, sent.as_bytes());
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        let (found, problem) = problem(&answer);
        assert_eq!(
            (found, &problem["code"]),
            (status, &json!(code)),
            "{:?}",
            &sent[..40.min(sent.len())]
        );
    }
    // Odd but valid requests.
    for sent in [
        "\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET http://other.example/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /livez HTTP/1.0\r\n\r\n",
    ] {
        assert!(exchange(&conduit, sent.as_bytes()).contains(" 200 OK\r\n"), "{sent}");
    }
}

#[test]
fn behind_a_last_request_nothing_is_done() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let body = tenant::body("contact", json!({"email": "ada@shop.example"}));
    let event = format!(
        "{}{body}",
        event_head(&shop, &format!("Content-Length: {}\r\n", body.len()))
    );
    let first = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(&conduit, format!("{first}{event}").as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    // Requests behind one that is not the last are answered in their order.
    let answer = exchange(
        &conduit,
        format!("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n{event}{first}").as_bytes(),
    );
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 3, "{answer}");
    assert_eq!(conduit.settled().accepted, 1);
    // An upgrade is not taken up, and ends nothing (RFC 9110, section 7.8).
    for protocol in ["h2c", "websocket"] {
        let upgrade =
            format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n{first}");
        let answer = exchange(&conduit, upgrade.as_bytes());
        assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("upgrade"), "{answer}");
    }
}

#[test]
fn malformed_chunks_are_answered_and_endless_ones_are_not_read_on() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let head = event_head(&shop, "Transfer-Encoding: chunked\r\n");
    for chunks in ["zz\r\n", "5\r\nhello!!\r\n", "-1\r\n", "1;\x01\r\nx\r\n0\r\n\r\n"] {
        let (status, problem) = problem(&exchange(&conduit, format!("{head}{chunks}").as_bytes()));
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("body_malformed")),
            "{chunks:?}"
        );
    }
    let token = &shop.token;
    let look_up = format!(
        "POST /api/v1/subjects/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    let (status, problem) = problem(&exchange(&conduit, look_up.as_bytes()));
    assert_eq!((status, &problem["code"]), (400, &json!("request_invalid")));

    // A body without an end: answered, then cut off.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for head in [
        head.as_str(),
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut stream = connect(&conduit);
        stream.write_all(head.as_bytes()).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let chunk = chunk.clone();
        let sender = std::thread::spawn(move || while sending.write_all(chunk.as_bytes()).is_ok() {});
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(
            text.starts_with("HTTP/1.1 40") && text.contains("connection: close\r\n"),
            "{text}"
        );
        sender.join().unwrap();
    }
}

#[test]
fn a_body_is_asked_for_only_if_it_is_wanted() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let waiting = "Content-Length: 10\r\nExpect: 100-continue\r\n";
    let unknown = format!("POST /nowhere HTTP/1.1\r\nHost: x\r\n{waiting}\r\n");
    let stranger =
        format!("POST /api/v1/subjects/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n{waiting}\r\n");
    let coded = event_head(&shop, &format!("{waiting}Content-Encoding: gzip\r\n"));
    let token = conduit.admin_token();
    let about =
        |target: &str| format!("{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{waiting}\r\n");
    let nothing = "PUT /api/v1/integrations/custom/01a22ae5-5979-75ee-8b71-a042accb218f";
    let nobody = "PUT /api/v1/controllers/did:web:nobody.example";
    let whose = "POST /api/v1/integrations/custom";
    for (sent, status) in [
        (unknown, 404),
        (stranger, 401),
        (coded, 400),
        (about(nothing), 404),
        (about(nobody), 404),
        (about(whose), 400),
    ] {
        let answer = exchange(&conduit, sent.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    let body = tenant::body("contact", json!({"email": "ada@shop.example"}));
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
    let mut stream = connect(&conduit);
    let head = event_head(&shop, &format!("{length}Expect: 100-continue\r\n"));
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // A body that is here already needs no 100.
    let head = event_head(&shop, &format!("{length}Expect: 100-continue\r\n"));
    let answer = exchange(&conduit, format!("{head}{body}").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn an_idle_connection_is_kept_as_long_as_configured() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__KEEP_ALIVE_SECONDS", "2")]);
    let mut stream = connect(&conduit);
    let before = Instant::now();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(before.elapsed() >= Duration::from_secs(2));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("connection:"), "{answer}");
    let never = Conduit::with(&[("CONDUIT__SERVER__KEEP_ALIVE_SECONDS", "0")]);
    let answer = exchange(&never, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_request_near_the_end_of_an_idle_connection_is_its_last() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__KEEP_ALIVE_SECONDS", "1")]);
    crate::common::wait_for("an answer in the last half second", || {
        let mut stream = connect(&conduit);
        let ask = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(ask).unwrap();
        let mut first = [0; 4096];
        let length = stream.read(&mut first).unwrap();
        assert!(!String::from_utf8_lossy(&first[..length]).contains("connection: close"));
        #[allow(clippy::disallowed_methods)] // What is tested is what happens after a time.
        std::thread::sleep(Duration::from_millis(800));
        stream.write_all(ask).ok()?;
        let mut rest = String::new();
        stream.read_to_string(&mut rest).ok()?;
        // On a busy machine it may come too late.
        (!rest.is_empty()).then(|| assert!(rest.contains("connection: close\r\n"), "{rest}"))
    });
}

#[test]
fn every_head_has_a_deadline() {
    let conduit = Conduit::with(&[("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "1")]);
    for before in ["", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let answer = exchange(&conduit, format!("{before}GET /livez HTTP/1.1\r\nHos").as_bytes());
        let last = &answer[answer.rfind("HTTP/1.1 ").unwrap()..];
        let (status, problem) = problem(last);
        assert_eq!((status, &problem["code"]), (408, &json!("head_timeout")));
    }
}

#[test]
fn every_address_knows_head_options_and_its_methods() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let id = &shop.integration;
    let one = format!("/api/v1/integrations/custom/{id}");
    let token = format!("Bearer {}", shop.token);
    let ask = |method: &str, path: &str| {
        let sent =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&conduit, sent.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
        // These change from answer to answer.
        let changing = ["date", "x-request-id"];
        let mut fields: Vec<(String, String)> = lines
            .filter(|(name, _)| !changing.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Fields have no order.
        fields.sort();
        (head[9..12].to_owned(), fields, body.to_owned())
    };
    for path in [
        "/",
        "/sign-in",
        "/overview",
        "/livez",
        "/api/v1/openapi.json",
        "/api/docs",
        "/api/v1/controllers",
        one.as_str(),
        "/api/v1/taxonomy",
        "/.well-known/conduit-receipt-keys.json",
        "/nowhere",
        "/api/v1/supervision",
    ] {
        let (get, head) = (ask("GET", path), ask("HEAD", path));
        assert_eq!((&get.0, head.2.as_str()), (&head.0, ""), "{path}");
        assert_eq!(get.1, head.1, "{path}");
    }
    for path in ["/metrics", "/readyz", "/api/v1/stats"] {
        let head = ask("HEAD", path);
        assert_eq!((head.0.as_str(), head.2.as_str()), ("200", ""), "{path}");
    }
    let allow = |answer: &(String, Vec<(String, String)>, String)| {
        let found = answer.1.iter().find(|(name, _)| name == "allow");
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    for (path, methods) in [
        (one.as_str(), "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/api/v1/integrations/custom/event", "POST, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
        ("/sign-in", "GET, HEAD, POST, OPTIONS"),
        ("*", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    ] {
        let options = ask("OPTIONS", path);
        assert_eq!(
            (options.0.as_str(), allow(&options).as_str()),
            ("204", methods),
            "{path}"
        );
        if path != "*" {
            let wrong = ask("PATCH", path);
            assert_eq!((wrong.0.as_str(), allow(&wrong).as_str()), ("405", methods), "{path}");
        }
    }
    assert_eq!(ask("HEAD", "/api/v1/integrations/custom/event").0, "405");
    assert_eq!(ask("OPTIONS", "/nowhere").0, "404");

    let made = conduit
        .admin("POST", "/api/v1/controllers", Some(json!({"name": "New"})))
        .expect(201);
    let location = made.header("location").unwrap();
    assert_eq!(
        conduit.admin("GET", location, None).expect(200).json()["did"],
        made.json()["did"]
    );
    let made = shop
        .call(&conduit, "POST", "/api/v1/integrations/custom", Some(tenant::shop()))
        .expect(201);
    let location = made.header("location").unwrap();
    assert_eq!(
        shop.call(&conduit, "GET", location, None).expect(200).json()["id"],
        made.json()["id"]
    );
    let origin = conduit.url.clone();
    let wrong = format!(
        "POST /sign-in HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoken=x",
        origin.trim_start_matches("http://")
    );
    let refused = exchange(&conduit, wrong.as_bytes());
    assert!(
        refused.starts_with("HTTP/1.1 401 ") && refused.contains("www-authenticate: Bearer"),
        "{refused}"
    );
}

#[test]
fn a_change_is_made_only_to_what_its_sender_has_seen() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let ask = |token: &str, method: &str, path: &str, fields: &[(&str, &str)], body: &str| {
        let authorization = format!("Bearer {token}");
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(fields);
        crate::common::request(
            &conduit.client,
            method,
            &format!("{}{path}", conduit.url),
            &all,
            body.as_bytes(),
        )
        .unwrap()
    };
    let (admin, one) = (
        conduit.admin_token(),
        format!("/api/v1/integrations/custom/{}", shop.integration),
    );
    let get = |fields: &[(&str, &str)]| ask(&shop.token, "GET", &one, fields, "");
    assert_eq!(get(&[]).header("etag"), Some("\"1\""));
    let same = get(&[("if-none-match", "\"1\"")]).expect(304);
    assert_eq!((same.text.as_str(), same.header("etag")), ("", Some("\"1\"")));
    get(&[("if-none-match", "\"7\"")]).expect(200);
    get(&[("if-match", "\"7\"")]).expect(412);
    let body = tenant::shop().to_string();
    let put = |fields: &[(&str, &str)], body: &str| ask(&shop.token, "PUT", &one, fields, body);
    assert_eq!(
        put(&[("if-match", "\"7\"")], &body).expect(409).json()["code"],
        "version_mismatch"
    );
    put(&[("if-match", "W/\"1\"")], &body).expect(409);
    put(&[("if-none-match", "*")], &body).expect(412);
    let mut old = tenant::shop();
    old["version"] = json!(7);
    put(&[("if-match", "*")], &old.to_string()).expect(409);
    assert_eq!(
        put(&[("if-match", "\"7\", \"1\"")], &body).expect(200).header("etag"),
        Some("\"2\"")
    );
    // A rotation shows in the answer, but is no other version of the mapping.
    let rotate = |fields: &[(&str, &str)]| ask(&shop.token, "POST", &format!("{one}/api-key/rotate"), fields, "");
    assert_eq!(
        rotate(&[("if-match", "\"2\"")]).expect(412).json()["code"],
        "precondition_failed"
    );
    rotate(&[]).expect(200);
    put(&[("if-match", "\"2\"")], &body).expect(409);
    let rotated = get(&[("if-none-match", "\"2\"")]).expect(200);
    let tag = rotated.header("etag").unwrap();
    get(&[("if-none-match", tag)]).expect(304);
    put(&[("if-match", tag)], &old.to_string()).expect(409);
    let changed = put(&[("if-match", tag)], &body).expect(200);
    assert_eq!(changed.json()["version"], 3);
    let tag = changed.header("etag").unwrap();
    let delete = |fields: &[(&str, &str)]| ask(&shop.token, "DELETE", &one, fields, "");
    assert_eq!(
        delete(&[("if-match", "\"2\"")]).expect(409).json()["code"],
        "version_mismatch"
    );
    delete(&[("if-match", "\"3-1\"")]).expect(409);
    get(&[]).expect(200);
    delete(&[("if-match", tag)]).expect(204);

    let controller = "/api/v1/controllers/did:web:shop.example";
    let first = ask(&admin, "GET", controller, &[], "").expect(200);
    let first = first.header("etag").unwrap().to_owned();
    ask(&admin, "GET", controller, &[("if-none-match", first.as_str())], "").expect(304);
    let rename = |tag: &str| ask(&admin, "PUT", controller, &[("if-match", tag)], r#"{"name": "Shop 2"}"#);
    rename("\"old\"").expect(409);
    let second = rename(&first).expect(200);
    let second = second.header("etag").unwrap();
    assert_ne!(first, second);
    rename(&first).expect(409);
    ask(&admin, "DELETE", controller, &[("if-match", first.as_str())], "").expect(409);
    ask(&admin, "DELETE", controller, &[("if-match", second)], "").expect(204);
}

#[test]
fn credentials_in_the_wrong_place_are_told_apart_by_their_look() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let (key, secret) = (shop.webhook_auth.as_str(), shop.webhook_secret.as_str());
    let url = shop.webhook_url(&conduit);
    let send = |authorization: &str, secret: &str, coding: &str| {
        let body = tenant::body("contact", json!({"email": "ada@shop.example"}));
        let headers = [
            ("authorization", authorization),
            ("x-webhook-secret", secret),
            ("content-encoding", coding),
        ];
        crate::common::request(&conduit.client, "POST", &url, &headers, body.as_bytes()).unwrap()
    };
    send(key, secret, "").expect(200);
    send(key, secret, "identity, ").expect(200);
    send(key, secret, "gzip").expect(400);
    let bare = key.trim_start_matches("Bearer ");
    for (authorization, secret, code, hint) in [
        (
            format!("Bearer {key}"),
            secret,
            "authorization_malformed",
            "Bearer twice",
        ),
        (
            format!("Bearer {secret}"),
            bare,
            "authentication_failed",
            "has a webhook secret, but takes an API key",
        ),
        (
            key.to_owned(),
            bare,
            "authentication_failed",
            "has an API key, but takes a webhook secret",
        ),
        (
            format!("Bearer {}", shop.token),
            secret,
            "authentication_failed",
            "has a management token",
        ),
    ] {
        let problem = send(&authorization, secret, "").expect(401).json();
        assert_eq!(problem["code"], code);
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
    let problem = conduit.call(bare, "GET", "/api/v1/stats", None).expect(401).json();
    assert!(
        problem["detail"].as_str().unwrap().contains("this is an API key"),
        "{problem}"
    );
}
