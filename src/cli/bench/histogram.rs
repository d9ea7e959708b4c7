//! Latencies in buckets that are at most 1/128 wide of their values. Memory does not grow with the count.

use std::time::Duration;

/// Two significant digits: 128 buckets in each doubling.
const DIGITS: u8 = 2;

/// An hour: a latency above it counts as an hour.
const LONGEST: u64 = 3_600_000_000;

/// Latencies in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    #[allow(clippy::expect_used)] // Both numbers are constants within the bounds that the crate documents.
    fn default() -> Self {
        Self(hdrhistogram::Histogram::new_with_max(LONGEST, DIGITS).expect("bounds of a histogram"))
    }
}

impl Histogram {
    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        // It fails for values beyond the bounds only, and all histograms have the same.
        let _ = self.0.add(&other.0);
    }

    /// Returns the milliseconds that this share of all took at most, or `None` if there are none.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        self.some(|all| millis(all.value_at_quantile(share).min(all.max())))
    }

    /// Returns the number of latencies.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the milliseconds on the average, or `None` if there are none.
    pub(super) fn mean(&self) -> Option<f64> {
        self.some(|all| all.mean() / 1000.0)
    }

    /// Returns the milliseconds of the slowest, or `None` if there are none.
    pub(super) fn max(&self) -> Option<f64> {
        self.some(|all| millis(all.max()))
    }

    fn some(&self, what: impl FnOnce(&hdrhistogram::Histogram<u64>) -> f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| what(&self.0))
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
    fn buckets_are_narrow_and_the_longest_latencies_are_counted() {
        for micros in [200, 1_000, 123_456, 60_000_000] {
            let mut one = Histogram::default();
            one.add(Duration::from_micros(micros));
            let shown = one.quantile(0.5).unwrap() * 1000.0;
            let exact = f64::from(u32::try_from(micros).unwrap());
            assert!(shown >= exact && shown - exact <= exact / 128.0, "{micros}: {shown}");
        }
        let mut long = Histogram::default();
        long.add(Duration::from_secs(7_200));
        assert!(long.max().unwrap() >= 3_600_000.0);
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
