//! `conduit send`: sends events and prints each answer.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use awc::Client;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::output::{self, complain, say_line};

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
    /// A JSON object, a JSON array of objects, or one object a line; - for standard input.
    file: PathBuf,
}

/// What came of one event.
struct Sent {
    number: usize,
    accepted: bool,
    line: String,
}

impl Send {
    pub(super) async fn run(&self) -> Result<bool> {
        let events = self.read()?;
        anyhow::ensure!(!events.is_empty(), "{} holds no event", self.file.display());
        let client = super::client::with(Duration::from_secs(60), self.ca_file.as_deref())?;
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
        let reader: Box<dyn Read> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(&self.file).with_context(|| format!("cannot read {name}"))?)
        };
        read_events(BufReader::new(reader)).with_context(|| format!("cannot read {name}"))
    }

    async fn send(&self, client: &Client, number: usize, event: Vec<u8>) -> Sent {
        let key = self.api_key.trim();
        let key = key
            .get(..7)
            .filter(|start| start.eq_ignore_ascii_case("bearer "))
            .map_or(key, |_| &key[7..]);
        let request = client
            .post(&self.url)
            .insert_header(("authorization", format!("Bearer {key}")))
            .insert_header(("x-webhook-secret", self.secret.trim()))
            .insert_header(("content-type", "application/json"));
        let request = if self.receipts {
            request.insert_header(("prefer", "receipt"))
        } else {
            request
        };
        match request.send_body(event).await {
            Ok(mut answer) => {
                let body = answer.body().await.unwrap_or_default();
                let line = format!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(&body));
                Sent {
                    number,
                    accepted: answer.status().is_success(),
                    line,
                }
            }
            Err(error) => Sent {
                number,
                accepted: false,
                line: format!("not sent: {}", super::client::explained(&error)),
            },
        }
    }
}

/// An array is taken apart; anything else is taken line by line, unless it is one object over many lines.
fn read_events(mut reader: impl BufRead) -> Result<Vec<Vec<u8>>> {
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(events)) => Ok(events.iter().map(|event| event.to_string().into_bytes()).collect()),
        Ok(_) => Ok(vec![text.trim().as_bytes().to_vec()]),
        Err(_) => Ok(text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.as_bytes().to_vec())
            .collect()),
    }
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
    fn events_are_read_in_all_three_forms() {
        let count = |text: &str| read_events(text.as_bytes()).unwrap().len();
        assert_eq!(count("{\"event\":\n \"a\"}"), 1);
        assert_eq!(count("[{\"event\":\"a\"},{}]"), 2);
        assert_eq!(count("{\"event\":\"a\"}\n\n{\"event\":\"b\"}\nnot json\n"), 3);
        assert_eq!(count(" \n"), 0);
    }
}
