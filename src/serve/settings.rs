//! The settings as a whole: read by `config`, and checked by each module that uses them.
//!
//! Files that settings name are read here, so that `conduit config check` and a start find the same faults.

use std::path::Path;

use crate::config::{Check, Config, ConfigError};
use crate::{dedup, logging, receipts, secrets, store, telemetry, tls};

const CHECKS: [Check; 7] = [
    tls::check,
    receipts::check,
    telemetry::check,
    dedup::check,
    logging::check,
    store::check_address,
    secrets::check,
];

/// Reads the configuration: defaults, then `file` (or the one that `CONDUIT_CONFIG` names), then the environment.
/// Returns warnings with it, about settings without effect, or with an unexpected one.
///
/// # Errors
/// [`ConfigError`], naming each key and its origin.
pub fn load(file: Option<&Path>) -> Result<(Config, Vec<String>), ConfigError> {
    let (config, mut warnings) = Config::load(file, &CHECKS)?;
    secrets::warn(&config, &mut warnings);
    Ok((config, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn a_fault_that_only_its_module_can_judge_is_named() {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        config.check(&CHECKS).unwrap();
        config.dedup.redis_url = "http://:hunter2@localhost".to_owned();
        config.telemetry.otlp_endpoint = "collector".to_owned();
        config.logging.filter = "warning".to_owned();
        config.storage.admin_token = "0123456789abcdef\n".to_owned();
        config.storage.database_url = "postgresql://db.example/x?sslrootcert=/missing.pem".to_owned();
        config.server.tls_cert = "/missing.pem".into();
        config.server.tls_key = "/missing.pem".into();
        config.receipts.key_file = "/missing.pem".into();
        let text = config.check(&CHECKS).unwrap_err().to_string();
        for key in [
            "dedup.redis_url",
            "telemetry.otlp_endpoint",
            "logging.filter",
            "storage.admin_token",
            "storage.database_url",
            "server.tls_cert",
            "receipts.key_file",
        ] {
            assert!(text.contains(key), "{key}: {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}
