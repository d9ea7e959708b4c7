//! The configuration in force, and the settings that change while the server runs.
//!
//! [`Config::with_live_settings`] is the one list of these settings. A setting belongs there if every user reads it
//! anew, and if no change of it can fail.

use std::sync::Arc;

use tokio::sync::watch;

use super::sections::Config;

/// The configuration in force. Clones share it.
#[derive(Debug, Clone)]
pub struct LiveConfig(Arc<watch::Sender<Arc<Config>>>);

impl LiveConfig {
    /// Begins with the configuration of the start.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(config))))
    }

    /// Returns the configuration in force. Do not keep it: it does not change any more.
    #[must_use]
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Replaces the configuration in force.
    pub fn set(&self, config: Config) {
        self.0.send_replace(Arc::new(config));
    }

    /// Waits until the configuration in force meets a condition.
    pub async fn wait_for(&self, mut is_met: impl FnMut(&Config) -> bool) {
        // It cannot fail, because the sender lives as long as this handle.
        let _ = self.0.subscribe().wait_for(|config| is_met(config)).await;
    }
}

impl Config {
    /// Returns this configuration, with the settings that follow the file from another one.
    #[must_use]
    pub fn with_live_settings(&self, from: &Self) -> Self {
        let mut config = self.clone();
        config.admission = from.admission.clone();
        config.retention = from.retention.clone();
        config.limits = from.limits;
        config.mappings = from.mappings.clone();
        config.logging.filter.clone_from(&from.logging.filter);
        let (pipeline, new) = (&mut config.pipeline, &from.pipeline);
        pipeline.batch_events = new.batch_events;
        pipeline.batch_bytes = new.batch_bytes;
        pipeline.retry_max_ms = new.retry_max_ms;
        config.replay.batch_events = from.replay.batch_events;
        let (journal, new) = (&mut config.journal, &from.journal);
        journal.max_bytes_per_controller = new.max_bytes_per_controller;
        journal.batch_events = new.batch_events;
        journal.gather_micros = new.gather_micros;
        journal.tail_bytes = new.tail_bytes;
        config
    }
}

#[cfg(test)]
mod tests {
    use super::super::difference::differences;
    use super::*;
    use crate::config::DEFAULTS;

    /// Returns the defaults with another value for every setting that is no list.
    fn other() -> Config {
        let mut sections: toml::Table = DEFAULTS.parse().unwrap();
        let tables = sections.iter_mut().map(|(_, section)| section.as_table_mut().unwrap());
        for (name, value) in tables.flatten() {
            match value {
                toml::Value::Integer(number) => *number += 1,
                toml::Value::Float(number) => *number += 0.5,
                toml::Value::Boolean(flag) => *flag = !*flag,
                toml::Value::String(text) if name == "listen" => *text = "127.0.0.1:1".to_owned(),
                toml::Value::String(text) if name == "forwarded_header" => *text = "forwarded".to_owned(),
                toml::Value::String(text) => text.push('x'),
                _ => {}
            }
        }
        sections.try_into().unwrap()
    }

    #[test]
    fn the_settings_that_follow_the_file_are_these() {
        let before: Config = toml::from_str(DEFAULTS).unwrap();
        let other = other();
        let changes = differences(&before, &before.with_live_settings(&other));
        let mut live: Vec<String> = changes.into_iter().map(|change| change.key).collect();
        let of = |section: &str| {
            let prefix = format!("{section}.");
            let defaults: toml::Table = DEFAULTS.parse().unwrap();
            let keys: Vec<_> = defaults[section].as_table().unwrap().keys().cloned().collect();
            keys.into_iter().map(move |key| format!("{prefix}{key}"))
        };
        let single = [
            "journal.batch_events",
            "journal.gather_micros",
            "journal.max_bytes_per_controller",
            "journal.tail_bytes",
            "logging.filter",
            "pipeline.batch_bytes",
            "pipeline.batch_events",
            "pipeline.retry_max_ms",
            "replay.batch_events",
        ];
        let whole = ["admission", "limits", "mappings", "retention"]
            .into_iter()
            .flat_map(of);
        let mut expected: Vec<String> = whole.chain(single.map(str::to_owned)).collect();
        live.sort();
        expected.sort();
        assert_eq!(live, expected);
        // Each of them is documented as one that follows the file.
        let head = DEFAULTS.split("\n[server]").next().unwrap().replace("\n#", "");
        for name in ["[admission]", "[limits]", "[mappings]", "[retention]"]
            .iter()
            .chain(&single)
        {
            assert!(head.contains(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_by_those_who_wait_for_it() {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        let live = LiveConfig::new(config.clone());
        config.limits.burst = 7;
        let seen = live.clone();
        let waiting = tokio::spawn(async move { seen.wait_for(|config| config.limits.burst == 7).await });
        live.set(config);
        waiting.await.unwrap();
        assert_eq!(live.get().limits.burst, 7);
    }
}
