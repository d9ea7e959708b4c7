//! Latencies, counted in buckets that are at most 1/128 wide of what they hold. Memory does not grow with the count.

use std::time::Duration;

/// Buckets in each doubling.
const WIDTH: u64 = 128;

#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// By [`index`].
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = usize::try_from(index(u64::MAX)).unwrap_or(0) + 1;
        Self {
            counts: vec![0; buckets],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

/// Below 128, each value has a bucket; above, each doubling has 128.
const fn index(micros: u64) -> u64 {
    if micros < WIDTH {
        return micros;
    }
    let shift = micros.ilog2() as u64 - WIDTH.ilog2() as u64;
    WIDTH * shift + (micros >> shift)
}

/// The largest value of a bucket.
const fn largest(index: u64) -> u64 {
    if index < WIDTH {
        return index;
    }
    let shift = index / WIDTH - 1;
    let first = (index - WIDTH * shift) << shift;
    first + ((1 << shift) - 1)
}

impl Histogram {
    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = usize::try_from(index(micros))
            .ok()
            .and_then(|at| self.counts.get_mut(at))
        {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(micros);
        self.max = self.max.max(micros);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Milliseconds that this share of all took at most; none if there are none.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in (0..).zip(&self.counts) {
            seen += count;
            if seen >= wanted {
                return Some(millis(largest(at).min(self.max)));
            }
        }
        None
    }

    /// Milliseconds on the average; none if there are none.
    pub(super) fn mean(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)]
        let mean = self.sum as f64 / self.count as f64 / 1000.0;
        (self.count > 0).then_some(mean)
    }

    /// Milliseconds of the slowest; none if there are none.
    pub(super) fn max(&self) -> Option<f64> {
        (self.count > 0).then(|| millis(self.max))
    }
}

#[allow(clippy::cast_precision_loss)] // Microseconds of a century are exact.
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        for at in 0..index(u64::MAX) {
            assert_eq!(index(largest(at)), at);
            assert_eq!(index(largest(at) + 1), at + 1);
        }
        assert_eq!(largest(index(u64::MAX)), u64::MAX);
        for value in [200, 1_000, 123_456, 60_000_000] {
            let error = largest(index(value)) - value;
            assert!(error * WIDTH <= value, "{value}: {error}");
        }
    }

    #[test]
    fn quantiles_are_those_of_all_threads() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        assert_eq!((one.quantile(0.5), one.mean(), one.max()), (None, None, None));
        (1..=50).for_each(|micros| one.add(Duration::from_micros(micros)));
        (51..=100).for_each(|micros| other.add(Duration::from_micros(micros)));
        one.merge(&other);
        assert_eq!(one.quantile(0.5), Some(0.05));
        assert_eq!(one.quantile(0.99), Some(0.099));
        assert_eq!((one.quantile(1.0), one.max()), (Some(0.1), Some(0.1)));
        assert_eq!(one.mean(), Some(0.0505));
    }
}
