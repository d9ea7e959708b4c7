//! The layers of the configuration, merged: defaults, file, environment.
//!
//! Each value is read as the kind that its default is, see [`super::value`]. All that is wrong is collected, with the place
//! that it came from, so that one run names everything. Values are in no message: they may be credentials.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::error::ConfigError;
use super::sections::Config;
use super::suggest::nearest;
use super::{text_file, value};

/// Settings of former versions, with what to do instead. They have no effect, and are no faults, so that an upgrade starts
/// with the file of before.
const RETIRED: [(&str, &str); 1] = [(
    "pipeline.senders_tolerated",
    "the pipeline no longer rests for senders; see [admission]",
)];

/// The settings so far, and their faults.
pub(super) struct Layers {
    defaults: Table,
    merged: Table,
    /// Where each setting that is not a default came from, by `section.key`.
    origins: BTreeMap<(String, String), String>,
    pub(super) wrong: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// Begins with the defaults.
    pub(super) fn over(defaults: &str) -> Result<Self, ConfigError> {
        let invalid = |error: toml::de::Error| ConfigError::Invalid(error.message().to_owned());
        let defaults: Table = defaults.parse().map_err(invalid)?;
        Ok(Self {
            merged: defaults.clone(),
            defaults,
            origins: BTreeMap::new(),
            wrong: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Returns the names of all settings: `section.key`.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        let sections = self.defaults.iter();
        sections.flat_map(|(section, table)| {
            let keys = table.as_table().into_iter().flat_map(Table::keys);
            keys.map(move |key| format!("{section}.{key}"))
        })
    }

    /// Returns the default of a setting, or `None` if there is no such setting.
    pub(super) fn default_of(&self, section: &str, key: &str) -> Option<&Value> {
        self.defaults.get(section)?.as_table()?.get(key)
    }

    /// Adds what a file says.
    pub(super) fn file(&mut self, path: &Path) {
        let name = path.display();
        let text = match text_file::read_text(path) {
            Ok(text) => text,
            Err(error) => return self.wrong.push(format!("cannot read {name}: {error}")),
        };
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                // The line itself is not shown: it may have a credential in it.
                let line = error.span().map(|span| {
                    1 + text.as_bytes()[..span.start.min(text.len())]
                        .iter()
                        .filter(|byte| **byte == b'\n')
                        .count()
                });
                let place = line.map_or_else(|| name.to_string(), |line| format!("{name}, line {line}"));
                return self.wrong.push(format!("{place}: {}", error.message()));
            }
        };
        for (section, value) in table {
            let Some(known) = self.defaults.get(&section).and_then(Value::as_table).cloned() else {
                self.unknown_section(&section, &name.to_string());
                continue;
            };
            let Value::Table(settings) = value else {
                self.wrong
                    .push(format!("{section} in {name} must be a section: [{section}]"));
                continue;
            };
            for (key, value) in settings {
                let Some(default) = known.get(&key) else {
                    if self.is_retired(&format!("{section}.{key}"), &name.to_string()) {
                        continue;
                    }
                    let meant = nearest(&key, known.keys().map(String::as_str));
                    let meant = meant.map(|meant| format!("{section}.{meant}"));
                    self.unknown(&format!("{section}.{key} in {name}"), meant.as_deref());
                    continue;
                };
                let value = value::of_file(&key, default, value);
                self.set(&section, &key, value, name.to_string());
            }
        }
    }

    /// Returns whether a setting had an effect in a former version. Then it warns of it.
    pub(super) fn is_retired(&mut self, setting: &str, place: &str) -> bool {
        let found = RETIRED.iter().find(|(name, _)| *name == setting);
        self.warnings
            .extend(found.map(|(name, advice)| format!("{name} ({place}) has no effect any more: {advice}")));
        found.is_some()
    }

    fn unknown_section(&mut self, section: &str, place: &str) {
        // A key outside of its section is the more likely slip.
        let owner = self
            .keys()
            .find(|key| key.split_once('.').is_some_and(|(_, key)| key == section));
        let near = nearest(section, self.defaults.keys().map(String::as_str)).map(str::to_owned);
        self.unknown(&format!("{section} in {place}"), owner.or(near).as_deref());
    }

    /// Notes a setting that does not exist.
    pub(super) fn unknown(&mut self, what: &str, meant: Option<&str>) {
        let advice = meant.map_or_else(
            || "`conduit config reference` prints all settings".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        self.wrong.push(format!("{what} is no setting; {advice}"));
    }

    /// Sets a value, or notes its fault.
    pub(super) fn set(&mut self, section: &str, key: &str, value: Result<Value, String>, origin: String) {
        match value {
            Ok(value) => {
                if let Some(settings) = self.merged.get_mut(section).and_then(Value::as_table_mut) {
                    settings.insert(key.to_owned(), value);
                    self.origins.insert((section.to_owned(), key.to_owned()), origin);
                }
            }
            Err(what) => self.wrong.push(format!("{section}.{key} ({origin}) {what}")),
        }
    }

    /// Ends with the configuration and its warnings.
    ///
    /// # Errors
    /// All that is wrong so far.
    pub(super) fn finish(mut self) -> Result<(Config, Vec<String>), ConfigError> {
        match self.merged.clone().try_into() {
            Ok(config) if self.wrong.is_empty() => Ok((config, self.warnings)),
            Ok(_) => Err(ConfigError::OutOfRange(self.wrong)),
            Err(error) => {
                self.blame();
                if self.wrong.is_empty() {
                    self.wrong.push(error.message().to_owned());
                }
                Err(ConfigError::OutOfRange(self.wrong))
            }
        }
    }

    /// Finds the settings that no configuration can have: each is tried alone, over the defaults.
    fn blame(&mut self) {
        for ((section, key), origin) in &self.origins {
            let mut alone = self.defaults.clone();
            let value = self.merged.get(section).and_then(|settings| settings.get(key));
            let settings = alone.get_mut(section).and_then(Value::as_table_mut);
            if let (Some(settings), Some(value)) = (settings, value) {
                settings.insert(key.clone(), value.clone());
            }
            if let Err(error) = alone.try_into::<Config>() {
                let what = match (key.as_str(), value) {
                    ("listen", _) => "must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080",
                    (_, Some(Value::Integer(..0))) => "must be 0 or more",
                    (_, Some(Value::Integer(_))) => "is too large a number",
                    _ => error.message(),
                };
                self.wrong.push(format!("{section}.{key} ({origin}): {what}"));
            }
        }
    }
}
