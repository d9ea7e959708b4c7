//! How long rows are kept.

use serde::{Deserialize, Serialize};

/// `[retention]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct RetentionConfig {
    pub rejected_payload_days: u32,
    pub event_days: u32,
    pub activity_days: u32,
    pub check_seconds: u64,
    pub batch_rows: usize,
    pub pause_ms: u64,
}

/// A century: longer is for ever.
const MOST_DAYS: u32 = 36_500;

impl RetentionConfig {
    /// What is wrong with it.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        let mut range = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                wrong.push(format!("retention.{key} is {value}, but must be {least} to {most}"));
            }
        };
        let most = u64::from(MOST_DAYS);
        range("rejected_payload_days", self.rejected_payload_days.into(), 0, most);
        range("event_days", self.event_days.into(), 0, most);
        range("activity_days", self.activity_days.into(), 0, most);
        range("check_seconds", self.check_seconds, 1, 86_400);
        range("batch_rows", self.batch_rows as u64, 1, 10_000);
        range("pause_ms", self.pause_ms, 0, 60_000);
        if self.event_days == 1 {
            // A window is a day at the most, and its claims are in these rows.
            wrong.push(
                "retention.event_days must be 0 or at least 2: repeats are known by the events of a day".to_owned(),
            );
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
mod tests {
    use super::*;

    fn wrong(event_days: u32, activity_days: u32) -> Vec<String> {
        let mut wrong = Vec::new();
        let config = RetentionConfig {
            rejected_payload_days: 30,
            event_days,
            activity_days,
            check_seconds: 3_600,
            batch_rows: 500,
            pause_ms: 50,
        };
        config.check(&mut wrong);
        wrong
    }

    #[test]
    fn events_outlive_their_windows_and_activities_their_events() {
        for (events, activities) in [(0, 0), (2, 0), (400, 400), (400, 4_000), (36_500, 36_500)] {
            assert_eq!(wrong(events, activities), [""; 0], "{events} {activities}");
        }
        for (events, activities) in [(1, 0), (0, 400), (400, 399), (36_501, 0)] {
            assert_eq!(wrong(events, activities).len(), 1, "{events} {activities}");
        }
    }
}
