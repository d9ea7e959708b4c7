//! The collector: where it is, and whom to trust in it.

use std::sync::Arc;

use url::Url;

use crate::config::{Config, TelemetryConfig};
use crate::tls::client::trusting;

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TelemetryEndpoint {
    /// The address to post to.
    pub url: Url,
    /// Whom to trust; none: the public authorities.
    pub trust: Option<Arc<rustls::ClientConfig>>,
}

impl TelemetryConfig {
    /// Returns the endpoint of traces. Returns `None` without one.
    ///
    /// # Errors
    /// The fault of the settings, without the URL, which may contain a password.
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
}

/// Notes the faults of the collector's address or its authorities.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    wrong.extend(config.telemetry.endpoint().err());
}
