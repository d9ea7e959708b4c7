//! The state of the parts of a running Conduit, read at each scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use conduit_actors::ids::Timestamp;
use conduit_actors::shard::{ShardReport, Shards};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::seconds;
use crate::dedup::DedupWindows;
use crate::directory::LiveDirectory;
use crate::journal::NodeJournal;
use crate::logging::lost_lines;
use crate::telemetry::Tracer;

/// The counts of the HTTP edge.
pub trait EdgeReport: Send + Sync {
    /// Returns the bytes of request bodies in memory.
    fn body_bytes(&self) -> u64;
    /// Returns the bytes of request bodies that may be in memory.
    fn body_bytes_limit(&self) -> u64;
    /// Returns the number of open connections.
    fn connections(&self) -> u64;
    /// Returns how many connections were closed at once, since their address had as many as it may have.
    fn connections_refused(&self) -> u64;
    /// Returns how many connections without a request under way were closed to make room.
    fn connections_closed(&self) -> u64;
}

/// The parts that report.
pub struct Reports {
    /// Where events are durable.
    pub journal: Arc<dyn NodeJournal>,
    /// The pipeline.
    pub shards: Arc<Shards>,
    /// The dedup windows.
    pub dedup: DedupWindows,
    /// Controllers and integrations.
    pub directory: Arc<LiveDirectory>,
    /// The HTTP edge.
    pub edge: Arc<dyn EdgeReport>,
    /// Traces; none while they are off.
    pub tracer: Option<Arc<Tracer>>,
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reports")
    }
}

/// Writes metrics of reports.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([(&'static str, String); N], f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        series
            .into_iter()
            .try_for_each(|(labels, value)| ConstGauge::new(value).encode(metric.encode_family(&labels)?))
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([(&'static str, String); N], impl EncodeCounterValue)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        series
            .into_iter()
            .try_for_each(|(labels, value)| ConstCounter::new(value).encode(metric.encode_family(&labels)?))
    }
}

impl Collector for Reports {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.journal(&mut writer)?;
        self.dedup(&mut writer)?;
        self.admission(&mut writer)?;
        let shards = self.shards.report();
        dispatchers(&mut writer, &shards)?;
        let replays = shards.iter().map(|shard| shard.dispatcher.replays).sum();
        writer.gauge("replays_running", "Replays that this node runs", count(replays))?;
        actors(&mut writer, &shards)?;
        let spans = self.tracer.as_ref().map(|tracer| tracer.counts()).unwrap_or_default();
        let by_result = |result: &str, count: u64| ([("result", result.to_owned())], count);
        writer.counters(
            "trace_spans",
            "Spans exported to the collector of traces, and dropped: it was away or refused them, and the queue was full",
            [by_result("exported", spans.exported), by_result("dropped", spans.dropped)],
        )?;
        writer.gauge(
            "body_bytes",
            "Bytes of request bodies in memory, as they count towards server.max_in_flight_bytes",
            count(self.edge.body_bytes()),
        )?;
        writer.gauge(
            "body_bytes_limit",
            "Bytes of request bodies that may be in memory: server.max_in_flight_bytes",
            count(self.edge.body_bytes_limit()),
        )?;
        writer.gauge("connections", "Open connections", count(self.edge.connections()))?;
        writer.counter(
            "connections_refused",
            "Connections closed at once, since their address had as many as it may have",
            self.edge.connections_refused(),
        )?;
        writer.counter(
            "connections_closed",
            "Connections without a request under way that were closed to make room",
            self.edge.connections_closed(),
        )?;
        writer.counter(
            "log_lines_lost",
            "Log lines that could not be written: the reader has gone or stands still, or the disk is full",
            lost_lines(),
        )?;
        writer.gauge("controllers", "Data controllers", count(self.directory.len() as u64))?;
        let version = [([("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)];
        writer.gauges("build", "Always 1; the version is in the label", version)
    }
}

impl Reports {
    fn journal(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let report = self.journal.report();
        writer.counter(
            "accepted",
            "Events accepted: on stable storage and answered 200",
            report.events,
        )?;
        writer.counter(
            "journal_given_up_segments",
            "Retained segments deleted before their time: for the cap, or for want of space",
            report.given_up_segments,
        )?;
        let age = self.journal.oldest_in_flight();
        let age = age.map_or(0.0, |received_at| seconds(received_at, Timestamp::now()));
        let gauges = [
            (
                "journal_in_flight_events",
                "Events accepted and without outcome yet",
                count(report.in_flight_events),
            ),
            (
                "journal_in_flight_bytes",
                "Bytes of these in the journal",
                count(report.in_flight_bytes),
            ),
            (
                "journal_max_bytes",
                "Bytes that may be in flight: journal.max_bytes",
                count(report.max_bytes),
            ),
            (
                "journal_full",
                "1 while events are refused because the journal is full",
                flag(report.full),
            ),
            (
                "journal_fullest_controller_bytes",
                "Bytes in flight of the controller that has most",
                count(report.fullest_controller_bytes),
            ),
            (
                "journal_max_bytes_per_controller",
                "Bytes of one controller that may be in flight: journal.max_bytes_per_controller",
                count(report.max_bytes_per_controller),
            ),
            (
                "journal_full_controllers",
                "Controllers whose events are refused because they have as many bytes in flight as they may",
                count(report.full_controllers as u64),
            ),
            (
                "journal_disk_bytes",
                "Bytes of the journal on disk, but for retained ones",
                count(report.disk_bytes),
            ),
            (
                "journal_retained_bytes",
                "Bytes of segments kept behind the checkpoints",
                count(report.retained_bytes),
            ),
            (
                "journal_retained_segments",
                "Segments kept behind the checkpoints",
                count(report.retained_segments as u64),
            ),
            (
                "journal_segments",
                "Segments of the journal on disk",
                count(report.segments as u64),
            ),
            (
                "journal_oldest_in_flight_seconds",
                "Age of the oldest event without outcome; 0 if there is none",
                age,
            ),
            (
                "journal_refusing",
                "1 while the journal's disk refuses writes",
                flag(report.refusing),
            ),
        ];
        gauges
            .into_iter()
            .try_for_each(|(name, help, value)| writer.gauge(name, help, value))
    }

    fn admission(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let report = self.shards.admission().report();
        writer.gauge(
            "admission_holding",
            "1 while more events arrive than are processed, and only as many are accepted",
            flag(report.holding_since.is_some()),
        )?;
        writer.gauge(
            "admission_backlog_seconds",
            "Seconds that the pipeline needs for the events in flight",
            report.delay.as_secs_f64().min(f64::from(u32::MAX)),
        )?;
        writer.gauge(
            "admission_processed_per_second",
            "Events that are processed in a second, while there are some in flight",
            report.drained_per_second,
        )?;
        writer.gauge(
            "admission_controllers_over_share",
            "Controllers with more than their share of the backlog, while admission holds",
            count(report.over_share_count as u64),
        )?;
        writer.gauge(
            "admission_waiting",
            "Senders that wait for their turn",
            count(report.waiting as u64),
        )?;
        writer.counter(
            "admission_delayed",
            "Events whose senders had to wait for their turn",
            report.delayed,
        )?;
        writer.counter(
            "admission_refused",
            "Events that were answered 500 because their turn did not come in time",
            report.refused,
        )
    }

    fn dedup(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let (report, departures) = (self.dedup.report(), self.dedup.redis_departures());
        writer.gauge(
            "dedup_claims",
            "Claims in the in-process dedup window",
            count(report.claims as u64),
        )?;
        writer.gauge(
            "dedup_window_full",
            "1 if claims were not kept for want of room in the in-process dedup window",
            flag(report.full),
        )?;
        writer.gauge(
            "dedup_redis_away",
            "1 while Redis is configured and does not answer: claims are decided in process",
            flag(self.dedup.is_redis_away()),
        )?;
        writer.counter("dedup_redis_departures", "Times that Redis went away", departures)
    }
}

fn dispatchers(writer: &mut Writer<'_>, shards: &[ShardReport]) -> fmt::Result {
    let each = |value: fn(&ShardReport) -> f64| {
        let series = |shard: &ShardReport| ([("shard", shard.shard.to_string())], value(shard));
        shards.iter().map(series).collect::<Vec<_>>()
    };
    let batches = shards
        .iter()
        .map(|shard| ([("shard", shard.shard.to_string())], shard.dispatcher.batches));
    writer.counters("shard_batches", "Batches committed", batches)?;
    writer.gauges(
        "shard_backlog_events",
        "Events that wait for this shard",
        each(|shard| count(shard.dispatcher.backlog)),
    )?;
    let blocked = shards.iter().flat_map(|shard| {
        let blocked = shard.dispatcher.blocked_seconds;
        [("commit", blocked.commit), ("outage", blocked.outage)].map(|(on, seconds)| {
            let labels = [("shard", shard.shard.to_string()), ("on", on.to_owned())];
            (labels, seconds)
        })
    });
    writer.counters(
        "blocked_seconds",
        "Time that a batch was ready and could not go on, since the one before was being committed (commit), or the \
         database or the dedup window was away (outage); none if it goes on at once. The edge does not block: it refuses",
        blocked,
    )?;
    writer.gauges(
        "shard_suspects",
        "Controllers whose events are being bisected in search of a poison event",
        each(|shard| count(shard.dispatcher.suspects)),
    )?;
    writer.gauges(
        "shard_waiting",
        "1 while the shard waits for the database or the dedup window",
        each(|shard| flag(shard.dispatcher.waiting.is_some())),
    )?;
    writer.gauges(
        "shard_healthy",
        "1 while all actors of the shard are within their restart budgets",
        each(|shard| flag(shard.healthy)),
    )
}

/// Several pairs at the edge may be reported with one shard: they count together.
#[derive(Default)]
struct Actor {
    restarts: u64,
    handled: u64,
    mailbox_depth: u64,
}

fn actors(writer: &mut Writer<'_>, shards: &[ShardReport]) -> fmt::Result {
    let mut actors: BTreeMap<(usize, &'static str), Actor> = BTreeMap::new();
    for shard in shards {
        for report in &shard.actors {
            let actor = actors.entry((shard.shard, report.actor)).or_default();
            actor.restarts += report.restarts;
            actor.handled += report.handled;
            actor.mailbox_depth += report.mailbox_depth as u64;
        }
    }
    let labels = |key: &(usize, &'static str)| [("shard", key.0.to_string()), ("actor", key.1.to_owned())];
    let restarts = actors.iter().map(|(key, actor)| (labels(key), actor.restarts));
    writer.counters("actor_restarts", "Restarts after a panic", restarts)?;
    let handled = actors.iter().map(|(key, actor)| (labels(key), actor.handled));
    writer.counters("actor_jobs", "Jobs done", handled)?;
    let depth = actors
        .iter()
        .map(|(key, actor)| (labels(key), count(actor.mailbox_depth)));
    writer.gauges("actor_mailbox_depth", "Jobs that wait in the mailbox", depth)
}

#[allow(clippy::cast_precision_loss)] // Exact up to 2^53.
fn count(value: u64) -> f64 {
    value as f64
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}
