//! Samples of a server under load, twice a second, and what they say about a stretch of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use serde::Serialize;

use super::population::float;
use super::process;
use super::watch::Watch;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a server may take to tell its totals.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sample {
    /// Seconds since the sampling began.
    pub(super) at: f64,
    pub(super) accepted: u64,
    /// Events with an outcome.
    pub(super) done: u64,
    pub(super) in_flight: u64,
    pub(super) in_flight_bytes: Option<f64>,
    /// Age of the oldest event without outcome.
    pub(super) backlog_seconds: Option<f64>,
    /// Processor time of the server's process so far.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    /// Processor time of the sending process so far.
    pub(super) sender_cpu_seconds: Option<f64>,
}

/// A thread that takes samples until it is dropped.
pub(super) struct Sampler {
    started: Instant,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    samples: Mutex<Vec<Sample>>,
    in_flight: Arc<AtomicU64>,
    ended: AtomicBool,
}

impl Sampler {
    /// Begins to sample a server and, if it runs on this machine, its process.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn start(watch: &Watch, pid: Option<u32>) -> Result<Self> {
        let (started, shared) = (Instant::now(), Arc::new(Shared::default()));
        let (watch, sharing) = (watch.clone(), Arc::clone(&shared));
        let work = move || actix_web::rt::System::new().block_on(sample(&watch, pid, started, &sharing));
        let thread = std::thread::Builder::new().name("bench-samples".to_owned()).spawn(work);
        Ok(Self {
            started,
            shared,
            thread: Some(thread.context("cannot start a thread")?),
        })
    }

    /// Returns the seconds since the sampling began.
    pub(super) fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Returns the number of events in flight, which follows the samples.
    pub(super) fn in_flight(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.in_flight)
    }

    /// Waits for a sample after a moment, so that the time before it is known. Returns that sample.
    ///
    /// # Errors
    /// The server does not tell its totals any more.
    pub(super) fn after(&self, at: f64) -> Result<Sample> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(last) = self.shared.samples.lock().last().filter(|last| last.at >= at) {
                return Ok(*last);
            }
            ensure!(
                Instant::now() < deadline,
                "the server does not tell its totals any more"
            );
            pause(Duration::from_millis(20));
        }
    }

    /// Returns all samples so far.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.shared.samples.lock().clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; nothing is left to do.
            let _ = thread.join();
        }
    }
}

/// Waits on a thread that runs nothing else.
pub(super) fn pause(duration: Duration) {
    #[allow(clippy::disallowed_methods)]
    std::thread::sleep(duration);
}

async fn sample(watch: &Watch, pid: Option<u32>, started: Instant, shared: &Shared) {
    let reader = watch.reader();
    while !shared.ended.load(Ordering::Relaxed) {
        let asked = started.elapsed().as_secs_f64();
        // A server that is too busy to answer has a gap.
        if let Ok((totals, metrics)) = reader.read().await {
            let at = f64::midpoint(asked, started.elapsed().as_secs_f64());
            let usage = pid.and_then(process::usage);
            shared.in_flight.store(totals.in_flight, Ordering::Relaxed);
            shared.samples.lock().push(Sample {
                at,
                accepted: totals.accepted,
                done: totals.done(),
                in_flight: totals.in_flight,
                in_flight_bytes: metrics.in_flight_bytes,
                backlog_seconds: metrics.oldest_seconds,
                cpu_seconds: usage.map(|usage| usage.cpu_seconds),
                memory_bytes: usage.map(|usage| usage.memory_bytes),
                sender_cpu_seconds: process::usage(std::process::id()).map(|usage| usage.cpu_seconds),
            });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A stretch of time, as the samples around it tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    samples: &'a [Sample],
    from: f64,
    to: f64,
}

impl<'a> Window<'a> {
    pub(super) const fn new(samples: &'a [Sample], from: f64, to: f64) -> Self {
        Self { samples, from, to }
    }

    pub(super) const fn seconds(&self) -> f64 {
        self.to - self.from
    }

    /// Returns how much a count grew.
    pub(super) fn growth(&self, count: impl Fn(&Sample) -> f64) -> f64 {
        let values: Vec<(f64, f64)> = self.samples.iter().map(|sample| (sample.at, count(sample))).collect();
        interpolated(&values, self.to) - interpolated(&values, self.from)
    }

    /// Returns how much a count grew that some servers do not tell.
    pub(super) fn known_growth(&self, count: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let known = self
            .samples
            .iter()
            .filter_map(|sample| Some((sample.at, count(sample)?)));
        let known: Vec<(f64, f64)> = known.collect();
        (!known.is_empty()).then(|| interpolated(&known, self.to) - interpolated(&known, self.from))
    }

    pub(super) fn done_per_second(&self) -> f64 {
        self.growth(|sample| float(sample.done)) / self.seconds()
    }

    pub(super) fn accepted_per_second(&self) -> f64 {
        self.growth(|sample| float(sample.accepted)) / self.seconds()
    }

    /// Returns a value's maximum within.
    pub(super) fn highest(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        self.values(self.from, self.to, value)
            .into_iter()
            .max_by(f64::total_cmp)
    }

    /// Returns a value's median in the last third, where a load has settled.
    pub(super) fn settled(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let third = self.last_third();
        let mut values = self.values(third.from, third.to, value);
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// Returns the last third, where a load has settled.
    pub(super) fn last_third(&self) -> Self {
        Self {
            from: self.to - self.seconds() / 3.0,
            ..*self
        }
    }

    /// Returns how much the events in flight grew, by the means of the first and the last third.
    pub(super) fn backlog_growth(&self) -> f64 {
        let third = self.seconds() / 3.0;
        let mean = |from: f64, to: f64| {
            let values = self.values(from, to, |sample| Some(float(sample.in_flight)));
            values.iter().sum::<f64>() / float(values.len().max(1) as u64)
        };
        // Between the middles of two thirds lie two thirds of the time.
        (mean(self.to - third, self.to) - mean(self.from, self.from + third)) * 1.5
    }

    fn values(&self, from: f64, to: f64, value: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        let within = self.samples.iter().filter(|sample| (from..=to).contains(&sample.at));
        let values: Vec<f64> = within.filter_map(&value).collect();
        if !values.is_empty() {
            return values;
        }
        // A short stretch may lie between two samples.
        self.samples
            .iter()
            .rfind(|sample| sample.at <= to)
            .and_then(value)
            .into_iter()
            .collect()
    }
}

/// Returns the value at a moment, on the line between the samples around it.
fn interpolated(values: &[(f64, f64)], at: f64) -> f64 {
    let after = values.iter().position(|(time, _)| *time >= at);
    match after {
        None => values.last().map_or(0.0, |(_, value)| *value),
        Some(0) => values[0].1,
        Some(place) => {
            let ((t0, v0), (t1, v1)) = (values[place - 1], values[place]);
            v0 + (v1 - v0) * (at - t0) / (t1 - t0).max(f64::EPSILON)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let sample = |second: u32| Sample {
            at: f64::from(second),
            accepted: u64::from(second) * 200,
            done: u64::from(second) * 100,
            in_flight: u64::from(second) * 100,
            backlog_seconds: Some(f64::from(second) / 2.0),
            memory_bytes: (second == 3).then_some(5),
            ..Sample::default()
        };
        (0..=10).map(sample).collect()
    }

    #[test]
    fn a_stretch_of_time_is_read_between_samples() {
        let samples = samples();
        let window = Window::new(&samples, 1.5, 9.0);
        assert!((window.done_per_second() - 100.0).abs() < 1e-9);
        assert!((window.accepted_per_second() - 200.0).abs() < 1e-9);
        assert!(
            (window.backlog_growth() - 750.0).abs() < 100.0,
            "{}",
            window.backlog_growth()
        );
        assert_eq!(window.settled(|sample| sample.backlog_seconds), Some(4.0));
        assert_eq!(window.highest(|sample| sample.backlog_seconds), Some(4.5));
        assert_eq!(window.known_growth(|sample| sample.cpu_seconds), None);
    }

    #[test]
    fn a_stretch_between_two_samples_has_the_value_before_it() {
        let samples = samples();
        let window = Window::new(&samples, 3.2, 3.4);
        assert_eq!(window.highest(|sample| sample.backlog_seconds), Some(1.5));
        assert!((window.done_per_second() - 100.0).abs() < 1e-6);
        assert_eq!(Window::new(&[], 0.0, 1.0).done_per_second(), 0.0);
    }
}
