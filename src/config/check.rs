//! The check of the configuration as a whole.

use super::error::ConfigError;
use super::range::range;
use super::sections::Config;
use super::{database, limits};

/// A check of settings by the module that uses them: it adds a sentence for each fault.
pub type Check = fn(&Config, &mut Vec<String>);

impl Config {
    /// Returns what works, but not as it seems.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.server.warn(&mut warnings);
        database::warn(&self.storage.database_url, &mut warnings);
        warnings
    }

    /// Checks ranges; names all that is wrong at once.
    pub(crate) fn check(&self, checks: &[Check]) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        self.server.check(&mut wrong);
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
        self.admission.check(&mut range);
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
        let token = &self.storage.admin_token;
        if !token.is_empty() && token.len() < 16 {
            wrong.push("storage.admin_token must have 16 characters or more".to_owned());
        }
        if !matches!(self.logging.format.as_str(), "" | "text" | "json") {
            wrong.push("logging.format must be text or json".to_owned());
        }
        database::check(&self.storage.database_url, &mut wrong);
        self.check_data_dir(&mut wrong);
        wrong.extend(self.taxonomy.read().err());
        checks.iter().for_each(|check| check(self, &mut wrong));
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::OutOfRange(wrong))
        }
    }

    fn check_data_dir(&self, wrong: &mut Vec<String>) {
        let dir = &self.storage.data_dir;
        if dir.as_os_str().is_empty() {
            wrong.push("storage.data_dir must name a directory".to_owned());
        } else if dir.exists() && !dir.is_dir() {
            wrong.push(format!("storage.data_dir: {} is no directory", dir.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    fn defaults() -> Config {
        toml::from_str(DEFAULTS).unwrap()
    }

    #[test]
    fn the_defaults_are_whole_and_in_range() {
        defaults().check(&[]).unwrap();
    }

    #[test]
    fn all_that_is_out_of_range_is_named_at_once() {
        let mut config = defaults();
        config.server.max_body_bytes = 1;
        config.dedup.window_seconds = 90_000;
        config.storage.admin_token = "short".to_owned();
        let text = config.check(&[]).unwrap_err().to_string();
        for key in ["server.max_body_bytes", "dedup.window_seconds", "storage.admin_token"] {
            assert!(text.contains(key), "{text}");
        }
    }
}
