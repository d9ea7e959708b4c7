//! `[limits]`: the default limits of each controller.

use conduit_actors::limits::Limits;

/// Returns the values out of range, each with its key.
pub(super) fn check(limits: &Limits) -> Vec<String> {
    let ranges = [
        (
            "events_per_second",
            u64::from(limits.events_per_second),
            u64::from(Limits::MAX_EVENTS),
        ),
        ("burst", u64::from(limits.burst), u64::from(Limits::MAX_EVENTS)),
        ("backlog_events", limits.backlog_events, Limits::MAX_BACKLOG),
    ];
    let wrong = ranges.iter().filter(|(_, value, most)| value > most);
    wrong
        .map(|(key, value, most)| format!("limits.{key} is {value}, but must be 0 to {most}"))
        .collect()
}
