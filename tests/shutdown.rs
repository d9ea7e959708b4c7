//! SIGTERM: answered events are kept, requests under way are answered, and no client delays the stop beyond its limit.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::common::secure::{Secure, trusting};
use crate::common::tls::Authority;
use crate::common::{Conduit, PATIENCE, Tenant, client, tenant, wait_for};

fn connect(conduit: &Conduit) -> TcpStream {
    let stream = TcpStream::connect(conduit.url.split_once("//").unwrap().1).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Begins an event whose body has so many bytes, and waits until its head has been read.
fn begin(conduit: &Conduit, shop: &Tenant, length: usize) -> TcpStream {
    let mut stream = connect(conduit);
    stream.write_all(head(shop, length).as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

fn head(shop: &Tenant, length: usize) -> String {
    let (did, dpid, auth, secret) = (&shop.did, &shop.processor, &shop.webhook_auth, &shop.webhook_secret);
    format!(
        "POST /api/v1/integrations/custom/event?did={did}&dpid={dpid} HTTP/1.1\r\nhost: conduit\r\n\
         authorization: {auth}\r\nx-webhook-secret: {secret}\r\ncontent-length: {length}\r\n\
         expect: 100-continue\r\n\r\n"
    )
}

fn wait_for_line(conduit: &Conduit, line: &str) {
    wait_for(line, || (!conduit.log_lines(line).is_empty()).then_some(()));
}

const NOT_ACCEPTED: &str = "nothing more is accepted";

#[test]
fn a_sender_across_sigterm_is_answered_200_or_not_at_all_and_every_200_is_processed() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let (accepted, numbers) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    for _ in 0..3 {
        let before = accepted.lock().unwrap().len();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let (client, url) = (client(), shop.webhook_url(&conduit));
                    loop {
                        let number = numbers.fetch_add(1, Ordering::Relaxed);
                        let body = tenant::body("unwatched", json!({"email": format!("u{number}@shop.example")}));
                        // No answer: the connection was closed, or there is no listener any more.
                        let Ok(answer) = shop.try_send_by(&client, &url, body.as_bytes()) else {
                            return;
                        };
                        let id = answer.expect(200).json()["eventId"].as_str().unwrap().to_owned();
                        accepted.lock().unwrap().push(id);
                    }
                });
            }
            wait_for("some events", || {
                (accepted.lock().unwrap().len() >= before + 200).then_some(())
            });
            conduit.terminate();
        });
        assert_eq!(conduit.wait(), Some(0));
        conduit.launch();
    }
    conduit.settled();
    for id in accepted.lock().unwrap().iter() {
        assert_eq!(shop.outcome(&conduit, id)["status"], "processed", "{id}");
    }
    conduit.assert_audit_verifies();
}

#[test]
fn what_is_under_way_is_answered_and_told_to_close() {
    let mut conduit = Conduit::with(&[("CONDUIT__SERVER__SHUTDOWN_SECONDS", "300")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let body = tenant::body("contact", json!({"email": "ada@shop.example"}));
    let mut under_way = begin(&conduit, &shop, body.len());
    under_way.write_all(&body.as_bytes()[..10]).unwrap();
    conduit.terminate();
    wait_for_line(&conduit, NOT_ACCEPTED);
    under_way.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(conduit.wait(), Some(0));
    conduit.launch();
    assert_eq!(conduit.settled().processed, 1);
}

#[test]
fn idle_connections_delay_nothing() {
    let authority = Authority::new();
    let certificate = authority.issue("IP:127.0.0.1");
    let mut plain = Conduit::with(&[("CONDUIT__SERVER__SHUTDOWN_SECONDS", "300")]);
    let mut secure = Conduit::with(&[
        ("CONDUIT__SERVER__SHUTDOWN_SECONDS", "300"),
        ("CONDUIT_TLS_CERT", certificate.file.to_str().unwrap()),
        ("CONDUIT_TLS_KEY", certificate.key.to_str().unwrap()),
    ]);
    let unused = connect(&plain);
    let mut kept = connect(&plain);
    kept.write_all(b"GET /livez HTTP/1.1\r\nhost: conduit\r\n\r\n").unwrap();
    let mut start = [0; 12];
    kept.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");

    // HTTP/2: its first words, and then nothing.
    let mut idle = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-alpn",
            "h2",
            "-connect",
            secure.url.split_once("//").unwrap().1,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut input = idle.stdin.take().unwrap();
    input.write_all(preface).unwrap();
    let mut output = idle.stdout.take().unwrap();
    let mut frames = vec![0; 9];
    output.read_exact(&mut frames).unwrap();
    assert_eq!(frames[3], 4, "SETTINGS come first");

    for conduit in [&mut plain, &mut secure] {
        assert_eq!(conduit.stop(), Some(0));
        assert_eq!(conduit.log_lines("were cut off").len(), 0);
        assert_eq!(conduit.log_lines("the journal is closed").len(), 1);
        assert_eq!(conduit.log_lines("\"message\":\"stopped\"").len(), 1);
    }
    output.read_to_end(&mut frames).unwrap();
    assert!(has_goaway(&frames), "{frames:?}");
    idle.wait().unwrap();
    drop((unused, input));
}

/// Returns whether the frames include one of type 7 (RFC 9113, 4.1).
fn has_goaway(mut frames: &[u8]) -> bool {
    while let [a, b, c, kind, ..] = *frames {
        if kind == 7 {
            return true;
        }
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

#[test]
fn an_endless_body_is_cut_off_in_time() {
    let mut conduit = Conduit::with(&[
        ("CONDUIT__SERVER__SHUTDOWN_SECONDS", "2"),
        ("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "300"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut endless = begin(&conduit, &shop, 100_000);
    let mut reader = endless.try_clone().unwrap();
    std::thread::scope(|scope| {
        // A byte now and then, until the connection is gone.
        scope.spawn(move || {
            while endless.write_all(b" ").is_ok() {
                #[allow(clippy::disallowed_methods)] // The pace of a slow sender; nothing waits for it.
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        assert_eq!(conduit.stop(), Some(0));
        assert_eq!(conduit.log_lines("were cut off").len(), 1);
        let mut answer = Vec::new();
        if let Err(error) = reader.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    });
    conduit.launch();
    assert_eq!(conduit.settled().accepted, 0);
}

#[test]
fn readiness_goes_first_and_a_second_signal_ends_the_pause() {
    let mut conduit = Conduit::with(&[("CONDUIT__SERVER__DRAIN_SECONDS", "300")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    conduit.get("/readyz").expect(200);
    conduit.terminate();
    wait_for("readiness to say no", || {
        (conduit.get("/readyz").status == 503).then_some(())
    });
    conduit.get("/livez").expect(200);
    let id = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed");
    assert!(conduit.log_lines(NOT_ACCEPTED).is_empty());
    assert_eq!(conduit.stop(), Some(0));
    assert_eq!(conduit.log_lines("SIGTERM again").len(), 1);
    assert_eq!(conduit.log_lines(NOT_ACCEPTED).len(), 1);
    assert_eq!(conduit.log_lines("the journal is closed").len(), 1);
}

#[test]
fn a_stop_amid_many_streams_answers_200_or_not_at_all() {
    let mut secure = Secure::start(&[]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    let url = shop.webhook_url(&secure.conduit);
    let one = |n: usize| {
        let body = tenant::body("unwatched", json!({"email": format!("p{n}@shop.example")})).replace('"', "\\\"");
        format!(
            "url = \"{url}\"\nheader = \"Authorization: {}\"\nheader = \"x-webhook-secret: {}\"\ndata = \"{body}\"\n\
             http2\nwrite-out = \"\\n%{{http_version}} %{{http_code}}\\n\"\ncacert = \"{}\"\n",
            shop.webhook_auth,
            shop.webhook_secret,
            secure.authority.file().display()
        )
    };
    let config = secure.dir.path().join("requests");
    let requests: Vec<String> = (0..3_000).map(one).collect();
    fs::write(&config, requests.join("next\n")).unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "-Z", "--parallel-max", "50", "-K"]).arg(&config);
    let sending = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("some events", || (secure.conduit.stats().accepted > 100).then_some(()));
    assert_eq!(secure.conduit.stop(), Some(0));
    let text = String::from_utf8(sending.wait_with_output().unwrap().stdout).unwrap();
    let answered = text.lines().filter(|line| *line == "2 200").count() as u64;
    // 0: there was no answer. A server that accepts nothing more says so by GOAWAY, or is gone.
    let others = text
        .lines()
        .filter(|line| line.starts_with("2 ") && *line != "2 200" && *line != "2 000");
    assert_eq!(others.count(), 0, "{text}");
    assert!(answered > 0 && answered < 3_000, "{answered}");
    secure.conduit.launch();
    secure.conduit.client = trusting(&secure.authority);
    let settled = secure.conduit.settled();
    assert!(settled.accepted >= answered, "{settled:?} {answered}");
    assert_eq!(settled.processed, settled.accepted);
}
