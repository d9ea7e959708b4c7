//! `[telemetry]`: traces for a collector.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::range::range;

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

impl TelemetryConfig {
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        range(wrong, "telemetry.queue_spans", self.queue_spans as u64, 16, 1_000_000);
        if !(0.0..=1.0).contains(&self.sampling_ratio) {
            let ratio = self.sampling_ratio;
            wrong.push(format!("telemetry.sampling_ratio is {ratio}, but must be 0 to 1"));
        }
    }
}
