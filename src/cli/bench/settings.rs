//! Settings of its own server, and the combinations of a sweep.

use std::str::FromStr;

/// One setting: its key, as `pipeline.shards`, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    key: String,
    value: String,
}

/// One setting with several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sweep {
    key: String,
    values: Vec<String>,
}

/// The settings of one run.
pub(super) type Combination = Vec<Setting>;

impl Setting {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// Returns the environment variable of the setting.
    pub(super) fn variable(&self) -> String {
        format!("CONDUIT__{}", self.key.replace('.', "__").to_uppercase())
    }
}

impl Sweep {
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = parts(text)?;
        Ok(Self { key, value })
    }
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = parts(text)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err("a value is empty: write KEY=VALUE,VALUE".to_owned());
        }
        Ok(Self { key, values })
    }
}

fn parts(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as section.key=value")?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_key = key
        .split_once('.')
        .is_some_and(|(section, name)| is_name(section) && is_name(name));
    if !is_key {
        return Err("the key is that of config/default.toml, as pipeline.shards".to_owned());
    }
    Ok((key.to_owned(), value.trim().to_owned()))
}

/// Returns each run's settings: the common ones, with each combination of the swept values. The last one varies
/// fastest.
pub(super) fn combinations(set: &[Setting], sweeps: &[Sweep]) -> Vec<Combination> {
    let mut all = vec![set.to_vec()];
    for sweep in sweeps {
        let with = |combination: &Combination, value: &String| {
            let mut combination = combination.clone();
            combination.retain(|setting| setting.key != sweep.key);
            combination.push(Setting {
                key: sweep.key.clone(),
                value: value.clone(),
            });
            combination
        };
        all = all
            .iter()
            .flat_map(|combination| sweep.values.iter().map(move |value| with(combination, value)))
            .collect();
    }
    all
}

/// Returns a description for people.
pub(super) fn shown(combination: &Combination) -> String {
    let all: Vec<String> = combination
        .iter()
        .map(|setting| format!("{}={}", setting.key, setting.value))
        .collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_has_every_combination() {
        let set: Vec<Setting> = vec!["journal.gather_micros=0".parse().unwrap()];
        let sweeps: Vec<Sweep> = ["pipeline.shards=1,2", "pipeline.batch_events=256, 1024"]
            .map(|text| text.parse().unwrap())
            .into();
        let all: Vec<String> = combinations(&set, &sweeps).iter().map(shown).collect();
        assert_eq!(
            all,
            [
                "journal.gather_micros=0 pipeline.shards=1 pipeline.batch_events=256",
                "journal.gather_micros=0 pipeline.shards=1 pipeline.batch_events=1024",
                "journal.gather_micros=0 pipeline.shards=2 pipeline.batch_events=256",
                "journal.gather_micros=0 pipeline.shards=2 pipeline.batch_events=1024",
            ]
        );
        assert_eq!(combinations(&[], &[]), [Vec::new()]);
        assert_eq!(
            combinations(&set, &[])[0][0].variable(),
            "CONDUIT__JOURNAL__GATHER_MICROS"
        );
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for wrong in [
            "",
            "shards=1",
            "pipeline.shards",
            "Pipeline.shards=1",
            "a.b.c=1",
            ".a=1",
        ] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong}");
        }
        assert!("pipeline.shards=1,,2".parse::<Sweep>().is_err());
        // A value may have what divides keys from values.
        let url: Setting = "storage.database_url=postgresql://h/d?a=b,c".parse().unwrap();
        assert_eq!(url.value(), "postgresql://h/d?a=b,c");
    }
}
