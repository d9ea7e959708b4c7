//! Texts of strangers in the log, and their limits.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::common::{Conduit, PATIENCE};

/// Sends this, and reads until the server ends the connection.
fn stranger(conduit: &Conduit, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(conduit.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be ended before all is sent.
    let _ = stream.write_all(sent);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    answer
}

#[test]
fn no_stranger_raises_an_alarm_and_refusals_have_their_lines() {
    let conduit = Conduit::with(&[("CONDUIT_LOG", "info,conduit::http=debug")]);
    // The credentials that are made at the first start are warned of.
    let start = conduit.logs().len();
    let endless = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 300_000]].concat();
    for (sent, about) in [
        (b"\x16\x03\x01\x02\x00\x01\x00".as_slice(), "TLS"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", "a header without a colon"),
        (b"GET / HTTP/7.0\r\n\r\n", "another version"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "a length that is no number",
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "a chunk without a length",
        ),
        (&endless, "a head without an end"),
    ] {
        let before = conduit.log_lines("an HTTP/1.1 connection is ended").len();
        stranger(&conduit, sent);
        let lines = conduit.log_lines("an HTTP/1.1 connection is ended");
        assert!(lines.len() > before, "{about}: not even at debug");
        assert_eq!(lines[before]["level"], "DEBUG", "{about}");
    }
    let problem = conduit.get("/nowhere").expect(404).json();
    let refused = conduit.log_lines(problem["requestId"].as_str().unwrap());
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (refused[0]["level"].as_str(), refused[0]["fields"]["message"].as_str()),
        (Some("INFO"), Some("refused"))
    );
    let logs = conduit.logs().split_off(start);
    assert!(!logs.contains("\"ERROR\"") && !logs.contains("\"WARN\""), "{logs}");
}
