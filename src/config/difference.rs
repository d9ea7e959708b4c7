//! The settings in which two configurations differ.

use std::collections::BTreeMap;
use std::fmt;

use super::sections::Config;

/// A setting with two values, as TOML. A value may be a credential, unless the setting is one that follows the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting: `section.key`.
    pub key: String,
    /// The former value.
    pub before: String,
    /// The present value.
    pub now: String,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.key, self.before, self.now)
    }
}

/// Returns the settings that differ, in the order of their names.
#[must_use]
pub fn differences(before: &Config, now: &Config) -> Vec<SettingChange> {
    let (mut before, now) = (settings(before), settings(now));
    let changes = now.into_iter().map(|(key, now)| SettingChange {
        before: before.remove(&key).unwrap_or_default(),
        now,
        key,
    });
    changes.filter(|change| change.before != change.now).collect()
}

/// Returns names and values, as TOML.
fn settings(config: &Config) -> BTreeMap<String, String> {
    let Ok(toml::Value::Table(sections)) = toml::Value::try_from(config) else {
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (section, settings) in sections {
        for (name, value) in settings.as_table().into_iter().flatten() {
            found.insert(format!("{section}.{name}"), value.to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn each_setting_that_differs_is_named_with_both_values() {
        let before: Config = toml::from_str(DEFAULTS).unwrap();
        let mut now = before.clone();
        assert!(differences(&before, &now).is_empty());
        now.logging.filter = "debug".to_owned();
        now.admission.backlog_seconds = 60;
        let changes: Vec<String> = differences(&before, &now).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [
                "admission.backlog_seconds 40 -> 60",
                r#"logging.filter "info" -> "debug""#
            ]
        );
    }
}
