//! `[receipts]`: signed proof that an event was received.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::receipts::{Issue, ReceiptKey};

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
    /// When the 200 carries a receipt.
    #[must_use]
    pub const fn issue(&self) -> Issue {
        match (self.enabled, self.on_request) {
            (false, _) => Issue::Never,
            (true, true) => Issue::OnRequest,
            (true, false) => Issue::Always,
        }
    }

    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        if !self.enabled || self.key_file.as_os_str().is_empty() {
            return;
        }
        let name = self.key_file.display();
        match std::fs::read(&self.key_file) {
            Ok(pem) => {
                if let Err(what) = ReceiptKey::from_pem(&pem) {
                    wrong.push(format!("receipts.key_file: {name} {what}"));
                }
            }
            Err(error) => wrong.push(format!("receipts.key_file: cannot read {name}: {error}")),
        }
    }
}
