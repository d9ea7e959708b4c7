//! Files that settings name, read before anything is started.

use conduit_actors::taxonomy::Taxonomy;

use super::{StorageConfig, TaxonomyConfig};
use crate::files::read_text;
use crate::secrets;

impl TaxonomyConfig {
    /// Reads the categories: those of the file, or those that are built in.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self) -> Result<Taxonomy, String> {
        if self.file.as_os_str().is_empty() {
            return Ok(Taxonomy::bundled());
        }
        let name = self.file.display();
        let text = read_text(&self.file).map_err(|error| format!("taxonomy.file: cannot read {name}: {error}"))?;
        Taxonomy::parse(&text).map_err(|error| format!("taxonomy.file: {name}: {error}"))
    }
}

/// Notes what is wrong with the files. Nothing is made here.
pub(super) fn check(storage: &StorageConfig, taxonomy: &TaxonomyConfig, wrong: &mut Vec<String>) {
    wrong.extend(taxonomy.read().err());
    if !storage.master_key_file.as_os_str().is_empty()
        && let Err(error) = secrets::master_key(storage)
    {
        wrong.push(format!("storage.master_key_file: {error}"));
    }
    let dir = &storage.data_dir;
    let token = dir.join("admin.token");
    if storage.admin_token.is_empty()
        && let Some(fault) = read_text(&token)
            .ok()
            .and_then(|text| secrets::token_fault(text.trim()))
    {
        wrong.push(format!("{}: the operator's token {fault}", token.display()));
    }
    if dir.as_os_str().is_empty() {
        wrong.push("storage.data_dir must name a directory".to_owned());
    } else if dir.exists() && !dir.is_dir() {
        wrong.push(format!("storage.data_dir: {} is no directory", dir.display()));
    }
}

/// Notes what works, and protects nothing.
pub(super) fn warn(storage: &StorageConfig, warnings: &mut Vec<String>) {
    if secrets::is_master_key_guessable(storage) {
        warnings.push(
            "the master key is one byte 32 times: anybody can guess it. Use 32 random bytes, as from `openssl rand -hex 32`, \
             before the first start: it cannot be changed later"
                .to_owned(),
        );
    }
}
