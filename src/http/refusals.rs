//! Log lines about refused requests: a few of each kind in a minute, and one line that sums up the others.
//!
//! A refusal is somebody's clue, with the request's id in it. But when a journal is full or a sender has gone wild, there is
//! one for each request, and the log fills the disk that the events need.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::code::Code;

/// Lines for each code in a minute.
const LINES: u64 = 60;
/// The same where one refusal is like the other: it is this service that cannot take any, or a limit that is reached.
const LINES_OF_MANY: u64 = 5;

/// The codes of such refusals.
const OF_MANY: [Code; 10] = [
    Code::AboveCapacity,
    Code::JournalFull,
    Code::JournalUnavailable,
    Code::Overloaded,
    Code::BacklogLimitExceeded,
    Code::RateLimitExceeded,
    Code::TooManyFailures,
    Code::CredentialsUnconfirmed,
    Code::DatabaseUnavailable,
    Code::ShuttingDown,
];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    refused: u64,
    logged: u64,
}

/// Refusals since the last summary.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<(&'static str, Code), Count>>);

impl Refusals {
    /// Counts a refusal. Returns whether it is to have a log line of its own.
    pub(crate) fn count(&self, endpoint: &'static str, code: Code) -> bool {
        let most = if OF_MANY.contains(&code) { LINES_OF_MANY } else { LINES };
        let mut counts = self.0.lock();
        let count = counts.entry((endpoint, code)).or_default();
        count.refused += 1;
        let is_logged = count.logged < most;
        count.logged += u64::from(is_logged);
        is_logged
    }

    /// Takes the counts that were not logged one by one.
    fn take(&self) -> Vec<((&'static str, Code), Count)> {
        let counts = std::mem::take(&mut *self.0.lock());
        counts
            .into_iter()
            .filter(|(_, count)| count.refused > count.logged)
            .collect()
    }

    /// Writes a line for each code of which there were more.
    pub(crate) fn sum_up(&self) {
        for ((endpoint, code), count) in self.take() {
            let (refused, left_out) = (count.refused, count.refused - count.logged);
            if OF_MANY.contains(&code) {
                tracing::warn!(
                    endpoint,
                    code = code.as_str(),
                    refused,
                    left_out,
                    "refusals in the last minute"
                );
            } else {
                tracing::info!(
                    endpoint,
                    code = code.as_str(),
                    refused,
                    left_out,
                    "refusals in the last minute"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_have_a_line_each_and_the_others_are_counted() {
        let refusals = Refusals::default();
        let logged = |endpoint, code, times: u64| (0..times).filter(|_| refusals.count(endpoint, code)).count() as u64;
        assert_eq!(logged("event", Code::JournalFull, 2_112), LINES_OF_MANY);
        assert_eq!(logged("event", Code::JsonInvalid, 100), LINES);
        assert_eq!(logged("api", Code::JournalFull, 3), 3);
        let expected = |refused, logged| Count { refused, logged };
        assert_eq!(
            refusals.take(),
            [
                (("event", Code::JournalFull), expected(2_112, LINES_OF_MANY)),
                (("event", Code::JsonInvalid), expected(100, LINES)),
            ]
        );
        assert!(refusals.take().is_empty());
        assert!(refusals.count("event", Code::JournalFull));
    }
}
