//! One connection of a sender. Without TLS it speaks HTTP/1.1 itself, which costs less than a client for everything, so
//! that more of the machine is left for the server.

use std::io;
use std::time::Duration;

use awc::{Client, Connector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::super::client::Webhook;

/// Longer than a server should ever take.
const TIMEOUT: Duration = Duration::from_secs(60);

const MOST_HEADERS: usize = 64;
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// An answer to an event.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A connection, which is opened again when it is lost.
pub(super) enum Wire {
    Plain(Plain),
    /// Over TLS.
    Secure(Client),
}

/// A connection without TLS.
pub(super) struct Plain {
    stream: Option<TcpStream>,
    /// The request, then the answer.
    buffer: Vec<u8>,
}

/// The end of an answer's body, and whether another request may follow.
struct Head {
    status: u16,
    body_from: usize,
    body_bytes: usize,
    is_kept: bool,
}

impl Wire {
    /// Creates a connection to the server of a webhook.
    pub(super) fn to(webhook: &Webhook) -> Self {
        if webhook.url().starts_with("http://") {
            return Self::Plain(Plain {
                stream: None,
                buffer: Vec::new(),
            });
        }
        let connector = Connector::new().limit(1).conn_keep_alive(TIMEOUT).timeout(TIMEOUT);
        let client = Client::builder()
            .connector(connector)
            .timeout(TIMEOUT)
            .disable_redirects();
        Self::Secure(client.finish())
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The reason why there is no answer.
    pub(super) async fn send(&mut self, webhook: &Webhook, event: String) -> Result<Answer, String> {
        match self {
            Self::Plain(plain) => {
                let sent = tokio::time::timeout(TIMEOUT, plain.send(webhook, &event)).await;
                let answer = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                answer.map_err(|error| {
                    plain.stream = None;
                    error.to_string()
                })
            }
            Self::Secure(client) => {
                let sent = webhook.request(client).send_body(event).await;
                let mut answer = sent.map_err(|error| error.to_string())?;
                let body = answer.body().await.unwrap_or_default().to_vec();
                let status = answer.status().as_u16();
                Ok(Answer { status, body })
            }
        }
    }
}

impl Plain {
    async fn send(&mut self, webhook: &Webhook, event: &str) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(webhook.url()).await?,
        };
        write_request(&mut self.buffer, webhook, event);
        stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        let head = loop {
            read(&mut stream, &mut self.buffer).await?;
            if let Some(head) = parse(&self.buffer)? {
                break head;
            }
        };
        let end = head.body_from + head.body_bytes;
        while self.buffer.len() < end {
            read(&mut stream, &mut self.buffer).await?;
        }
        if head.is_kept {
            self.stream = Some(stream);
        }
        Ok(Answer {
            status: head.status,
            body: self.buffer[head.body_from..end].to_vec(),
        })
    }
}

async fn connect(url: &str) -> io::Result<TcpStream> {
    let url: Url = url.parse().map_err(io::Error::other)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.len() > MAX_ANSWER_BYTES {
        return Err(io::Error::other("the answer is too long"));
    }
    match stream.read_buf(buffer).await? {
        0 => Err(io::Error::other("the server closed the connection")),
        _ => Ok(()),
    }
}

fn write_request(buffer: &mut Vec<u8>, webhook: &Webhook, event: &str) {
    let (host, path) = split(webhook.url());
    let length = event.len().to_string();
    buffer.clear();
    for part in [
        "POST ",
        path,
        " HTTP/1.1\r\nhost: ",
        host,
        "\r\nauthorization: ",
        webhook.authorization(),
        "\r\nx-webhook-secret: ",
        webhook.secret(),
        "\r\ncontent-type: application/json\r\ncontent-length: ",
        &length,
        "\r\n\r\n",
        event,
    ] {
        buffer.extend_from_slice(part.as_bytes());
    }
}

/// Returns the authority of a URL, and its path with its query.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// Returns the head of an answer. Returns `None` if its end is not there yet.
fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_from) = answer.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let header = |name: &str| {
        let header = answer
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = header("content-length").and_then(|length| length.trim().parse().ok());
    let says_close = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head {
        status: answer.code.unwrap_or(0),
        body_from,
        // A body of unknown length, as a proxy may send it, is left unread together with its connection.
        body_bytes: length.unwrap_or(0).min(MAX_ANSWER_BYTES),
        is_kept: length.is_some() && !says_close,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_path_the_credentials_and_the_event() {
        let webhook = Webhook::new("http://h.example:81/base/event?did=d&dpid=p", "key", "secret");
        let mut buffer = b"rest".to_vec();
        write_request(&mut buffer, &webhook, "{}");
        let text = String::from_utf8(buffer).unwrap();
        assert_eq!(
            text,
            "POST /base/event?did=d&dpid=p HTTP/1.1\r\nhost: h.example:81\r\nauthorization: Bearer key\r\n\
             x-webhook-secret: secret\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
        assert_eq!(split("http://h.example"), ("h.example", "/"));
    }

    #[test]
    fn the_end_of_an_answer_is_known() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert!(parse(&text[..20]).unwrap().is_none());
        let head = parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.is_kept), (200, 5, true));
        assert_eq!(&text[head.body_from..], b"hello");
        let closed = b"HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(!parse(closed).unwrap().unwrap().is_kept);
        let chunked = b"HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let head = parse(chunked).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.is_kept), (503, 0, false));
        assert!(parse(b"nonsense\r\n\r\n").is_err());
    }
}
