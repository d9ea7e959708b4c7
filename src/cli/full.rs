//! A start that finds no room on a disk: which directory it is, and what to do.

use std::path::Path;

use anyhow::Error;

use crate::config::{Config, Database};

/// How the system says it, and SQLite.
const SYSTEM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
const SQLITE: &str = "database or disk is full";

/// Adds to an error of a start which disk is full, if that is the cause.
pub(super) fn explained(error: Error, config: &Config) -> Error {
    let text = format!("{error:#}");
    let dir = match config.database() {
        Database::Sqlite(path) if text.contains(SQLITE) => path.parent().map(Path::to_owned),
        _ if SYSTEM.iter().any(|full| text.contains(full)) => Some(config.storage.data_dir.clone()),
        _ => None,
    };
    let Some(dir) = dir else {
        return error;
    };
    let advice = format!(
        "the disk of {} is full, and a start needs some room: make room there, then start again. Nothing is lost that was accepted",
        dir.display()
    );
    error.context(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        let mut config = crate::serve::settings::load(None).unwrap().0;
        config.storage.data_dir = "/data".into();
        config.storage.database_url = "sqlite:///elsewhere/conduit.db".to_owned();
        let text = |what: &'static str| format!("{:#}", explained(Error::msg(what), &config));
        assert!(text("cannot write x: No space left on device (os error 28)").starts_with("the disk of /data is full"));
        assert!(text("(code: 13) database or disk is full").starts_with("the disk of /elsewhere is full"));
        assert_eq!(text("anything"), "anything");
    }
}
