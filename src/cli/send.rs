//! `conduit send`: sends events and prints each answer.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use awc::Client;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::value::RawValue;

use super::client::{self, Webhook};
use super::output::{self, complain, say_line};
use crate::config::text_file;

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Send {
    /// The integration's webhookUrl.
    #[arg(long)]
    url: String,
    /// The API key; the Bearer of webhookAuth may stay in front.
    #[arg(long, env = "CONDUIT_SEND_API_KEY", hide_env_values = true)]
    api_key: String,
    /// The controller's webhook secret.
    #[arg(long, env = "CONDUIT_SEND_SECRET", hide_env_values = true)]
    secret: String,
    /// File with the authorities (PEM) that may have issued the server's certificate, in place of the public ones.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask for signed receipts: answers that are printed have them.
    #[arg(long)]
    receipts: bool,
    /// Requests under way at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// A JSON array of objects, or objects one after the other; each is sent unchanged. - for standard input.
    file: PathBuf,
}

/// The result for one event.
struct Attempt {
    number: usize,
    accepted: bool,
    line: String,
}

impl Send {
    pub(super) async fn run(&self) -> Result<bool> {
        let events = self.read()?;
        anyhow::ensure!(!events.is_empty(), "{} holds no event", self.file.display());
        let client = client::with(Duration::from_secs(60), self.ca_file.as_deref())?;
        let total = events.len();
        let progress = total > 20 && std::io::stderr().is_terminal();
        let numbered = events.into_iter().enumerate().map(|(index, event)| (index + 1, event));
        let mut answers = stream::iter(numbered)
            .map(|(number, event)| self.send(&client, number, event))
            .buffered(usize::from(self.concurrency));
        let (mut done, mut accepted) = (0, 0);
        while let Some(sent) = answers.next().await {
            done += 1;
            accepted += usize::from(sent.accepted);
            say_line!("{}\t{}", sent.number, sent.line);
            if progress && (done % 50 == 0 || done == total) {
                show_progress(done, total);
            }
        }
        say_line!("{accepted} of {total} accepted");
        Ok(accepted == total)
    }

    fn read(&self) -> Result<Vec<Vec<u8>>> {
        let name = self.file.display();
        let mut contents = Vec::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().read_to_end(&mut contents)
        } else {
            File::open(&self.file).and_then(|mut file| file.read_to_end(&mut contents))
        };
        read.with_context(|| format!("cannot read {name}"))?;
        anyhow::ensure!(
            !text_file::is_utf16(&contents),
            "cannot read {name}: it is UTF-16: save it as UTF-8"
        );
        Ok(events_in(text_file::without_mark(&contents)))
    }

    async fn send(&self, client: &Client, number: usize, event: Vec<u8>) -> Attempt {
        let request = Webhook::new(&self.url, &self.api_key, &self.secret).request(client);
        let request = if self.receipts {
            request.insert_header(("prefer", "receipt"))
        } else {
            request
        };
        match request.send_body(event).await {
            Ok(mut answer) => {
                let body = answer.body().await.unwrap_or_default();
                let line = format!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(&body));
                Attempt {
                    number,
                    accepted: answer.status().is_success(),
                    line,
                }
            }
            Err(error) => Attempt {
                number,
                accepted: false,
                line: format!("not sent: {}", client::explained(&error)),
            },
        }
    }
}

/// Takes a file apart: the elements of an array, or JSON values one after the other, however many lines each has. If it is
/// neither, each line is an event. An event is sent as its bytes are: nothing is rounded, and nothing is left out.
fn events_in(text: &[u8]) -> Vec<Vec<u8>> {
    let own = |event: &RawValue| event.get().as_bytes().to_vec();
    if let Ok(events) = serde_json::from_slice::<Vec<&RawValue>>(text) {
        return events.into_iter().map(own).collect();
    }
    let values: Result<Vec<&RawValue>, _> = serde_json::Deserializer::from_slice(text).into_iter().collect();
    values.map_or_else(
        |_| {
            let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
        },
        |values| values.into_iter().map(own).collect(),
    )
}

fn show_progress(done: usize, total: usize) {
    const WIDTH: usize = 30;
    let filled = WIDTH * done / total;
    let bar = format!(
        "\r[{}{}] {done}/{total}",
        "#".repeat(filled),
        " ".repeat(WIDTH - filled)
    );
    if done == total {
        complain!("{bar}");
    } else {
        output::write_error(format_args!("{bar}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_all_forms() {
        let count = |text: &str| events_in(text.as_bytes()).len();
        assert_eq!(count("{\"event\":\n \"a\"}"), 1);
        assert_eq!(count("[{\"event\":\"a\"},{}]"), 2);
        assert_eq!(count("{\"event\":\"a\"}\n\n{\"event\":\"b\"}\nnot json\n"), 3);
        assert_eq!(count("{\n  \"event\": \"a\"\n}\n{\n  \"event\": \"b\"\n}\n"), 2);
        assert_eq!(count(" \n"), 0);
        assert_eq!(count("[]"), 0);
    }

    #[test]
    fn each_event_is_sent_as_its_bytes_are() {
        let events = [
            r#"{"id":12345678901234567890123,"n":1.0,"e":1e400,"z":1.10,"b":2,"a":1}"#,
            r#"{ "a" : 1,  "a":2, "text":"\ud800 \u00e4 ä" }"#,
            "{}",
        ];
        for text in [
            format!("[ {} ]", events.join(" ,\n")),
            events.join("\n"),
            events.join(" \r\n\r\n") + "\r\n",
        ] {
            let read = events_in(text.as_bytes());
            let read: Vec<&str> = read.iter().map(|event| std::str::from_utf8(event).unwrap()).collect();
            assert_eq!(read, events, "{text}");
        }
        // The server refuses text that is no JSON.
        assert_eq!(events_in(b"{\"a\":\"\xff\"}\r\n"), [b"{\"a\":\"\xff\"}"]);
    }
}
