//! The configuration: defaults, file, environment, in this order; checked as a whole.
//!
//! `config/default.toml` documents every key. Unknown keys are errors. Each value is read as the kind that its default is.
//! Files that settings name are read here, so that `conduit config check` and a start find the same faults.

mod categories;
mod dashboard;
mod database;
pub(crate) mod environment;
mod files;
mod layers;
mod limits;
mod mappings;
mod network;
mod receipts;
mod reference;
mod replay;
mod retention;
mod server;
mod suggest;
mod telemetry;
mod value;

use std::path::{Path, PathBuf};

use conduit_actors::limits::Limits;
use serde::{Deserialize, Serialize};

use self::environment::Variables;
use self::layers::Layers;
use crate::dedup::{RedisServer, redacted};
use crate::tls::authorities;
pub use categories::categories;
pub use dashboard::DashboardConfig;
pub use database::Database;
pub(crate) use database::{connect_options, escape_fault};
use database::{is_postgres, without_password};
pub use mappings::MappingsConfig;
pub use network::Network;
pub use receipts::ReceiptsConfig;
pub use reference::reference;
pub use replay::ReplayConfig;
pub use retention::RetentionConfig;
pub use server::{ForwardedHeader, ServerConfig};
pub use telemetry::{TelemetryConfig, TelemetryEndpoint};

/// The defaults, and the documentation of every key.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// What is shown in place of a credential.
const REDACTED: &str = "(redacted)";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key or a value is not what it must be, or a file cannot be read.
    #[error("configuration: {0}")]
    Invalid(String),
    /// Values are out of their range.
    #[error("configuration: {}", .0.join("; "))]
    OutOfRange(Vec<String>),
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs)] // Each is documented in config/default.toml.
        pub struct $name { $(pub $field: $kind),* }
    };
}

section! {
    /// All of it.
    Config {
        server: ServerConfig,
        auth: AuthConfig,
        storage: StorageConfig,
        journal: JournalConfig,
        retention: RetentionConfig,
        pipeline: PipelineConfig,
        replay: ReplayConfig,
        dedup: DedupConfig,
        limits: Limits,
        mappings: MappingsConfig,
        receipts: ReceiptsConfig,
        taxonomy: TaxonomyConfig,
        dashboard: DashboardConfig,
        logging: LoggingConfig,
        telemetry: TelemetryConfig,
    }
}
section! {
    /// `[auth]`
    AuthConfig {
        max_failures: u32,
        failure_window_seconds: u64,
        max_tracked_addresses: usize,
        usage_seconds: u64,
    }
}
section! {
    /// `[storage]`
    StorageConfig {
        data_dir: PathBuf,
        database_url: String,
        max_connections: u32,
        credentials_valid_seconds: u64,
        master_key_file: PathBuf,
        admin_token: String,
    }
}
section! {
    /// `[journal]`
    JournalConfig {
        segment_bytes: u64,
        max_bytes: u64,
        max_bytes_per_controller: u64,
        max_waiting: usize,
        batch_events: usize,
        gather_micros: u64,
        tail_bytes: usize,
    }
}
section! {
    /// `[pipeline]`
    PipelineConfig {
        shards: usize,
        batch_events: usize,
        batch_bytes: usize,
        mailbox_capacity: usize,
        cached_links: usize,
        restart_backoff_initial_ms: u64,
        restart_backoff_max_ms: u64,
        restart_budget: usize,
        restart_window_seconds: u64,
        max_attempts: u32,
        senders_tolerated: usize,
        retry_max_ms: u64,
    }
}
section! {
    /// `[dedup]`
    DedupConfig {
        window_seconds: u32,
        max_entries: usize,
        redis_url: String,
        redis_ca_file: PathBuf,
        redis_timeout_ms: u64,
        max_backlog_seconds: u64,
    }
}
section! {
    /// `[taxonomy]`
    TaxonomyConfig { file: PathBuf }
}
section! {
    /// `[logging]`
    LoggingConfig { filter: String, format: String }
}

impl Config {
    /// Reads the configuration: defaults, then `file` (or the one that `CONDUIT_CONFIG` names), then the environment.
    /// Warnings come with it: they say what has no effect, or another effect than it seems.
    ///
    /// # Errors
    /// [`ConfigError`], naming each key and where it came from.
    pub fn load(file: Option<&Path>) -> Result<(Self, Vec<String>), ConfigError> {
        let variables = Variables::of_process();
        let mut layers = Layers::over(DEFAULTS)?;
        if let Some(path) = file.or_else(|| variables.config_file()) {
            layers.file(path);
        }
        variables.add_to(&mut layers);
        let (config, mut warnings) = layers.finish()?;
        config.check()?;
        warnings.extend(config.warnings());
        Ok((config, warnings))
    }

    /// Returns what works, but not as it seems.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.server.warn(&mut warnings);
        database::warn(&self.storage.database_url, &mut warnings);
        files::warn(&self.storage, &mut warnings);
        warnings
    }

    /// Checks ranges; names all that is wrong at once.
    fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        self.server.check(&mut wrong);
        self.receipts.check(&mut wrong);
        self.telemetry.check(&mut wrong);
        let mut range = |key: &str, value: u64, least: u64, most: u64| range(&mut wrong, key, value, least, most);
        let (journal, pipeline) = (&self.journal, &self.pipeline);
        range(
            "auth.max_failures",
            u64::from(self.auth.max_failures),
            1,
            u64::from(u32::MAX),
        );
        range(
            "auth.failure_window_seconds",
            self.auth.failure_window_seconds,
            1,
            86_400,
        );
        range(
            "auth.max_tracked_addresses",
            self.auth.max_tracked_addresses as u64,
            1,
            100_000_000,
        );
        range("auth.usage_seconds", self.auth.usage_seconds, 1, 3_600);
        range("journal.segment_bytes", journal.segment_bytes, 1 << 20, 4 << 30);
        range("journal.max_waiting", journal.max_waiting as u64, 1, 10_000_000);
        range("journal.batch_events", journal.batch_events as u64, 1, 1_000_000);
        range("journal.gather_micros", journal.gather_micros, 0, 100_000);
        self.retention.check(&mut range);
        range("pipeline.shards", pipeline.shards as u64, 0, 1_024);
        range("pipeline.batch_events", pipeline.batch_events as u64, 1, 100_000);
        range("pipeline.batch_bytes", pipeline.batch_bytes as u64, 1 << 16, 1 << 30);
        range(
            "pipeline.mailbox_capacity",
            pipeline.mailbox_capacity as u64,
            1,
            10_000_000,
        );
        range("pipeline.max_attempts", u64::from(pipeline.max_attempts), 1, 100);
        range(
            "pipeline.restart_backoff_initial_ms",
            pipeline.restart_backoff_initial_ms,
            1,
            60_000,
        );
        range(
            "pipeline.restart_backoff_max_ms",
            pipeline.restart_backoff_max_ms,
            1,
            600_000,
        );
        range("pipeline.retry_max_ms", pipeline.retry_max_ms, 10, 600_000);
        self.replay.check(&mut range);
        range("dedup.window_seconds", u64::from(self.dedup.window_seconds), 0, 86_400);
        range(
            "storage.max_connections",
            u64::from(self.storage.max_connections),
            2,
            200,
        );
        range(
            "storage.credentials_valid_seconds",
            self.storage.credentials_valid_seconds,
            0,
            31_536_000,
        );
        range("dedup.redis_timeout_ms", self.dedup.redis_timeout_ms, 10, 10_000);
        range("dedup.max_backlog_seconds", self.dedup.max_backlog_seconds, 60, 604_800);
        self.mappings.check(&mut range);
        self.dashboard.check(&mut range);
        wrong.extend(limits::check(&self.limits));
        self.retention.check_periods(&mut wrong);
        if let Err(error) = self.dedup.redis_server() {
            wrong.push(error);
        }
        let token = &self.storage.admin_token;
        if !token.is_empty() && token.len() < 16 {
            wrong.push("storage.admin_token must have 16 characters or more".to_owned());
        }
        if let Some(fault) = crate::secrets::token_fault(token) {
            wrong.push(format!("storage.admin_token {fault}"));
        }
        if !matches!(self.logging.format.as_str(), "" | "text" | "json") {
            wrong.push("logging.format must be text or json".to_owned());
        }
        if let Err(error) = crate::logging::filter(&self.logging.filter) {
            wrong.push(error);
        }
        database::check(&self.storage.database_url, &mut wrong);
        files::check(&self.storage, &self.taxonomy, &mut wrong);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::OutOfRange(wrong))
        }
    }

    /// What is in force, as TOML; credentials are not shown.
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

    /// Which database to use, and where it is.
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

impl DedupConfig {
    /// The Redis to keep windows in, if one is configured.
    ///
    /// # Errors
    /// Which setting is wrong, and how: the URL names none, or the authorities cannot be used.
    pub fn redis_server(&self) -> Result<Option<RedisServer>, String> {
        if self.redis_url.is_empty() {
            return Ok(None);
        }
        let parsed = self.redis_url.parse::<RedisServer>();
        let server = parsed.map_err(|error| format!("dedup.redis_url: {error}"))?;
        if self.redis_ca_file.as_os_str().is_empty() {
            return Ok(Some(server));
        }
        let trusting = authorities(&self.redis_ca_file).and_then(|pem| server.trusting(pem));
        trusting
            .map(Some)
            .map_err(|error| format!("dedup.redis_ca_file: {error}"))
    }
}

/// Notes a value that is out of its range.
fn range(wrong: &mut Vec<String>, key: &str, value: u64, least: u64, most: u64) {
    if !(least..=most).contains(&value) {
        wrong.push(format!("{key} is {value}, but must be {least} to {most}"));
    }
}

/// A count that 0 leaves to the machine.
#[must_use]
pub fn or_cores(count: usize) -> usize {
    if count > 0 {
        count
    } else {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Config {
        toml::from_str(DEFAULTS).unwrap()
    }

    #[test]
    fn the_defaults_are_whole_and_in_range() {
        defaults().check().unwrap();
    }

    #[test]
    fn all_that_is_out_of_range_is_named_at_once() {
        let mut config = defaults();
        config.server.max_body_bytes = 1;
        config.dedup.window_seconds = 90_000;
        config.storage.admin_token = "short".to_owned();
        config.dedup.redis_url = "http://:hunter2@localhost".to_owned();
        let text = config.check().unwrap_err().to_string();
        for key in [
            "server.max_body_bytes",
            "dedup.window_seconds",
            "storage.admin_token",
            "dedup.redis_url",
        ] {
            assert!(text.contains(key), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
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
        config.check().unwrap();
        for wrong in [
            "mysql://s3cret@db.example",
            "postgres://conduit:s3cret@db.example:port/x",
        ] {
            config.storage.database_url = wrong.to_owned();
            let text = config.check().unwrap_err().to_string();
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
