//! A server under one load after another, and the timeline of all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::super::client::Webhook;
use super::super::output::complain;
use super::histogram::Histogram;
use super::interrupt;
use super::load::{self, LoadResult};
use super::pace::Order;
use super::population::float;
use super::sampler::{Sample, Sampler, Window, pause};
use super::server::Server;
use super::shape::Shape;

/// Most samples of a server that a timeline keeps for its reader.
const MOST_SAMPLES: usize = 600;

/// People of a preload after whom the progress is told.
const PART_OF_PRELOAD: usize = 500_000;

/// A server, and the loads so far.
pub(super) struct Session<'a> {
    webhooks: Arc<[Webhook]>,
    shape: &'a Shape,
    sampler: Sampler,
    /// How long a backlog may take.
    patience: Duration,
    tell: bool,
    timeline: Timeline,
}

/// A load, and when it was.
pub(super) struct Offer {
    pub(super) sent: LoadResult,
    pub(super) samples: Vec<Sample>,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Offer {
    /// Returns the load's time, except a share of it at the beginning.
    pub(super) fn window(&self, except: f64) -> Window<'_> {
        Window::new(&self.samples, self.from + (self.to - self.from) * except, self.to)
    }
}

/// Loads, answers and samples by time. Times are seconds since the session began.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Timeline {
    pub(super) phases: Vec<Phase>,
    pub(super) answers: Vec<Answers>,
    pub(super) server: Vec<Sample>,
}

/// A load.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The answers within a part of the time; latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answers {
    /// The middle of that part.
    pub(super) at: f64,
    pub(super) accepted_per_second: f64,
    pub(super) refused_per_second: f64,
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) p999: Option<f64>,
}

impl Timeline {
    /// Adds a load that began at a moment.
    pub(super) fn add(&mut self, name: &str, from: f64, to: f64, sent: &LoadResult) {
        self.phases.push(Phase {
            name: name.to_owned(),
            from,
            to,
        });
        for (place, part) in sent.parts.iter().enumerate() {
            let begins = float(place as u64) * sent.part_seconds;
            let per_second = |count: u64| float(count) / sent.part_seconds;
            // The last answers of a load come after its end.
            if begins < to - from {
                self.answers.push(Answers {
                    at: from + begins + sent.part_seconds / 2.0,
                    accepted_per_second: per_second(part.latency.count()),
                    refused_per_second: per_second(part.refused),
                    p50: part.latency.quantile(0.5),
                    p90: part.latency.quantile(0.9),
                    p99: part.latency.quantile(0.99),
                    p999: part.latency.quantile(0.999),
                });
            }
        }
    }
}

/// Returns samples in equal distances, so many at most.
fn thinned(samples: &[Sample]) -> Vec<Sample> {
    let step = samples.len().div_ceil(MOST_SAMPLES).max(1);
    samples.iter().step_by(step).copied().collect()
}

impl<'a> Session<'a> {
    /// Begins with a server that tells its totals.
    ///
    /// # Errors
    /// The server cannot be watched.
    pub(super) fn begin(server: &Server, shape: &'a Shape, patience: Duration, tell: bool) -> Result<Self> {
        let watch = server.watch.as_ref();
        let watch = watch.context("the server's totals are unknown: give --token")?;
        Ok(Self {
            webhooks: Arc::clone(&server.webhooks),
            shape,
            sampler: Sampler::start(watch, server.pid)?,
            patience,
            tell,
            timeline: Timeline::default(),
        })
    }

    /// Prints a line about the progress.
    pub(super) fn tell(&self, line: &str) {
        if self.tell {
            complain!("{line}");
        }
    }

    /// Sends an event of each person, so that all are stored, and waits for their outcomes.
    ///
    /// # Errors
    /// The load cannot be made, or an interrupt came.
    pub(super) fn preload(&mut self) -> Result<()> {
        let people = self.shape.population.subjects();
        self.tell(&format!("storing {people} data subjects before the measuring"));
        let began = Instant::now();
        let mut accepted = 0;
        for first in (0..people).step_by(PART_OF_PRELOAD) {
            let end = people.min(first + PART_OF_PRELOAD as u64);
            let order = Order::Each {
                people: first..end,
                in_flight: self.sampler.in_flight(),
            };
            let duration = Duration::from_secs(3600);
            let shape = Shape {
                order,
                duration,
                ..self.shape.clone()
            };
            accepted += load::send(&self.webhooks, &shape)?.accepted;
            ensure!(!interrupt::came(), "interrupted");
            if end < people {
                self.tell(&format!(
                    "{end} of {people} are sent after {:.0} s",
                    began.elapsed().as_secs_f64()
                ));
            }
        }
        self.settle()?;
        ensure!(
            accepted >= people,
            "only {accepted} of {people} data subjects were stored"
        );
        self.tell(&format!("stored them in {:.0} s", began.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Makes a load. Its time ends with `duration`, although the last answers may come later.
    ///
    /// # Errors
    /// The load cannot be made, the server tells no totals, or an interrupt came.
    pub(super) fn offer(&mut self, name: &str, order: Order, duration: Duration) -> Result<Offer> {
        let shape = Shape {
            order,
            duration,
            ..self.shape.clone()
        };
        let from = self.sampler.after(self.sampler.now())?.at;
        let began = self.sampler.now();
        let sent = self.send(name, &shape)?;
        ensure!(!interrupt::came(), "interrupted");
        let to = began + duration.as_secs_f64();
        self.sampler.after(to)?;
        let mut samples = self.sampler.samples();
        samples.retain(|sample| sample.at >= from);
        Ok(Offer {
            sent,
            samples,
            from: began,
            to,
        })
    }

    /// Makes a load, and waits for its last answer only.
    ///
    /// # Errors
    /// The load cannot be made.
    pub(super) fn send(&mut self, name: &str, shape: &Shape) -> Result<LoadResult> {
        let began = self.sampler.now();
        let sent = load::send(&self.webhooks, shape)?;
        self.timeline
            .add(name, began, began + shape.duration.as_secs_f64(), &sent);
        Ok(sent)
    }

    /// Waits until no event is in flight. Returns the seconds that it took, or `None` if it took longer than the patience.
    ///
    /// # Errors
    /// The server tells no totals, or an interrupt came.
    pub(super) fn settle(&mut self) -> Result<Option<f64>> {
        let began = self.sampler.now();
        loop {
            let sample = self.sampler.after(self.sampler.now())?;
            ensure!(!interrupt::came(), "interrupted");
            if sample.in_flight == 0 {
                return Ok(Some(sample.at - began));
            }
            if self.sampler.now() - began > self.patience.as_secs_f64() {
                return Ok(None);
            }
            pause(Duration::from_millis(50));
        }
    }

    /// Returns the timeline so far, and the samples of which it has a part.
    pub(super) fn end(mut self) -> (Timeline, Vec<Sample>) {
        let samples = self.sampler.samples();
        self.timeline.server = thinned(&samples);
        (self.timeline, samples)
    }
}

/// Returns the percentiles of answers in milliseconds, for a table.
pub(super) fn percentiles(latency: &Histogram) -> [Option<f64>; 4] {
    [0.5, 0.9, 0.99, 0.999].map(|share| latency.quantile(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_has_rates_and_keeps_few_samples() {
        let mut sent = LoadResult {
            part_seconds: 0.5,
            ..LoadResult::default()
        };
        sent.parts.resize_with(3, load::Part::default);
        sent.parts[1].latency.add(Duration::from_millis(8));
        sent.parts[1].refused = 2;
        let mut timeline = Timeline::default();
        timeline.add("x", 10.0, 11.0, &sent);
        assert_eq!(timeline.answers.len(), 2, "the third part is after the end");
        let answers = &timeline.answers[1];
        assert_eq!(
            (answers.at, answers.accepted_per_second, answers.refused_per_second),
            (10.75, 2.0, 4.0)
        );
        assert!(answers.p50.is_some() && timeline.answers[0].p50.is_none());
        let many = vec![Sample::default(); 10_000];
        assert!((300..=MOST_SAMPLES).contains(&thinned(&many).len()));
        assert_eq!(thinned(&many[..3]).len(), 3);
    }
}
