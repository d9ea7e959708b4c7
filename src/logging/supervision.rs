//! The last lines of the supervision log, kept for those who have no log at hand.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use conduit_actors::ids::Timestamp;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of the supervisors' and dispatchers' log lines.
const TARGET: &str = "conduit::supervision";
/// Lines that are kept.
const MAX_LINES: usize = 100;
/// Bytes of a line's message, and of its fields, that are kept.
const MAX_BYTES: usize = 1_000;

static LINES: Lines = Lines(Mutex::new((0, VecDeque::new())));

/// One line, as the log has it.
#[derive(Debug, Clone)]
pub(crate) struct LogLine {
    /// Counts the lines of this process.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) shard: Option<String>,
    pub(crate) actor: Option<String>,
    /// The other fields, as `name=value`.
    pub(crate) fields: String,
}

/// With how many there have been.
struct Lines(Mutex<(u64, VecDeque<LogLine>)>);

/// Returns the last log lines at `info` or above, the newest first.
pub(crate) fn last(most: usize) -> Vec<LogLine> {
    LINES.last(most)
}

impl Lines {
    fn add(&self, event: &Event<'_>) {
        let mut read = FieldReader::default();
        event.record(&mut read);
        let (count, lines) = &mut *self.0.lock();
        *count += 1;
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(LogLine {
            number: *count,
            at: Timestamp::now(),
            level: *event.metadata().level(),
            message: read.message,
            shard: read.shard,
            actor: read.actor,
            fields: read.fields,
        });
    }

    fn last(&self, most: usize) -> Vec<LogLine> {
        self.0.lock().1.iter().rev().take(most).cloned().collect()
    }
}

/// Keeps the lines.
pub(super) struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() == TARGET && *metadata.level() <= Level::INFO {
            LINES.add(event);
        }
    }
}

/// The fields of a line, apart.
#[derive(Default)]
struct FieldReader {
    message: String,
    shard: Option<String>,
    actor: Option<String>,
    fields: String,
}

impl FieldReader {
    fn take(&mut self, name: &str, value: String) {
        match name {
            "message" => self.message = cut(value),
            "shard" => self.shard = Some(cut(value)),
            "actor" => self.actor = Some(cut(value)),
            _ => {
                let apart = if self.fields.is_empty() { "" } else { " " };
                // Writing to a text does not fail.
                let _ = write!(self.fields, "{apart}{name}={value}");
                self.fields = cut(std::mem::take(&mut self.fields));
            }
        }
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    text
}

impl Visit for FieldReader {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_as_they_were_logged() {
        let log = tracing_subscriber::registry().with(Keep);
        tracing::subscriber::with_default(log, || {
            tracing::warn!(target: "conduit::http", "elsewhere");
            for number in 0..MAX_LINES {
                tracing::info!(target: "conduit::supervision", number, "before");
            }
            tracing::debug!(target: "conduit::supervision", "too fine");
            let cause = "ä".repeat(MAX_BYTES);
            tracing::warn!(target: "conduit::supervision", shard = 3, actor = "TestActor", generation = 2, cause, "panicked");
        });
        let lines = last(usize::MAX);
        assert_eq!(lines.len(), MAX_LINES);
        let last = &lines[0];
        assert_eq!((last.message.as_str(), last.level), ("panicked", Level::WARN));
        assert_eq!(
            (last.shard.as_deref(), last.actor.as_deref()),
            (Some("3"), Some("TestActor"))
        );
        assert!(last.fields.starts_with("generation=2 cause=ää") && last.fields.len() <= MAX_BYTES);
        assert_eq!(
            (lines[1].message.as_str(), lines[1].fields.as_str()),
            ("before", "number=99")
        );
        assert_eq!(lines[1].number + 1, last.number);
    }
}
