//! `[retention]`: how long payloads and rows are kept, and the limits of each step.

use serde::{Deserialize, Serialize};

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct RetentionConfig {
    pub payload_days: u64,
    pub payload_bytes: u64,
    pub min_free_bytes: u64,
    pub trial_events: usize,
    pub trial_bytes: usize,
    pub trial_seconds: u64,
    pub rejected_payload_days: u32,
    pub event_days: u32,
    pub activity_days: u32,
    pub check_seconds: u64,
    pub batch_rows: usize,
    pub pause_ms: u64,
}

/// A century: longer is for ever.
const MOST_DAYS: u64 = 36_500;

impl RetentionConfig {
    pub(super) fn check(&self, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range("retention.payload_days", self.payload_days, 0, 3_650);
        range("retention.trial_events", self.trial_events as u64, 1, 100_000);
        range("retention.trial_bytes", self.trial_bytes as u64, 1 << 20, 1 << 30);
        range("retention.trial_seconds", self.trial_seconds, 1, 300);
        let rejected_payload_days = self.rejected_payload_days.into();
        range("retention.rejected_payload_days", rejected_payload_days, 0, MOST_DAYS);
        range("retention.event_days", self.event_days.into(), 0, MOST_DAYS);
        range("retention.activity_days", self.activity_days.into(), 0, MOST_DAYS);
        range("retention.check_seconds", self.check_seconds, 1, 86_400);
        range("retention.batch_rows", self.batch_rows as u64, 1, 10_000);
        range("retention.pause_ms", self.pause_ms, 0, 60_000);
    }

    /// Checks the periods against each other.
    pub(super) fn check_periods(&self, wrong: &mut Vec<String>) {
        if self.event_days == 1 {
            // A window is a day at the most, and its claims are in these rows.
            let text = "retention.event_days must be 0 or at least 2: repeats are known by the events of a day";
            wrong.push(text.to_owned());
        }
        let outlive = self.activity_days == 0 || (self.event_days > 0 && self.activity_days >= self.event_days);
        if !outlive {
            let text =
                "retention.activity_days must be 0 or at least event_days: an event's subject is found by its activity";
            wrong.push(text.to_owned());
        }
    }
}

#[cfg(test)]
impl RetentionConfig {
    /// Returns the defaults with these periods.
    pub(crate) fn with_days(rejected_payload_days: u32, event_days: u32, activity_days: u32) -> Self {
        let mut defaults: toml::Table = super::DEFAULTS.parse().unwrap();
        let section: Self = defaults.remove("retention").unwrap().try_into().unwrap();
        Self {
            rejected_payload_days,
            event_days,
            activity_days,
            ..section
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_outlive_their_windows_and_activities_their_events() {
        let wrong = |event_days, activity_days| {
            let mut wrong = Vec::new();
            RetentionConfig::with_days(30, event_days, activity_days).check_periods(&mut wrong);
            wrong.len()
        };
        for (events, activities) in [(0, 0), (2, 0), (400, 400), (400, 4_000)] {
            assert_eq!(wrong(events, activities), 0, "{events} {activities}");
        }
        for (events, activities) in [(1, 0), (0, 400), (400, 399)] {
            assert_eq!(wrong(events, activities), 1, "{events} {activities}");
        }
    }
}
