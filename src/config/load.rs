//! The configuration as it is loaded, and as it is shown.

use std::path::{Path, PathBuf};

use super::DEFAULTS;
use super::check::Check;
use super::database::{self, Database, REDACTED, is_postgres, without_password};
use super::environment::Variables;
use super::error::ConfigError;
use super::layers::Layers;
use super::redis::redacted;
use super::sections::Config;

impl Config {
    /// Reads the configuration: defaults, then `file` (or the one that `CONDUIT_CONFIG` names), then the environment.
    /// Runs `checks` after those of this module. Returns warnings with it, about settings without effect, or with an
    /// unexpected one.
    ///
    /// # Errors
    /// [`ConfigError`], naming each key and its origin.
    pub fn load(file: Option<&Path>, checks: &[Check]) -> Result<(Self, Vec<String>), ConfigError> {
        let variables = Variables::of_process();
        let mut layers = Layers::over(DEFAULTS)?;
        if let Some(path) = file.or_else(|| variables.config_file()) {
            layers.file(path);
        }
        variables.add_to(&mut layers);
        let (config, mut warnings) = layers.finish()?;
        config.check(checks)?;
        warnings.extend(config.warnings());
        Ok((config, warnings))
    }

    /// Returns the settings in force, as TOML, without credentials.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = self.clone();
        if !shown.storage.admin_token.is_empty() {
            shown.storage.admin_token = REDACTED.to_owned();
        }
        shown.storage.database_url = without_password(&shown.storage.database_url);
        shown.dedup.redis_url = redacted(&shown.dedup.redis_url);
        toml::to_string_pretty(&shown).unwrap_or_else(|error| format!("# {error}"))
    }

    /// Returns the database to use.
    #[must_use]
    pub fn database(&self) -> Database {
        let url = self.storage.database_url.as_str();
        if is_postgres(url) {
            return Database::Postgres(url.to_owned());
        }
        let path = database::sqlite_path(url);
        Database::Sqlite(if path.is_empty() {
            self.storage.data_dir.join("conduit.db")
        } else {
            PathBuf::from(path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Config {
        toml::from_str(DEFAULTS).unwrap()
    }

    #[test]
    fn credentials_are_not_shown() {
        let mut config = defaults();
        config.storage.admin_token = "0123456789abcdef".to_owned();
        config.storage.database_url =
            "postgresql://conduit:s3cret%2F@db.example:5432/conduit?sslmode=require&password=s3cret".to_owned();
        config.dedup.redis_url = "redis://conduit:hunter2@localhost".to_owned();
        let shown = config.shown();
        assert!(
            !shown.contains("0123456789abcdef") && !shown.contains("s3cret") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert!(shown.contains("db.example:5432/conduit?sslmode=require"), "{shown}");
        config.check(&[]).unwrap();
        for wrong in [
            "mysql://s3cret@db.example",
            "postgres://conduit:s3cret@db.example:port/x",
        ] {
            config.storage.database_url = wrong.to_owned();
            let text = config.check(&[]).unwrap_err().to_string();
            assert!(!text.contains("s3cret"), "{text}");
            assert!(!config.shown().contains(":s3cret"));
        }
    }

    #[test]
    fn the_database_is_chosen_by_its_url() {
        let mut config = defaults();
        config.storage.data_dir = "/d".into();
        let mut chosen = |url: &str| {
            config.storage.database_url = url.to_owned();
            config.database()
        };
        assert_eq!(chosen(""), Database::Sqlite("/d/conduit.db".into()));
        assert_eq!(chosen("sqlite:///var/c.db"), Database::Sqlite("/var/c.db".into()));
        let url = "postgres://db.example/conduit";
        assert_eq!(chosen(url), Database::Postgres(url.to_owned()));
    }
}
