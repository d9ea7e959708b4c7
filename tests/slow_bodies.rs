//! Bodies of management calls that come late, or never.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;

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

/// Reads the answer up to the end of the connection.
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

    // A body in parts is read as a whole, and the connection stays open.
    let mut stream = begin(&conduit, &shop.token, "/api/v1/subjects/lookup", "{", 2);
    write!(stream, "}}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = rest(stream);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("body_invalid"),
        "{answer}"
    );
    assert!(answer.contains("HTTP/1.1 200 ") && answer.contains("alive"), "{answer}");
    // A caller without rights is told at once, with any body.
    let mut stream = begin(&conduit, "wrong", "/api/v1/subjects/lookup", "{", 100);
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 401 "));
}

#[test]
fn the_same_over_http_2() {
    let secure = Secure::start(&[SHORT]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(secure.http2()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (status, text) = runtime.unwrap().block_on(async {
        let stream = tokio::net::TcpStream::connect(secure.address()).await.unwrap();
        let stream = connector
            .connect("127.0.0.1".try_into().unwrap(), stream)
            .await
            .unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http1::Request::post("https://127.0.0.1/api/v1/subjects/lookup")
            .header("authorization", format!("Bearer {}", shop.token))
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"{"), false).unwrap();
        let mut answer = answer.await.unwrap();
        let mut text = Vec::new();
        while let Some(Ok(chunk)) = answer.body_mut().data().await {
            text.extend_from_slice(&chunk);
        }
        // The connection is good for other requests.
        let request = http1::Request::get("https://127.0.0.1/livez").body(()).unwrap();
        let (alive, _) = client.send_request(request, true).unwrap();
        assert_eq!(alive.await.unwrap().status(), 200);
        connection.abort();
        (answer.status(), String::from_utf8(text).unwrap())
    });
    assert_eq!(status, 408);
    assert!(text.contains("body_timeout"), "{text}");
}
