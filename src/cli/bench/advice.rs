//! Settings that follow from what was measured, as a piece of a configuration file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::axis::number;
use super::population::{float, whole};

/// The share of the machine's memory that Conduit may take in an overload.
const MEMORY_SHARE: f64 = 0.6;

/// The share of the capacity for the limits of a server that collapses.
const SAFE_SHARE: f64 = 0.7;

/// Runs of a sweep that differ by less than this share are equal.
const CHANCE: f64 = 0.1;

const MIB: f64 = 1_048_576.0;

/// A recommended setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) section: String,
    pub(super) key: String,
    /// As TOML has it.
    pub(super) value: String,
    pub(super) reason: String,
}

/// The measurements that recommendations follow from.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// The settings in force. A missing one has its default.
    pub(super) settings: toml::Table,
    /// The lower one of the capacities, in events a second.
    pub(super) capacity: f64,
    /// In the journal.
    pub(super) bytes_per_event: Option<f64>,
    /// Peak of the server's memory.
    pub(super) memory_bytes: Option<f64>,
    /// Most bytes of the backlog.
    pub(super) backlog_bytes: Option<f64>,
    pub(super) machine_bytes: Option<f64>,
    pub(super) controllers: u64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) has_collapsed: bool,
}

/// Returns the settings to change.
pub(super) fn advise(evidence: &Evidence) -> Vec<Change> {
    let mut changes = Vec::new();
    let memory = memory(evidence);
    changes.extend(memory.clone());
    if memory.is_none() {
        changes.extend(backlog(evidence));
    }
    changes.extend(journal(evidence, &changes));
    changes.extend(claims(evidence));
    changes.extend(limit(evidence));
    changes
}

/// Returns the settings of the best run of a sweep that differ from the default. Returns none if the best and the worst
/// figure are so near each other that chance may have decided. `unit` is that of the figures.
pub(super) fn of_sweep(
    best: &BTreeMap<String, String>,
    swept: &[String],
    (figure, worst): (f64, f64),
    (runs, unit): (usize, &str),
) -> Vec<Change> {
    if (figure - worst).abs() < worst * CHANCE {
        return Vec::new();
    }
    let reason = format!(
        "The best of {runs} runs: {} {unit}. The worst run had {} {unit}.",
        number(figure),
        number(worst)
    );
    let chosen = best
        .iter()
        .filter(|(key, value)| swept.contains(key) && default(key).as_ref() != Some(*value));
    let changes = chosen.filter_map(|(key, value)| {
        let (section, key) = key.split_once('.')?;
        let is_plain = value.parse::<f64>().is_ok() || matches!(value.as_str(), "true" | "false");
        let value = if is_plain {
            value.clone()
        } else {
            toml::Value::from(value.as_str()).to_string()
        };
        Some(change(section, key, value, reason.clone()))
    });
    changes.collect()
}

fn change(section: &str, key: &str, value: String, reason: String) -> Change {
    Change {
        section: section.to_owned(),
        key: key.to_owned(),
        value,
        reason,
    }
}

/// Returns a default as text.
fn default(path: &str) -> Option<String> {
    let (section, key) = path.split_once('.')?;
    let defaults: toml::Table = crate::config::DEFAULTS.parse().ok()?;
    let value = defaults.get(section)?.get(key)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

impl Evidence {
    /// Returns a number in force. Returns 0 for a setting that has none.
    #[allow(clippy::cast_precision_loss)]
    fn setting(&self, section: &str, key: &str) -> f64 {
        let value = self.settings.get(section).and_then(|section| section.get(key));
        let value = value.and_then(toml::Value::as_integer).map(|value| value as f64);
        value.unwrap_or_else(|| {
            default(&format!("{section}.{key}"))
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0)
        })
    }

    fn has_redis(&self) -> bool {
        let url = self
            .settings
            .get("dedup")
            .and_then(|dedup| dedup.get("redis_url")?.as_str());
        url.is_some_and(|url| !url.is_empty())
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{} MiB", number((bytes / MIB).round()))
}

/// Returns a smaller target of the backlog if the server took too much of the machine's memory.
fn memory(evidence: &Evidence) -> Option<Change> {
    let (used, all, backlog) = (evidence.memory_bytes?, evidence.machine_bytes?, evidence.backlog_bytes?);
    let target = evidence.setting("admission", "backlog_bytes");
    let allowed = all * MEMORY_SHARE;
    if used <= allowed || backlog <= 0.0 {
        return None;
    }
    let bytes = (backlog.min(target.max(1.0)) * allowed / used / MIB).floor().max(16.0) * MIB;
    let reason = format!(
        "Conduit took {} of the machine's {} with a backlog of {}. This target keeps it below {}.",
        mebibytes(used),
        mebibytes(all),
        mebibytes(backlog),
        mebibytes(allowed)
    );
    Some(change("admission", "backlog_bytes", whole(bytes).to_string(), reason))
}

/// Returns targets of the backlog that fit each other at the measured capacity.
fn backlog(evidence: &Evidence) -> Option<Change> {
    let each = evidence.bytes_per_event.filter(|bytes| *bytes > 0.0)?;
    let seconds = evidence.setting("admission", "backlog_seconds");
    let bytes = evidence.setting("admission", "backlog_bytes");
    let needed = seconds * evidence.capacity * each;
    if seconds <= 0.0 || bytes <= 0.0 || needed <= bytes {
        return None;
    }
    let wanted = (needed * 1.25 / MIB).ceil() * MIB;
    // A byte of the backlog costs memory too: as much as it did in this run.
    let price = match (evidence.memory_bytes, evidence.backlog_bytes) {
        (Some(memory), Some(backlog)) if backlog > 0.0 => memory / backlog,
        _ => 1.0,
    };
    if evidence
        .machine_bytes
        .is_none_or(|all| wanted * price <= all * MEMORY_SHARE)
    {
        let reason = format!(
            "At {} events/s of {} bytes, {seconds} s of backlog are {}. The target of {} would be reached first.",
            number(evidence.capacity.round()),
            number(each.round()),
            mebibytes(needed),
            mebibytes(bytes)
        );
        return Some(change("admission", "backlog_bytes", whole(wanted).to_string(), reason));
    }
    let fitting = (bytes / (evidence.capacity * each)).floor().max(1.0);
    let reason = format!(
        "At {} events/s of {} bytes, the target of {} is reached after {fitting} s, and the machine has no memory for more.",
        number(evidence.capacity.round()),
        number(each.round()),
        mebibytes(bytes)
    );
    Some(change(
        "admission",
        "backlog_seconds",
        whole(fitting).to_string(),
        reason,
    ))
}

/// Returns a larger journal if it was full, or if the target of the backlog leaves too little of it for an outage.
fn journal(evidence: &Evidence, changes: &[Change]) -> Option<Change> {
    let most = evidence.setting("journal", "max_bytes");
    let target = changes.iter().find(|change| change.key == "backlog_bytes");
    let target = target.and_then(|change| change.value.parse().ok());
    let target: f64 = target.unwrap_or_else(|| evidence.setting("admission", "backlog_bytes"));
    let refused = evidence.refused.get("journal_full").copied().unwrap_or(0);
    if refused == 0 && most >= target * 2.0 {
        return None;
    }
    let reason = if refused > 0 {
        format!("{refused} events were refused because the journal was full.")
    } else {
        format!(
            "The target of the backlog is {}. The rest is for an outage of the database.",
            mebibytes(target)
        )
    };
    let bytes = (most * 2.0).max(target * 4.0);
    Some(change("journal", "max_bytes", whole(bytes).to_string(), reason))
}

/// Returns room for the claims of a dedup window at the measured capacity.
fn claims(evidence: &Evidence) -> Option<Change> {
    let window = evidence.setting("dedup", "window_seconds");
    let (needed, most) = (evidence.capacity * window, evidence.setting("dedup", "max_entries"));
    if evidence.has_redis() || needed <= most {
        return None;
    }
    let entries = (needed * 1.5 / 100_000.0).ceil() * 100_000.0;
    let reason = format!(
        "{} events/s make {} claims in a window of {window} s. Beyond max_entries, repeats may pass.",
        number(evidence.capacity.round()),
        number(needed.round())
    );
    Some(change("dedup", "max_entries", whole(entries).to_string(), reason))
}

/// Returns a limit for the controllers of a server that collapses.
fn limit(evidence: &Evidence) -> Option<Change> {
    if !evidence.has_collapsed {
        return None;
    }
    let controllers = float(evidence.controllers.max(1));
    let rate = (evidence.capacity * SAFE_SHARE / controllers).floor().max(1.0);
    let reason = format!(
        "This build collapses in an overload. Together, the limits of {} tested controller(s) are {:.0} % of the capacity of \
         {} events/s.",
        number(controllers),
        SAFE_SHARE * 100.0,
        number(evidence.capacity.round())
    );
    Some(change("limits", "events_per_second", whole(rate).to_string(), reason))
}

/// Returns changes as a piece of a configuration file, with the reasons as comments.
pub(super) fn snippet(changes: &[Change]) -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for change in changes {
        let section = sections.entry(&change.section).or_default();
        // Writing to a text does not fail.
        let _ = writeln!(section, "# {}\n{} = {}", change.reason, change.key, change.value);
    }
    let texts: Vec<String> = sections
        .iter()
        .map(|(name, text)| format!("[{name}]\n{text}"))
        .collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            capacity: 10_000.0,
            bytes_per_event: Some(600.0),
            memory_bytes: Some(500.0 * MIB),
            backlog_bytes: Some(300.0 * MIB),
            machine_bytes: Some(16_000.0 * MIB),
            controllers: 4,
            ..Evidence::default()
        }
    }

    fn keys(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| format!("{}.{}", change.section, change.key))
            .collect()
    }

    #[test]
    fn settings_that_fit_stay_as_they_are() {
        assert_eq!(advise(&evidence()), []);
        assert_eq!(snippet(&[]), "");
    }

    #[test]
    fn each_recommendation_follows_from_a_measurement() {
        let too_much = Evidence {
            machine_bytes: Some(600.0 * MIB),
            ..evidence()
        };
        assert_eq!(keys(&advise(&too_much)), ["admission.backlog_bytes"]);
        assert_eq!(
            advise(&too_much)[0].value,
            (216 << 20).to_string(),
            "300 MiB by 360 of 500"
        );
        let fast = Evidence {
            capacity: 50_000.0,
            ..evidence()
        };
        assert_eq!(keys(&advise(&fast)), ["admission.backlog_bytes", "dedup.max_entries"]);
        let small = Evidence {
            machine_bytes: Some(1_000.0 * MIB),
            ..fast
        };
        assert_eq!(
            keys(&advise(&small)),
            ["admission.backlog_seconds", "dedup.max_entries"]
        );
        assert_eq!(advise(&small)[0].value, "26", "768 MiB at 30 MB/s");
        let full = Evidence {
            refused: BTreeMap::from([("journal_full".to_owned(), 3)]),
            ..evidence()
        };
        assert_eq!(keys(&advise(&full)), ["journal.max_bytes"]);
        let collapsed = Evidence {
            has_collapsed: true,
            ..evidence()
        };
        assert_eq!(advise(&collapsed)[0].value, "1750", "a quarter of 70 %");
    }

    #[test]
    fn settings_in_force_come_before_the_defaults() {
        let settings = "[admission]\nbacklog_bytes = 1048576\n[dedup]\nredis_url = \"redis://r\"\n"
            .parse()
            .unwrap();
        let changes = advise(&Evidence {
            settings,
            capacity: 50_000.0,
            ..evidence()
        });
        assert_eq!(
            keys(&changes),
            ["admission.backlog_bytes"],
            "Redis has no limit of claims"
        );
    }

    #[test]
    fn recommended_settings_exist_and_the_snippet_is_toml() {
        let all = Evidence {
            capacity: 50_000.0,
            refused: BTreeMap::from([("journal_full".to_owned(), 3)]),
            has_collapsed: true,
            ..evidence()
        };
        let small = Evidence {
            machine_bytes: Some(1_000.0 * MIB),
            ..all.clone()
        };
        for changes in [advise(&all), advise(&small)] {
            assert!(changes.len() >= 4, "{changes:?}");
            let parsed: toml::Table = snippet(&changes).parse().unwrap();
            for change in &changes {
                assert!(
                    default(&format!("{}.{}", change.section, change.key)).is_some(),
                    "{change:?}"
                );
                assert!(parsed[&change.section].get(&change.key).is_some(), "{change:?}");
            }
        }
    }

    #[test]
    fn the_best_run_of_a_sweep_is_recommended_where_it_differs_from_the_default() {
        let best = [
            ("pipeline.batch_events", "4096"),
            ("pipeline.shards", "0"),
            ("storage.database_url", "x"),
        ];
        let best = best.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let swept = ["pipeline.batch_events".to_owned(), "pipeline.shards".to_owned()];
        let changes = of_sweep(&best, &swept, (900.0, 500.0), (2, "events/s processed"));
        assert_eq!(keys(&changes), ["pipeline.batch_events"]);
        assert!(
            changes[0].reason.contains("best of 2 runs: 900 events/s processed"),
            "{changes:?}"
        );
        let by_chance = of_sweep(&best, &swept, (900.0, 890.0), (2, "events/s processed"));
        assert_eq!(by_chance, [], "no more than chance");
    }
}
