//! `conduit receipt verify`: checks a receipt, and says what it attests.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use conduit_actors::receipt::{Hash, body_digest};
use serde_json::Value;

use super::client;
use super::output::say_line;
use crate::receipts::{KEYS_PATH, KeySet, kid, verify};

/// How long a server may take to give its keys.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Subcommand)]
pub(super) enum Receipt {
    /// Check that a receipt is genuine, and say what it attests; 1 if it is not.
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
    /// The receipt, or the whole answer that carried it; - for standard input.
    receipt: String,
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
        let receipt = self.receipt()?;
        let keys = self.keys().await?;
        let (stated, key) = match verify(&receipt, &keys) {
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
            hex(&stated.body_digest),
            kid(key),
        );
        Ok(fits)
    }

    fn receipt(&self) -> Result<String> {
        let mut text = self.receipt.clone();
        if text == "-" {
            text.clear();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
        }
        let text = text.trim();
        if !text.starts_with('{') {
            return Ok(text.to_owned());
        }
        let answer: Value = serde_json::from_str(text).context("this answer is not JSON")?;
        let receipt = answer["receipt"].as_str();
        receipt.map(str::to_owned).ok_or_else(|| {
            anyhow!("this answer carries no receipt: are they enabled, and was it asked for by `Prefer: receipt`?")
        })
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
        serde_json::from_slice(&text).with_context(|| format!("{name} holds no set of public keys"))
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

fn digest_of(file: &Path) -> Result<Hash> {
    let body = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(body_digest(&body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
