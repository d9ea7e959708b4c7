//! Traces, by OpenTelemetry's protocol (OTLP over HTTP, protobuf), for whoever follows a request through many systems.
//!
//! Off unless an endpoint is configured; then there is no [`Tracer`], and nothing is done. A request is traced if its
//! `traceparent` (W3C Trace Context) says so, and without one by the sampling ratio. Its span has the append to the journal
//! as its child. The batch that processes the event is a trace of its own, linked to the requests of all its traced events:
//! it has many parents, so to speak, and may run long after they ended.
//!
//! Which request an event came by is kept in memory, not in the journal: what is taken up by another run of the program has
//! no link. The event's id, which both spans have, connects them still.
//!
//! No span has a value of a payload, a credential, an address, a DID or a path with ids in it: methods, routes, statuses,
//! codes, event ids and counts are all there is. `tracestate` is not passed on: its contents are anybody's.
//!
//! Spans wait in a queue of bounded length for a thread of their own. When the collector is away or slow, further spans
//! are dropped and counted; nobody waits.

mod context;
mod export;
mod links;
mod otlp;
mod pipeline;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::{Notify, mpsc, oneshot};

pub use context::SpanContext;
pub use span::{Kind, Span, Value};

use crate::config::TelemetryConfig;
use links::Links;

/// Counts of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped: the queue was full, or the collector refused them.
    pub dropped: u64,
}

/// What the exporter's thread shares with those that make spans.
#[derive(Debug, Default)]
struct Shared {
    exported: AtomicU64,
    dropped: AtomicU64,
    /// Set for the last export.
    ending: AtomicBool,
    end: Notify,
}

/// Makes spans. Absent while tracing is off.
pub struct Tracer {
    ratio: f64,
    queue: mpsc::Sender<Span>,
    shared: Arc<Shared>,
    links: Links,
    ended: parking_lot::Mutex<Option<oneshot::Receiver<()>>>,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer")
            .field("ratio", &self.ratio)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    /// Starts the exporter; none, if no endpoint is configured. `node` names this process's journal.
    ///
    /// # Errors
    /// The endpoint's authorities cannot be used, or there is no thread to be had.
    pub fn start(config: &TelemetryConfig, node: &str) -> Result<Option<Arc<Self>>, String> {
        let Some(endpoint) = config.endpoint()? else {
            return Ok(None);
        };
        let shared = Arc::new(Shared::default());
        let (queue, spans) = mpsc::channel(config.queue_spans);
        let (tell_ended, ended) = oneshot::channel();
        let resource = otlp::resource(&[
            ("service.name", &config.service_name),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", node),
        ]);
        export::start(endpoint, resource, spans, Arc::clone(&shared), tell_ended)?;
        Ok(Some(Arc::new(Self {
            ratio: config.sampling_ratio,
            queue,
            shared,
            links: Links::new(config.queue_spans),
            ended: parking_lot::Mutex::new(Some(ended)),
        })))
    }

    /// Whether a request is traced, and as what: it goes on with the trace that its `traceparent` names, or begins one. The
    /// second is the span that it came from.
    #[must_use]
    pub fn sample(&self, traceparent: Option<&str>) -> Option<(SpanContext, Option<SpanContext>)> {
        match traceparent.and_then(context::parse) {
            Some((parent, is_sampled)) => is_sampled.then(|| (parent.child(), Some(parent))),
            None => (rand::rng().random::<f64>() < self.ratio).then(|| (SpanContext::root(), None)),
        }
    }

    /// Hands a span over. Never waits.
    pub fn record(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of the spans.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        SpanCounts {
            exported: self.shared.exported.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    /// Exports what waits, once, if the collector answers within `patience`.
    pub async fn close(&self, patience: Duration) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.shared.end.notify_one();
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            let _ = tokio::time::timeout(patience, ended).await;
        }
    }
}
