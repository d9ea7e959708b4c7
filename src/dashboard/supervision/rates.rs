//! How much each actor does in a second, between two looks at the page.

use std::time::{Duration, Instant};

use conduit_actors::shard::ShardReport;
use parking_lot::Mutex;

/// Looks closer together than this would give figures that jump.
const APART: Duration = Duration::from_secs(2);
/// The age from which an observation says nothing about the present.
const STALE: Duration = Duration::from_secs(30);

/// Jobs handled, by shard and actor.
type Counts = Vec<Vec<u64>>;

#[derive(Default)]
struct Observation {
    at: Option<Instant>,
    counts: Counts,
    rates: Vec<Vec<Option<f64>>>,
}

/// Shared by all who look.
#[derive(Default)]
pub(in crate::dashboard) struct Rates(Mutex<Observation>);

impl Rates {
    /// Returns jobs per second, in the reports' order. `None` where there is nothing to compare with yet.
    pub(in crate::dashboard) fn of(&self, reports: &[ShardReport]) -> Vec<Vec<Option<f64>>> {
        let handled = |report: &ShardReport| report.actors.iter().map(|actor| actor.handled).collect();
        self.at(Instant::now(), reports.iter().map(handled).collect())
    }

    #[allow(clippy::cast_precision_loss)] // A rate.
    fn at(&self, now: Instant, counts: Counts) -> Vec<Vec<Option<f64>>> {
        let mut seen = self.0.lock();
        let passed = seen.at.map(|at| now.duration_since(at));
        if passed.is_some_and(|passed| passed < APART) && seen.rates.len() == counts.len() {
            return seen.rates.clone();
        }
        let seconds = passed
            .filter(|passed| *passed < STALE)
            .map(|passed| passed.as_secs_f64());
        let rate = |shard: usize, actor: usize, count: u64| {
            let before = *seen.counts.get(shard)?.get(actor)?;
            Some(count.saturating_sub(before) as f64 / seconds?)
        };
        let rates: Vec<Vec<Option<f64>>> = counts
            .iter()
            .enumerate()
            .map(|(shard, actors)| {
                actors
                    .iter()
                    .enumerate()
                    .map(|(actor, count)| rate(shard, actor, *count))
                    .collect()
            })
            .collect();
        *seen = Observation {
            at: Some(now),
            counts,
            rates: rates.clone(),
        };
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_done_between_two_looks() {
        let (rates, start) = (Rates::default(), Instant::now());
        assert_eq!(rates.at(start, vec![vec![10, 0]]), [[None, None]]);
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rates.at(later(4), vec![vec![50, 0]]), [[Some(10.0), Some(0.0)]]);
        // Too close to the look before: its figures.
        assert_eq!(rates.at(later(5), vec![vec![500, 0]]), [[Some(10.0), Some(0.0)]]);
        assert_eq!(rates.at(later(100), vec![vec![501, 1]]), [[None, None]]);
        assert_eq!(rates.at(later(110), vec![vec![511, 1], vec![3]])[1], [None]);
    }
}
