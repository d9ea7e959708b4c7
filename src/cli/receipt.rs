//! `conduit receipt verify`: checks receipts, and prints their statements.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use conduit_actors::hex::Hex;
use conduit_actors::receipt::{Hash, body_digest};
use serde_json::Value;

use super::client;
use super::output::say_line;
use super::usage::Usage;
use crate::config::text_file::{read_text, text, without_mark};
use crate::receipts::{KEYS_PATH, KeySet, kid, verify};

/// How long a server may take to give its keys.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Subcommand)]
pub(super) enum Receipt {
    /// Check that a receipt is genuine, and print its statement; 1 if it is not.
    Verify(Verify),
}

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    keys: Keys,
    /// With --url: file with the authorities (PEM) that may have issued the server's certificate.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// The body that was sent, byte for byte: to see that it is the one that was received.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The receipt, the answer that carried it, or a file with either, such as what `conduit send --receipts` printed; - for
    /// standard input. Left out, it is standard input, if that is no terminal.
    receipt: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Keys {
    /// File with the public keys, as the server gives them at /.well-known/conduit-receipt-keys.json.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Base URL of a server, to fetch them from: https://HOST.
    #[arg(long)]
    url: Option<String>,
}

impl Receipt {
    pub(super) async fn run(&self) -> Result<bool> {
        match self {
            Self::Verify(verify) => verify.run().await,
        }
    }
}

impl Verify {
    async fn run(&self) -> Result<bool> {
        let receipts = self.receipts()?;
        let keys = self.keys().await?;
        if let [receipt] = &receipts[..] {
            return self.say(receipt, &keys);
        }
        if self.body.is_some() {
            let text = format!(
                "--body is the body of one event, but there are {} receipts",
                receipts.len()
            );
            return Err(Usage(text).into());
        }
        let mut genuine = 0;
        for receipt in &receipts {
            genuine += usize::from(self.say(receipt, &keys)?);
        }
        say_line!("{genuine} of {} receipts are genuine.", receipts.len());
        Ok(genuine == receipts.len())
    }

    /// Prints whether a receipt is genuine, and its statement.
    fn say(&self, receipt: &str, keys: &KeySet) -> Result<bool> {
        let (stated, key) = match verify(receipt, keys) {
            Ok(verified) => verified,
            Err(not_genuine) => {
                say_line!("The receipt is NOT genuine: {not_genuine}.");
                return Ok(false);
            }
        };
        let found = self.body.as_deref().map(digest_of).transpose()?;
        let (fits, body) = match found {
            None => (true, "not compared; name the file with it by --body"),
            Some(found) if found == stated.body_digest => (true, "that of the file"),
            Some(_) => (false, "NOT that of the file"),
        };
        say_line!(
            "The receipt is genuine. It attests that this event was received and made durable:\n\
             \x20 event            {}\n  received at      {}\n  data controller  {}\n  data processor   {}\n\
             \x20 mapping version  {}\n  body             SHA-256 {}, {body}\n  signed with      key {}",
            stated.event,
            stated.event.received_at(),
            stated.did.as_str(),
            stated.processor.as_str(),
            stated.mapping_version,
            Hex(&stated.body_digest),
            kid(key),
        );
        Ok(fits)
    }

    /// Returns the receipts that the argument has or names, one at least.
    fn receipts(&self) -> Result<Vec<String>> {
        let argument = match &self.receipt {
            Some(argument) => argument.trim(),
            None if std::io::stdin().is_terminal() => {
                return Err(Usage("name a receipt, a file with one, or - for standard input".to_owned()).into());
            }
            None => "-",
        };
        let (name, text) = if argument == "-" {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.context("cannot read standard input")?;
            ("standard input", text(bytes).context("cannot read standard input")?)
        } else if argument.starts_with(['{', '[', '"']) || looks_like_receipt(argument) {
            ("the argument", argument.to_owned())
        } else {
            let wrong = |error: std::io::Error| {
                Usage(format!(
                    "{argument} is neither a receipt (cr2.…) nor a file with one: {error}"
                ))
            };
            (argument, read_text(Path::new(argument)).map_err(wrong)?)
        };
        receipts_in(&text).map_err(|what| Usage(format!("{name} {what}")).into())
    }

    async fn keys(&self) -> Result<KeySet> {
        let (name, text) = match (&self.keys.keys, &self.keys.url) {
            (Some(file), _) => {
                let name = file.display().to_string();
                let text = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
                (name, text)
            }
            (None, Some(base)) => {
                let url = format!("{}{KEYS_PATH}", base.trim_end_matches('/'));
                let text = self.fetch(&url).await.with_context(|| format!("cannot fetch {url}"))?;
                (url, text)
            }
            (None, None) => return Err(Error::msg("name the public keys, by --keys or --url")),
        };
        serde_json::from_slice(without_mark(&text)).with_context(|| format!("{name} holds no set of public keys"))
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>> {
        let client = client::with(PATIENCE, self.ca_file.as_deref())?;
        let answer = client.get(url).send().await;
        let mut answer = answer.map_err(|error| anyhow!(client::explained(&error)))?;
        ensure!(answer.status().is_success(), "it answers {}", answer.status());
        let body = answer.body().await;
        body.map(|body| body.to_vec()).map_err(|error| anyhow!("{error}"))
    }
}

/// Returns whether a text could be a receipt of any form, and could hardly be the name of a file.
fn looks_like_receipt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_form = parts[0]
        .strip_prefix("cr")
        .is_some_and(|number| number.parse::<u32>().is_ok());
    is_form && parts.len() > 2 && !Path::new(text).is_file()
}

/// Finds the receipts in a text: the text itself, the JSON of an answer, or lines that end with either.
///
/// # Errors
/// The kind of the text, if it has no receipt.
fn receipts_in(text: &str) -> Result<Vec<String>, &'static str> {
    const NONE: &str = "carries no receipt: are they enabled, and was it asked for by `Prefer: receipt`?";
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    let mut found = Vec::new();
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        collect(&json, &mut found);
    } else if !text.contains(char::is_whitespace) {
        // The argument is meant as a receipt, with any content.
        found.push(text.to_owned());
    } else {
        // An answer with its head, or sent lines: the text behind the JSON of each does not matter.
        for line in text.lines().map(str::trim) {
            let json = line
                .find('{')
                .and_then(|start| serde_json::from_str::<Value>(&line[start..]).ok());
            match json {
                Some(json) => collect(&json, &mut found),
                None => found.extend(
                    line.split_whitespace()
                        .filter(|word| looks_like_receipt(word))
                        .map(str::to_owned),
                ),
            }
        }
        // JSON over many lines, behind a head.
        if found.is_empty()
            && let Some(start) = text.find('{')
            && let Ok(json) = serde_json::from_str::<Value>(&text[start..])
        {
            collect(&json, &mut found);
        }
    }
    if found.is_empty() { Err(NONE) } else { Ok(found) }
}

/// Collects receipts out of an answer, several of them, or a receipt that is a text of JSON.
fn collect(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::String(receipt) => found.push(receipt.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(answer) => found.extend(answer.get("receipt").and_then(Value::as_str).map(str::to_owned)),
        _ => {}
    }
}

fn digest_of(file: &Path) -> Result<Hash> {
    let body = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(body_digest(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_in_all_that_carries_them() {
        let answer = r#"{"status":"accepted","eventId":"x","receipt":"cr2.a.b.c"}"#;
        let pretty = "{\n  \"status\": \"accepted\",\n  \"receipt\": \"cr2.a.b.c\"\n}\n";
        for (text, count) in [
            ("cr2.a.b.c\n", 1),
            (answer, 1),
            (pretty, 1),
            ("\"cr2.a.b.c\"", 1),
            (&format!("[{answer}, {answer}]"), 2),
            (
                &format!("1\t200 {answer}\n2\t200 {answer}\n3\tnot sent: refused\n2 of 3 accepted\n"),
                2,
            ),
            (&format!("{answer}\n{answer}\n"), 2),
            ("cr2.a.b.c\ncr2.a.b.c\n", 2),
            (
                &format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{answer}"),
                1,
            ),
            (&format!("HTTP/1.1 200 OK\r\n\r\n{pretty}"), 1),
        ] {
            let found = receipts_in(text).unwrap();
            assert_eq!(found.len(), count, "{text}");
            assert!(found.iter().all(|receipt| receipt == "cr2.a.b.c"), "{found:?}");
        }
        for (text, expected) in [
            (" \n", "empty"),
            (r#"{"status":"accepted"}"#, "no receipt"),
            ("7", "no receipt"),
            ("a b\nc", "no receipt"),
        ] {
            assert!(receipts_in(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
