//! Makes spans and queues them for the exporter.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::{mpsc, oneshot};

use super::context::{SpanContext, parse};
use super::links::Links;
use super::shared::{Shared, SpanCounts};
use super::span::Span;
use super::{export, otlp};
use crate::config::TelemetryConfig;

/// Makes spans. Absent while tracing is off.
pub struct Tracer {
    ratio: f64,
    queue: mpsc::Sender<Span>,
    shared: Arc<Shared>,
    pub(super) links: Links,
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

    /// Returns the span of a request that is traced, and the span that it came from. The request goes on with the trace that
    /// its `traceparent` names, or begins one. Returns `None` if it is not traced.
    #[must_use]
    pub fn sample(&self, traceparent: Option<&str>) -> Option<(SpanContext, Option<SpanContext>)> {
        match traceparent.and_then(parse) {
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

    /// Returns how many spans were exported and dropped.
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
