//! The results, as programs read them.

use std::collections::BTreeMap;

use clap::ValueEnum;
use conduit_actors::ids::Timestamp;
use serde::Serialize;

use super::advice::{self, Change};
use super::curve::CurveResult;
use super::histogram::Histogram;
use super::load::LoadResult;
use super::machine::Machine;
use super::overload::Overload;
use super::server::Server;
use super::session::Timeline;
use super::settings::Combination;
use super::shape::Shape;

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

/// All results.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    duration_seconds: u64,
    pub(super) connections: usize,
    threads: usize,
    /// Events a second that were to be sent; null: a closed loop.
    pub(super) rate: Option<u32>,
    pub(super) controllers: u64,
    pub(super) subjects: u64,
    pub(super) zipf: f64,
    pub(super) event_bytes: usize,
    #[serde(flatten)]
    pub(super) origin: Origin,
    pub(super) runs: Vec<Run>,
    /// The best run's place in `runs`; null if there is but one.
    pub(super) best: Option<usize>,
    pub(super) overload: Option<Overload>,
    pub(super) curve: Option<CurveResult>,
    /// Of an overload; those of runs are with them.
    pub(super) timeline: Option<Timeline>,
    /// Settings to change; null if none can follow from what was measured.
    pub(super) recommendation: Option<Vec<Change>>,
}

/// Where and when the figures were measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Origin {
    pub(super) measured_at: String,
    /// Where the load came from and, unless the server is elsewhere, the server ran.
    pub(super) machine: Machine,
    /// Whether the server was there already, perhaps on another machine.
    pub(super) is_elsewhere: bool,
    /// Of the server.
    pub(super) version: Option<String>,
    pub(super) store: Option<String>,
}

/// One run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) settings: BTreeMap<String, String>,
    seconds: f64,
    sent: u64,
    pub(super) accepted: u64,
    pub(super) accepted_per_second: f64,
    pub(super) latency_ms: Latency,
    pub(super) refused: BTreeMap<String, u64>,
    /// Null if the sums could not be asked for.
    pub(super) pipeline: Option<Pipeline>,
    pub(super) timeline: Timeline,
}

/// Latencies of accepted events, in milliseconds; null without events.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) mean: Option<f64>,
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) p999: Option<f64>,
    pub(super) max: Option<f64>,
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
    pub(super) fn new(
        settings: &Combination,
        sent: LoadResult,
        pipeline: Option<Pipeline>,
        timeline: Timeline,
    ) -> Self {
        let settings = settings
            .iter()
            .map(|setting| (setting.key().to_owned(), setting.value().to_owned()));
        Self {
            settings: settings.collect(),
            seconds: sent.seconds,
            sent: sent.accepted + sent.refused_count(),
            accepted: sent.accepted,
            accepted_per_second: per_second(sent.accepted, sent.seconds),
            latency_ms: Latency::of(&sent.latency),
            refused: sent.refused,
            pipeline,
            timeline,
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
}

impl Report {
    /// Creates a report without results.
    pub(super) fn new(shape: &Shape, zipf: f64, origin: Origin) -> Self {
        Self {
            duration_seconds: shape.duration.as_secs(),
            connections: shape.connections,
            threads: shape.threads,
            rate: shape.rate(),
            controllers: shape.population.controllers(),
            subjects: shape.population.subjects(),
            zipf,
            event_bytes: shape.event_bytes,
            origin,
            runs: Vec::new(),
            best: None,
            overload: None,
            curve: None,
            timeline: None,
            recommendation: None,
        }
    }

    /// Chooses the best of several runs, and recommends its settings.
    pub(super) fn choose(&mut self, by: BestBy, swept: &[String]) {
        if self.runs.len() < 2 {
            return;
        }
        let good = self.runs.iter().enumerate().filter(|(_, run)| run.is_good());
        let best = good.max_by(|(_, one), (_, other)| one.worth(by).total_cmp(&other.worth(by)));
        self.best = best.map(|(place, _)| place);
        let unit = match by {
            BestBy::Accepted => "events/s accepted",
            BestBy::Pipeline => "events/s processed",
            BestBy::P99 => "ms (99th percentile of the latency)",
        };
        let worst = self.runs.iter().map(|run| run.worth(by)).min_by(f64::total_cmp);
        let worst = worst.unwrap_or_default().abs();
        self.recommendation = best.map(|(_, run)| {
            let figures = (run.worth(by).abs(), worst);
            advice::of_sweep(&run.settings, swept, figures, (self.runs.len(), unit))
        });
    }

    /// Returns whether every run accepted events and processed them, and no goodput collapsed.
    pub(super) fn is_good(&self) -> bool {
        self.runs.iter().all(Run::is_good) && !self.overload.as_ref().is_some_and(Overload::has_collapsed)
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Origin {
    /// Begins with what is known without the server.
    pub(super) fn new(machine: Machine, is_elsewhere: bool) -> Self {
        Self {
            measured_at: Timestamp::now().to_string(),
            machine,
            is_elsewhere,
            version: None,
            store: None,
        }
    }

    /// Adds what a server says about itself.
    pub(super) fn note(&mut self, server: &Server) {
        self.version = server.watch.as_ref().and_then(super::watch::Watch::version);
        self.store = server.settings.as_ref().map(store);
    }
}

fn store(settings: &toml::Table) -> String {
    let text = |section: &str, key: &str| {
        let value = settings.get(section).and_then(|section| section.get(key)?.as_str());
        value.unwrap_or_default()
    };
    let database = if text("storage", "database_url").starts_with("postgres") {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let windows = if text("dedup", "redis_url").is_empty() {
        "in process"
    } else {
        "in Redis"
    };
    format!("{database}, dedup windows {windows}")
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
