//! The measures of the backlog: its age, its size, and how fast it is worked off.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A journal's events in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Events that are accepted and not processed yet.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that were ever in flight since the journal was opened, those of its start included.
    pub appended: u64,
}

impl InFlight {
    /// Returns the number of events that left the journal since it was opened.
    const fn released(self) -> u64 {
        self.appended.saturating_sub(self.events)
    }
}

/// Time between two marks at the least.
const MARK_EVERY: Duration = Duration::from_millis(250);
/// Marks that are kept. When there are more, every second one is dropped.
const MARKS: usize = 4_096;
/// The drain rate is an average over about this time.
const SMOOTHED: Duration = Duration::from_secs(5);
/// The best drain rate is forgotten by half in this time.
const HALVED: Duration = Duration::from_secs(300);

/// The measures, taken from one sample to the next.
#[derive(Debug)]
pub(super) struct Flow {
    sampled: Instant,
    latest: InFlight,
    /// When how many events had been appended: tells the age of the oldest in flight without reading it.
    marks: VecDeque<(Instant, u64)>,
    rate: f64,
    /// The best rate of late. In a flood, senders take the cores from the pipeline, and its present rate says little.
    best: f64,
    /// When an event was last released.
    moved: Instant,
}

impl Flow {
    pub(super) fn new(now: Instant, first: InFlight) -> Self {
        Self {
            sampled: now,
            latest: first,
            marks: VecDeque::from([(now, first.appended)]),
            rate: 0.0,
            best: 0.0,
            moved: now,
        }
    }

    /// Takes a sample. Returns how many events were released since the last one.
    pub(super) fn sample(&mut self, now: Instant, sample: InFlight) -> u64 {
        let released = sample.released().saturating_sub(self.latest.released());
        let elapsed = now.saturating_duration_since(self.sampled).as_secs_f64();
        // A pipeline without work says nothing about its speed.
        if self.latest.events > 0 && elapsed > 0.0 {
            let weight = 1.0 - (-elapsed / SMOOTHED.as_secs_f64()).exp();
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
            let now_per_second = released as f64 / elapsed;
            self.rate += weight * (now_per_second - self.rate);
            let forgotten = (-elapsed / HALVED.as_secs_f64()).exp2();
            self.best = self.rate.max(self.best * forgotten);
        }
        if released > 0 || sample.events == 0 {
            self.moved = now;
        }
        self.mark(now, sample);
        (self.sampled, self.latest) = (now, sample);
        released
    }

    fn mark(&mut self, now: Instant, sample: InFlight) {
        while self
            .marks
            .get(1)
            .is_some_and(|(_, appended)| *appended <= sample.released())
        {
            self.marks.pop_front();
        }
        if self
            .marks
            .back()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= MARK_EVERY)
        {
            self.marks.push_back((now, sample.appended));
        }
        if self.marks.len() > MARKS {
            let mut is_kept = false;
            self.marks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
    }

    /// Returns the last sample.
    pub(super) const fn latest(&self) -> InFlight {
        self.latest
    }

    /// Returns how long ago the oldest event in flight was accepted, about. Events of before the start count from there.
    ///
    /// It is exact if events are processed in the order of their acceptance. Turns of controllers make it an average.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let oldest = self.marks.front().filter(|_| self.latest.events > 0);
        oldest.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }

    /// Returns the events that are worked off in a second.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns how long the pipeline needs for its backlog at the best speed that was seen of late.
    pub(super) fn delay(&self) -> Duration {
        if self.latest.events == 0 {
            return Duration::ZERO;
        }
        #[expect(clippy::cast_precision_loss, reason = "a backlog needs no more than 52 bits")]
        let seconds = self.latest.events as f64 / self.best;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Returns how long no event was released, though there are some.
    pub(super) fn standstill(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(appended: u64, released: u64) -> InFlight {
        InFlight {
            events: appended - released,
            bytes: (appended - released) * 700,
            appended,
        }
    }

    #[test]
    fn the_age_is_that_of_the_oldest_event_in_flight() {
        let start = Instant::now();
        let mut flow = Flow::new(start, InFlight::default());
        let at = |second: u64| start + Duration::from_secs(second);
        for second in 1..=30 {
            // A thousand come each second, and half as many are worked off.
            assert_eq!(flow.sample(at(second), sample(second * 1_000, second * 500)), 500);
        }
        // The event that is next was accepted after fifteen seconds.
        let age = flow.age(at(30)).as_secs();
        assert!((14..=16).contains(&age), "{age}");
        assert!((400.0..=500.0).contains(&flow.rate()), "{}", flow.rate());
        // Fifteen thousand are left.
        assert!((30..=36).contains(&flow.delay().as_secs()), "{:?}", flow.delay());
        flow.sample(at(60), sample(30_000, 30_000));
        assert_eq!(flow.age(at(60)), Duration::ZERO);
    }

    #[test]
    fn idle_time_says_nothing_about_the_speed() {
        let start = Instant::now();
        let mut flow = Flow::new(start, sample(1_000, 0));
        for tenth in 1..=100u64 {
            let released = (tenth * 100).min(1_000);
            flow.sample(start + Duration::from_millis(tenth * 100), sample(1_000, released));
        }
        assert!(flow.rate() > 100.0, "{}", flow.rate());
    }

    #[test]
    fn marks_are_few_however_long_the_backlog_stays() {
        let start = Instant::now();
        let mut flow = Flow::new(start, InFlight::default());
        for quarter in 1..=20_000u64 {
            flow.sample(start + Duration::from_millis(quarter * 250), sample(quarter, 0));
        }
        assert!(flow.marks.len() <= MARKS);
        assert_eq!(flow.age(start + Duration::from_secs(5_000)).as_secs(), 5_000);
    }

    #[test]
    fn a_standstill_is_time_without_a_release_though_there_is_work() {
        let start = Instant::now();
        let mut flow = Flow::new(start, sample(10, 0));
        flow.sample(start + Duration::from_secs(5), sample(20, 0));
        assert_eq!(flow.standstill(start + Duration::from_secs(5)).as_secs(), 5);
        flow.sample(start + Duration::from_secs(6), sample(20, 1));
        assert_eq!(flow.standstill(start + Duration::from_secs(6)), Duration::ZERO);
    }
}
