//! A connection by hand: requests that no client would send, or not to their end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use super::{Conduit, PATIENCE, Tenant};

pub struct Wire {
    stream: BufReader<TcpStream>,
}

/// An answer, as far as its length goes.
#[derive(Debug)]
pub struct WireAnswer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl WireAnswer {
    /// Returns the problem's code, or an empty text if the answer is no problem.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Wire {
    pub fn to(conduit: &Conduit) -> Self {
        let stream = TcpStream::connect(conduit.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Begins a request.
    pub fn begin(conduit: &Conduit, method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut wire = Self::to(conduit);
        assert!(wire.head(method, path, headers));
        wire
    }

    /// Sends the head of a request; whether it was taken.
    pub fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: conduit.example\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(format!("{head}\r\n").as_bytes())
    }

    /// Sends bytes; whether they were taken.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// Sends no more.
    pub fn end(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Reads the next answer. Returns `None` if the connection ends without one.
    pub fn try_answer(&mut self) -> Option<WireAnswer> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if !matches!(self.stream.read_line(&mut line), Ok(1..)) {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.parse().unwrap());
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).ok()?;
        Some(WireAnswer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            text: String::from_utf8(text).unwrap(),
            head,
        })
    }

    #[track_caller]
    pub fn answer(&mut self) -> WireAnswer {
        self.try_answer().expect("an answer")
    }

    /// Waits for the end of the connection.
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.stream.read_to_end(&mut rest);
    }
}

impl Tenant {
    /// Returns the target of an event, without scheme and authority.
    pub fn event_target(&self) -> String {
        format!(
            "/api/v1/integrations/custom/event?did={}&dpid={}",
            self.did, self.processor
        )
    }

    /// Begins to send an event of so many bytes.
    pub fn begin_event(&self, conduit: &Conduit, key: &str, length: usize) -> Wire {
        let length = length.to_string();
        let headers = [
            ("Authorization", key),
            ("X-Webhook-Secret", self.webhook_secret.as_str()),
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
        ];
        Wire::begin(conduit, "POST", &self.event_target(), &headers)
    }
}
