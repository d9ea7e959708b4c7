//! The exporter: a thread that brings spans to the collector, some at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use awc::{Client, Connector};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::endpoint::TelemetryEndpoint;
use super::otlp;
use super::shared::Shared;
use super::span::Span;

/// Spans in one request, at most.
const BATCH: usize = 512;
/// How long the first of them waits for more.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is left alone after it did not answer: the first time, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

struct Exporter {
    endpoint: TelemetryEndpoint,
    resource: Vec<u8>,
    client: Client,
    shared: Arc<Shared>,
    is_away: bool,
}

/// The answer of the collector.
enum Answer {
    Taken,
    /// It will not take these, whenever they come.
    Refused(String),
    /// It may take them later.
    Away(String),
}

pub(super) fn start(
    endpoint: TelemetryEndpoint,
    resource: Vec<u8>,
    spans: mpsc::Receiver<Span>,
    shared: Arc<Shared>,
    tell_ended: oneshot::Sender<()>,
) -> Result<(), String> {
    let run = move || {
        actix_web::rt::System::new().block_on(async {
            let builder = Client::builder().timeout(PATIENCE);
            let client = match &endpoint.trust {
                Some(trust) => builder
                    .connector(Connector::new().rustls_0_23(Arc::clone(trust)))
                    .finish(),
                None => builder.finish(),
            };
            let exporter = Exporter {
                endpoint,
                resource,
                client,
                shared,
                is_away: false,
            };
            exporter.run(spans).await;
        });
        let _ = tell_ended.send(());
    };
    let thread = std::thread::Builder::new().name("conduit-traces".to_owned());
    thread.spawn(run).map(drop).map_err(|error| error.to_string())
}

impl Exporter {
    async fn run(mut self, mut queue: mpsc::Receiver<Span>) {
        let mut spans = Vec::new();
        while !self.shared.ending.load(Ordering::Relaxed) {
            self.gather(&mut spans, &mut queue).await;
            let mut backoff = BACKOFF.0;
            while !spans.is_empty() && !self.export(&mut spans).await {
                if timeout(backoff, self.shared.end.notified()).await.is_ok() {
                    break;
                }
                backoff = BACKOFF.1.min(backoff * 2);
            }
        }
        // One more request for the rest, then no more.
        loop {
            while spans.len() < BATCH
                && let Ok(span) = queue.try_recv()
            {
                spans.push(span);
            }
            if spans.is_empty() || !self.export(&mut spans).await {
                break;
            }
        }
        self.drop_all(&mut spans);
    }

    async fn gather(&self, spans: &mut Vec<Span>, queue: &mut mpsc::Receiver<Span>) {
        tokio::select! {
            Some(first) = queue.recv() => spans.push(first),
            () = self.shared.end.notified() => return,
        }
        let more = async {
            while spans.len() < BATCH
                && let Some(span) = queue.recv().await
            {
                spans.push(span);
            }
        };
        tokio::select! {
            () = more => {}
            () = tokio::time::sleep(GATHER) => {}
            // Seen by the caller as well.
            () = self.shared.end.notified() => {}
        }
    }

    /// Exports these spans. Returns whether they are finished: accepted, or refused for good.
    async fn export(&mut self, spans: &mut Vec<Span>) -> bool {
        let body = otlp::request(&self.resource, spans);
        match self.post(body).await {
            Answer::Taken => {
                self.shared.exported.fetch_add(spans.len() as u64, Ordering::Relaxed);
                spans.clear();
                if std::mem::take(&mut self.is_away) {
                    let dropped = self.shared.dropped.load(Ordering::Relaxed);
                    tracing::info!(dropped, "traces are exported again");
                }
                true
            }
            Answer::Refused(cause) => {
                self.complain(&cause);
                self.drop_all(spans);
                true
            }
            Answer::Away(cause) => {
                self.complain(&cause);
                false
            }
        }
    }

    /// Logs one line for each change, under any load.
    fn complain(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.is_away, true) {
            let endpoint = self.endpoint.url.as_str();
            tracing::warn!(
                endpoint,
                cause,
                "traces are not exported: spans wait, and are dropped beyond the queue's length"
            );
        }
    }

    fn drop_all(&self, spans: &mut Vec<Span>) {
        self.shared.dropped.fetch_add(spans.len() as u64, Ordering::Relaxed);
        spans.clear();
    }

    async fn post(&self, body: Vec<u8>) -> Answer {
        let request = self.client.post(self.endpoint.url.as_str());
        let sent = request
            .insert_header(("content-type", "application/x-protobuf"))
            .send_body(body);
        let mut answer = match timeout(PATIENCE, sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Answer::Away(error.to_string()),
            Err(_) => return Answer::Away("the collector does not answer in time".to_owned()),
        };
        // Read to its end, so that the connection can be used again.
        let _ = timeout(PATIENCE, answer.body()).await;
        let status = answer.status();
        let cause = format!("the collector answers {status}");
        match status.as_u16() {
            200..=299 => Answer::Taken,
            // As the protocol has it: these may be tried again.
            429 | 502 | 503 | 504 => Answer::Away(cause),
            _ => Answer::Refused(cause),
        }
    }
}
