//! The schema's migrations, embedded in the program.
//!
//! The text and the name of each file in `migrations/` are part of the binary. `sqlx::migrate!` does the same with a
//! procedural macro, but that macro compiles the database drivers and the ciphers a second time, for the build machine.
//! A database keeps the version and the SHA-384 of every migration that it has run, so the tables here must agree with
//! the files: a test compares both.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// One file of `migrations/`: its name without the ending, and its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")))),*]
    };
}

const SQLITE: &[File] = files!("sqlite":
    "0001_init"
    "0002_replays"
    "0003_search"
    "0004_retention"
    "0005_credentials_and_limits"
    "0006_receipt_keys"
    "0007_outcome_history"
    "0008_events_by_type"
    "0009_kinds"
    "0011_retired_links"
    "0012_membership"
    "0013_other_people"
    "0015_attention"
    "0017_seals"
    "0018_seal_marks"
    "0019_late_indexes"
);

const POSTGRES: &[File] = files!("postgres":
    "0001_init"
    "0002_replays"
    "0003_search"
    "0004_retention"
    "0005_credentials_and_limits"
    "0006_receipt_keys"
    "0007_outcome_history"
    "0008_events_by_type"
    "0009_kinds"
    "0011_retired_links"
    "0012_membership"
    "0013_other_people"
    "0015_attention"
    "0017_seals"
    "0018_seal_marks"
    "0020_links_by_prefix"
);

/// Returns the migrations of the SQLite schema.
#[must_use]
pub fn sqlite() -> Migrator {
    migrator(SQLITE)
}

/// Returns the migrations of the PostgreSQL schema.
#[must_use]
pub fn postgres() -> Migrator {
    migrator(POSTGRES)
}

fn migrator(files: &[File]) -> Migrator {
    Migrator::with_migrations(files.iter().filter_map(migration).collect())
}

/// Returns `None` if the name is not a number, `_` and words. A test finds the file that is missing then.
fn migration((name, text): &File) -> Option<Migration> {
    let (version, words) = name.split_once('_')?;
    let (version, description) = (version.parse().ok()?, words.replace('_', " "));
    let in_transaction = !text.starts_with("-- no-transaction");
    Some(Migration::new(
        version,
        description.into(),
        MigrationType::Simple,
        text.into_sql_str(),
        !in_transaction,
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Compares the embedded migrations with those that sqlx itself reads from the folder.
    async fn agrees_with_files(embedded: Migrator, folder: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let files = Migrator::new(path).await.unwrap();
        let facts = |migrator: &Migrator| {
            let facts = migrator.iter().map(|migration| {
                (
                    migration.version,
                    migration.description.clone(),
                    migration.migration_type,
                    migration.checksum.clone(),
                    migration.no_tx,
                    migration.sql.as_str().to_owned(),
                )
            });
            facts.collect::<Vec<_>>()
        };
        assert!(!facts(&files).is_empty());
        assert_eq!(facts(&embedded), facts(&files), "{folder}");
    }

    #[actix_web::test]
    async fn every_migration_file_is_embedded_as_it_is() {
        agrees_with_files(sqlite(), "sqlite").await;
        agrees_with_files(postgres(), "postgres").await;
    }
}
