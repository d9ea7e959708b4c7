//! A client of the management API.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use awc::Client;
use awc::http::Method;
use serde_json::Value;
use url::Url;

use crate::cli::usage::Usage;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and by which right.
pub(in crate::cli) struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    /// Takes a server's address and a token as they are.
    pub(in crate::cli) fn new(base: &str, token: &str) -> Self {
        Self {
            client: Client::builder().timeout(PATIENCE).finish(),
            base: base.trim_end_matches('/').to_owned(),
            token: token.trim().to_owned(),
        }
    }

    /// Takes the arguments `--url` and `--token`.
    ///
    /// # Errors
    /// [`Usage`]: one of them is invalid.
    pub(in crate::cli) fn of_arguments(url: &str, token: &str) -> Result<Self, Usage> {
        let api = Self::new(url, token);
        let parsed = Url::parse(&api.base).ok();
        if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(Usage(format!(
                "--url {url:?} must be the server's address, as http://127.0.0.1:8080"
            )));
        }
        if api.token.is_empty() || !api.token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Usage(
                "--token must be the operator's or a controller's token".to_owned(),
            ));
        }
        Ok(api)
    }

    /// Returns the same server for another token.
    pub(in crate::cli) fn with_token(&self, token: &str) -> Self {
        Self {
            client: self.client.clone(),
            base: self.base.clone(),
            token: token.to_owned(),
        }
    }

    pub(in crate::cli) fn base(&self) -> &str {
        &self.base
    }

    pub(in crate::cli) fn token(&self) -> &str {
        &self.token
    }

    /// Calls the server. An answer that is no success is an error that says why.
    pub(in crate::cli) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let what = format!("{method} {}{path}", self.base);
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .insert_header(("authorization", format!("Bearer {}", self.token)));
        let sent = match body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        };
        // The client's errors may not be sent between threads, which anyhow asks for.
        let mut answer = sent.map_err(|error| anyhow::anyhow!("{what}: no answer: {error}"))?;
        let text = answer.body().limit(MAX_ANSWER_BYTES).await;
        let text = text.map_err(|error| anyhow::anyhow!("{what}: {error}"))?;
        if answer.status().is_success() {
            if text.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&text).with_context(|| format!("{what}: the answer is not JSON"));
        }
        bail!("{what}: {} {}", answer.status().as_u16(), problem(&text))
    }

    /// Reads the text at the address itself.
    pub(in crate::cli) async fn text(&self) -> Result<String> {
        let request = self.client.get(&self.base);
        let request = request.insert_header(("authorization", format!("Bearer {}", self.token)));
        let sent = request.send().await;
        let mut answer = sent.map_err(|error| anyhow::anyhow!("GET {}: no answer: {error}", self.base))?;
        let text = answer.body().limit(MAX_ANSWER_BYTES).await;
        let text = text.map_err(|error| anyhow::anyhow!("GET {}: {error}", self.base))?;
        if !answer.status().is_success() {
            bail!("GET {}: {}", self.base, answer.status());
        }
        String::from_utf8(text.to_vec()).with_context(|| format!("GET {}: the answer is not text", self.base))
    }

    /// Reads all pages of a list. The path has a query already.
    pub(in crate::cli) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self
                .call(Method::GET, &format!("{path}limit=200{cursor}"), None)
                .await?;
            match page["items"].take() {
                Value::Array(items) => all.extend(items),
                _ => bail!("{}{path}: the answer is no list: is this Conduit?", self.base),
            }
            match page["nextCursor"].as_str() {
                Some(next) => {
                    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                    cursor = format!("&cursor={next}");
                }
                None => return Ok(all),
            }
        }
    }

    /// Returns the categories of personal data that the server knows.
    pub(in crate::cli) async fn categories(&self) -> Result<HashSet<String>> {
        let taxonomy = self.call(Method::GET, "/api/v1/taxonomy", None).await?;
        let items = taxonomy["items"].as_array().into_iter().flatten();
        let names = items.filter_map(|item| item["category"].as_str());
        Ok(names.map(ToOwned::to_owned).collect())
    }
}

/// Calls a server from a thread that runs nothing else: a GET or, with a body, a POST.
///
/// # Errors
/// There is no answer, or one that is no success.
pub(in crate::cli) fn call(base: &str, token: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    actix_web::rt::System::new().block_on(async { Api::new(base, token).call(method, path, body).await })
}

/// Returns a text of an answer.
///
/// # Errors
/// The answer does not have it.
pub(in crate::cli) fn member(answer: &Value, name: &str) -> Result<String> {
    answer[name]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {name}"))
}

/// Returns the text of a problem (RFC 9457) on a line, and a line for each of its errors.
fn problem(text: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(text) else {
        return String::from_utf8_lossy(text).chars().take(400).collect();
    };
    let part = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut shown = format!("{}: {}", part(&problem, "code"), part(&problem, "detail"));
    for error in problem["errors"].as_array().into_iter().flatten() {
        shown += &format!("\n  {} {}", part(error, "pointer"), part(error, "message"));
    }
    shown
}
