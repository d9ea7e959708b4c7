//! `[receipts]`: signed proof that an event was received.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// When the 200 carries a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    /// Never.
    Never,
    /// When the request says `Prefer: receipt` (RFC 7240).
    OnRequest,
    /// Always.
    Always,
}

/// `[receipts]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct ReceiptsConfig {
    pub enabled: bool,
    pub on_request: bool,
    pub key_file: PathBuf,
}

impl ReceiptsConfig {
    /// Returns when the 200 carries a receipt.
    #[must_use]
    pub const fn issue(&self) -> Issue {
        match (self.enabled, self.on_request) {
            (false, _) => Issue::Never,
            (true, true) => Issue::OnRequest,
            (true, false) => Issue::Always,
        }
    }
}
