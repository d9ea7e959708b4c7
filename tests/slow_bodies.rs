//! Bodies of management calls that come late, or never.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::common::secure::Secure;
use crate::common::{Conduit, PATIENCE, Tenant};

const SHORT: (&str, &str) = ("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "1");

/// Begins a call on this path with a body of so many bytes, and sends the first of them.
fn begin(conduit: &Conduit, token: &str, path: &str, first: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(conduit.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{first}"
    )
    .unwrap();
    stream
}

/// The answer, up to the end of the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_management_body_that_does_not_come_is_waited_for_for_so_long_only() {
    let conduit = Conduit::with(&[SHORT]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let id = &shop.integration;
    for path in [
        "/api/v1/integrations/custom".to_owned(),
        format!("/api/v1/integrations/custom/{id}/test"),
        format!("/api/v1/integrations/custom/{id}/api-key/rotate"),
        format!("/api/v1/controllers/{}/webhook-secret/revoke", shop.did),
        "/api/v1/events/search".to_owned(),
        "/api/v1/subjects/lookup".to_owned(),
        "/api/v1/events/replay".to_owned(),
    ] {
        let answer = rest(begin(&conduit, &shop.token, &path, "{", 100));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(head.to_lowercase().contains("\r\nconnection: close"), "{path}: {head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&"body_timeout".into(), &408.into())
        );
    }
    assert_eq!(conduit.log_lines("body_timeout").len(), 7);

    // One that comes in parts is read as a whole, and the connection goes on.
    let mut stream = begin(&conduit, &shop.token, "/api/v1/subjects/lookup", "{", 2);
    write!(stream, "}}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = rest(stream);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("body_invalid"),
        "{answer}"
    );
    assert!(answer.contains("HTTP/1.1 200 ") && answer.contains("alive"), "{answer}");
    // Whoever may not call is told so at once, whatever comes.
    let mut stream = begin(&conduit, "wrong", "/api/v1/subjects/lookup", "{", 100);
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 401 "));
}

#[test]
fn the_same_over_http_2() {
    let secure = Secure::start(&[SHORT]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    let authorization = format!("Authorization: Bearer {}", shop.token);
    let url = format!("{}/api/v1/subjects/lookup", secure.conduit.url);
    // The body is what is written to its standard input, as it is written.
    let arguments = [
        "-H",
        &authorization,
        "-X",
        "POST",
        "-T",
        ".",
        "-w",
        "\n%{http_version} %{http_code}",
    ];
    let mut command = secure.curl_command(&[&["--http2", url.as_str()][..], &arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut body = child.stdin.take().unwrap();
    body.write_all(b"{").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(body);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("\n2 408") && text.contains("body_timeout"), "{text}");
}
