//! The results of the runs, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use super::histogram::Histogram;
use super::load::{LoadResult, Shape};
use super::settings::Combination;

/// The criterion for the best run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BestBy {
    /// Most events accepted a second.
    Accepted,
    /// Most events worked off a second, from the first one sent until none is in flight.
    Pipeline,
    /// Lowest 99th percentile of latency.
    P99,
}

/// All runs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    duration_seconds: u64,
    connections: usize,
    threads: usize,
    /// Events a second that were to be sent; null: a closed loop.
    rate: Option<u32>,
    subjects: u32,
    event_bytes: usize,
    runs: Vec<Run>,
    /// The best run's place in `runs`; null if there is but one.
    best: Option<usize>,
}

/// One run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    settings: BTreeMap<String, String>,
    seconds: f64,
    sent: u64,
    accepted: u64,
    accepted_per_second: f64,
    latency_ms: Latency,
    refused: BTreeMap<String, u64>,
    /// Null if the sums could not be asked for.
    pipeline: Option<Pipeline>,
}

/// Latencies of accepted events, in milliseconds; null without events.
#[derive(Debug, Serialize)]
struct Latency {
    mean: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
}

/// The outcomes of the events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pipeline {
    pub(super) processed: u64,
    pub(super) duplicate: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    /// When the waiting ended.
    pub(super) in_flight: u64,
    /// In flight when the load ended.
    pub(super) backlog: u64,
    /// Until it was worked off.
    pub(super) backlog_seconds: f64,
    /// From the first event sent until none was in flight.
    pub(super) events_per_second: f64,
}

impl Latency {
    fn of(histogram: &Histogram) -> Self {
        Self {
            mean: histogram.mean(),
            p50: histogram.quantile(0.5),
            p90: histogram.quantile(0.9),
            p99: histogram.quantile(0.99),
            p999: histogram.quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl Run {
    pub(super) fn new(settings: &Combination, sent: LoadResult, pipeline: Option<Pipeline>) -> Self {
        let settings = settings
            .iter()
            .map(|setting| (setting.key().to_owned(), setting.value().to_owned()));
        Self {
            settings: settings.collect(),
            seconds: sent.seconds,
            sent: sent.accepted + sent.refused.values().sum::<u64>(),
            accepted: sent.accepted,
            accepted_per_second: per_second(sent.accepted, sent.seconds),
            latency_ms: Latency::of(&sent.latency),
            refused: sent.refused,
            pipeline,
        }
    }

    fn is_good(&self) -> bool {
        self.accepted > 0 && self.pipeline.as_ref().is_none_or(|pipeline| pipeline.in_flight == 0)
    }

    /// Returns the worth of a run: the greater the better.
    fn worth(&self, by: BestBy) -> f64 {
        match by {
            BestBy::Accepted => self.accepted_per_second,
            BestBy::Pipeline => self
                .pipeline
                .as_ref()
                .map_or(0.0, |pipeline| pipeline.events_per_second),
            BestBy::P99 => self.latency_ms.p99.map_or(f64::MIN, |p99| -p99),
        }
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let refused: u64 = self.refused.values().sum();
        writeln!(text, "accepted   {} ({:.0}/s)", self.accepted, self.accepted_per_second)?;
        writeln!(text, "refused    {refused}")?;
        for (code, count) in &self.refused {
            writeln!(text, "             {count} {code}")?;
        }
        let latency = &self.latency_ms;
        write!(text, "latency    ")?;
        for (name, value) in [
            ("mean", latency.mean),
            ("p50", latency.p50),
            ("p90", latency.p90),
            ("p99", latency.p99),
            ("p99.9", latency.p999),
            ("max", latency.max),
        ] {
            write!(text, "{name} {}  ", milliseconds(value))?;
        }
        writeln!(text, "ms")?;
        let Some(pipeline) = &self.pipeline else {
            return writeln!(text, "pipeline   unknown: give --token to measure the backlog");
        };
        writeln!(
            text,
            "pipeline   {:.0} events/s; a backlog of {} processed in {:.1} s",
            pipeline.events_per_second, pipeline.backlog, pipeline.backlog_seconds
        )?;
        writeln!(
            text,
            "outcomes   {} processed, {} duplicate, {} rejected, {} failed",
            pipeline.processed, pipeline.duplicate, pipeline.rejected, pipeline.failed
        )?;
        if pipeline.in_flight > 0 {
            writeln!(
                text,
                "           {} still in flight: --patience is over",
                pipeline.in_flight
            )?;
        }
        Ok(())
    }
}

impl Report {
    pub(super) fn new(runs: Vec<Run>, shape: &Shape, by: BestBy) -> Self {
        let good = runs.iter().enumerate().filter(|(_, run)| run.is_good());
        let best = good.max_by(|(_, one), (_, other)| one.worth(by).total_cmp(&other.worth(by)));
        let best = best.map(|(place, _)| place).filter(|_| runs.len() > 1);
        Self {
            duration_seconds: shape.duration.as_secs(),
            connections: shape.connections,
            threads: shape.threads,
            rate: shape.rate,
            subjects: shape.subjects,
            event_bytes: shape.event_bytes,
            runs,
            best,
        }
    }

    /// Returns whether every run accepted events and processed them.
    pub(super) fn is_good(&self) -> bool {
        self.runs.iter().all(Run::is_good)
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = match &self.runs[..] {
            [run] => run.text(&mut text),
            runs => self.table(runs, &mut text),
        };
        text
    }

    fn table(&self, runs: &[Run], text: &mut String) -> std::fmt::Result {
        let keys: Vec<&String> = runs
            .first()
            .map(|run| run.settings.keys().collect())
            .unwrap_or_default();
        let mut rows: Vec<Vec<String>> = Vec::with_capacity(runs.len() + 1);
        let columns = [
            "accepted/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "refused",
            "pipeline/s",
            "in flight",
        ];
        let head = [String::new()].into_iter().chain(keys.iter().map(|key| (*key).clone()));
        rows.push(head.chain(columns.map(str::to_owned)).collect());
        for (place, run) in runs.iter().enumerate() {
            let mark = if self.best == Some(place) { "best" } else { "" };
            let mut row = vec![mark.to_owned()];
            row.extend(
                keys.iter()
                    .map(|key| run.settings.get(*key).cloned().unwrap_or_default()),
            );
            row.push(format!("{:.0}", run.accepted_per_second));
            let latency = &run.latency_ms;
            row.extend([latency.p50, latency.p99, latency.max].map(milliseconds));
            row.push(run.refused.values().sum::<u64>().to_string());
            let pipeline = run.pipeline.as_ref();
            row.push(pipeline.map_or_else(String::new, |pipeline| format!("{:.0}", pipeline.events_per_second)));
            row.push(pipeline.map_or_else(String::new, |pipeline| pipeline.in_flight.to_string()));
            rows.push(row);
        }
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        for row in rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:>width$}"))
                .collect();
            writeln!(text, "{}", cells.join("  "))?;
        }
        Ok(())
    }
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
