//! `[mappings]`: how many integrations a controller may have, and how large.

use serde::{Deserialize, Serialize};

/// `[mappings]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct MappingsConfig {
    pub max_integrations: usize,
    pub max_bytes: u64,
}

impl MappingsConfig {
    pub(super) fn check(&self, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range("mappings.max_integrations", self.max_integrations as u64, 0, 1_000_000);
        range("mappings.max_bytes", self.max_bytes, 0, 1 << 40);
    }
}
