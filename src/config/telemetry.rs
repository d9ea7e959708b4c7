//! `[telemetry]`: traces for a collector.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::range;
use crate::tls::client::trusting;

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct TelemetryConfig {
    pub otlp_endpoint: String,
    pub otlp_ca_file: PathBuf,
    pub sampling_ratio: f64,
    pub service_name: String,
    pub queue_spans: usize,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TelemetryEndpoint {
    /// The address to post to.
    pub url: Url,
    /// Whom to trust; none: the public authorities.
    pub trust: Option<Arc<rustls::ClientConfig>>,
}

impl TelemetryConfig {
    /// Where to, if anywhere.
    ///
    /// # Errors
    /// What is wrong with the settings. The URL is not shown: it may have a password in it.
    pub fn endpoint(&self) -> Result<Option<TelemetryEndpoint>, String> {
        if self.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let base = format!("{}/v1/traces", self.otlp_endpoint.trim_end_matches('/'));
        let url = Url::parse(&base).ok().filter(|url| {
            let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
            ["http", "https"].contains(&url.scheme()) && url.has_host() && is_bare
        });
        let url =
            url.ok_or("telemetry.otlp_endpoint must be http://HOST:PORT or https://HOST:PORT, without a password")?;
        let named = !self.otlp_ca_file.as_os_str().is_empty();
        let trust = named.then(|| trusting(&self.otlp_ca_file)).transpose();
        let trust = trust.map_err(|error| format!("telemetry.otlp_ca_file: {error}"))?;
        Ok(Some(TelemetryEndpoint { url, trust }))
    }

    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        range(wrong, "telemetry.queue_spans", self.queue_spans as u64, 16, 1_000_000);
        if !(0.0..=1.0).contains(&self.sampling_ratio) {
            let ratio = self.sampling_ratio;
            wrong.push(format!("telemetry.sampling_ratio is {ratio}, but must be 0 to 1"));
        }
        wrong.extend(self.endpoint().err());
    }
}
