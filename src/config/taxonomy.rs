//! `[taxonomy]`: the categories, from a file or built in.

use std::path::PathBuf;

use conduit_actors::taxonomy::Taxonomy;
use serde::{Deserialize, Serialize};

use super::text_file::read_text;

/// `[taxonomy]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Documented in config/default.toml.
pub struct TaxonomyConfig {
    pub file: PathBuf,
}

impl TaxonomyConfig {
    /// Reads the categories: those of the file, or the built-in ones.
    ///
    /// # Errors
    /// The fault of the file.
    pub fn read(&self) -> Result<Taxonomy, String> {
        if self.file.as_os_str().is_empty() {
            return Ok(Taxonomy::bundled());
        }
        let name = self.file.display();
        let text = read_text(&self.file).map_err(|error| format!("taxonomy.file: cannot read {name}: {error}"))?;
        Taxonomy::parse(&text).map_err(|error| format!("taxonomy.file: {name}: {error}"))
    }
}
