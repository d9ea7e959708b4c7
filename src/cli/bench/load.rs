//! The senders: threads with connections, in a closed or an open loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use awc::{Client, Connector};
use conduit_actors::ids::Timestamp;
use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::client::Webhook;
use super::histogram::Histogram;
use super::interrupt;

/// Longer than a server should ever take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How much later than asked a timer may come and be taken for being on time: its own resolution is a millisecond.
const TIMER: Duration = Duration::from_millis(2);

/// The shape of the load.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) duration: Duration,
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// Events a second; none: a closed loop.
    pub(super) rate: Option<u32>,
    pub(super) subjects: u32,
    pub(super) event_bytes: usize,
    pub(super) event: String,
}

/// The results of the load.
#[derive(Debug, Default)]
pub(super) struct LoadResult {
    pub(super) seconds: f64,
    pub(super) accepted: u64,
    /// Of those that were accepted.
    pub(super) latency: Histogram,
    /// By the problem's code or, where there was no answer, by what stood in its place.
    pub(super) refused: BTreeMap<String, u64>,
}

impl LoadResult {
    fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.latency.merge(&other.latency);
        for (code, count) in &other.refused {
            *self.refused.entry(code.clone()).or_default() += count;
        }
    }
}

/// Sends until the time is over and the last answer is there.
///
/// # Errors
/// A thread cannot be started, or ended by a panic.
pub(super) fn send(webhook: &Webhook, shape: &Shape) -> Result<LoadResult> {
    let started = Instant::now();
    let pace = Arc::new(Pace {
        started,
        ends: started + shape.duration,
        rate: shape.rate,
        next: AtomicU64::new(0),
    });
    let mut threads = Vec::with_capacity(shape.threads);
    for number in 0..shape.threads {
        // The first ones take what cannot be shared out evenly.
        let connections = shape.connections / shape.threads + usize::from(number < shape.connections % shape.threads);
        let (webhook, shape, pace) = (webhook.clone(), shape.clone(), Arc::clone(&pace));
        let thread = std::thread::Builder::new().name(format!("bench-{number}"));
        let work = move || actix_web::rt::System::new().block_on(on_thread(&webhook, &shape, &pace, connections));
        threads.push(thread.spawn(work).context("cannot start a thread")?);
    }
    let mut sent = LoadResult::default();
    for thread in threads {
        let part = thread
            .join()
            .map_err(|_| anyhow::anyhow!("a sending thread panicked"))?;
        sent.merge(&part);
    }
    sent.seconds = started.elapsed().as_secs_f64();
    Ok(sent)
}

/// When events are sent.
struct Pace {
    started: Instant,
    ends: Instant,
    rate: Option<u32>,
    next: AtomicU64,
}

impl Pace {
    /// Waits for the next event's turn. Returns the time from which its latency counts. Returns `None` when the time is
    /// over.
    ///
    /// In an open loop, an event that is due while all connections wait is sent late, and its latency counts from when
    /// it was due. So a stalling server is charged for the events that it delayed.
    async fn turn(&self) -> Option<Instant> {
        if interrupt::came() {
            return None;
        }
        let now = Instant::now();
        let Some(rate) = self.rate else {
            return (now < self.ends).then_some(now);
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
        let due = self.started + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if due >= self.ends {
            return None;
        }
        if due <= now {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        let woken = Instant::now();
        Some(if woken - due <= TIMER { woken } else { due })
    }
}

async fn on_thread(webhook: &Webhook, shape: &Shape, pace: &Pace, connections: usize) -> LoadResult {
    let connector = Connector::new()
        .limit(connections)
        .conn_keep_alive(TIMEOUT)
        .timeout(TIMEOUT);
    let client = Client::builder()
        .connector(connector)
        .timeout(TIMEOUT)
        .disable_redirects()
        .finish();
    let parts = join_all((0..connections).map(|_| on_connection(&client, webhook, shape, pace))).await;
    let mut sent = LoadResult::default();
    parts.iter().for_each(|part| sent.merge(part));
    sent
}

async fn on_connection(client: &Client, webhook: &Webhook, shape: &Shape, pace: &Pace) -> LoadResult {
    let mut sent = LoadResult::default();
    let mut events = Events::new(shape);
    while let Some(since) = pace.turn().await {
        let refused = match webhook.request(client).send_body(events.next()).await {
            Ok(mut answer) => {
                let body = answer.body().await.unwrap_or_default();
                (!answer.status().is_success()).then(|| code(answer.status().as_u16(), &body))
            }
            Err(error) => Some(format!("no answer: {error}")),
        };
        match refused {
            None => {
                sent.accepted += 1;
                sent.latency.add(since.elapsed());
            }
            Some(code) => *sent.refused.entry(code).or_default() += 1,
        }
    }
    sent
}

/// Returns the code of a problem or, without one, the status.
fn code(status: u16, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = problem.as_ref().and_then(|problem| problem["code"].as_str());
    code.map_or_else(|| format!("status {status}"), str::to_owned)
}

/// Events of one connection.
struct Events {
    event: String,
    triggered_at: String,
    subjects: u32,
    note: String,
    chance: SmallRng,
}

impl Events {
    fn new(shape: &Shape) -> Self {
        let mut events = Self {
            // As JSON has it between quotation marks.
            event: serde_json::Value::from(shape.event.as_str()).to_string(),
            triggered_at: Timestamp::now().to_string(),
            subjects: shape.subjects,
            note: String::new(),
            chance: SmallRng::from_rng(&mut rand::rng()),
        };
        let bare = events.next().len();
        events.note = "x".repeat(shape.event_bytes.saturating_sub(bare));
        events
    }

    /// Returns an event of a person drawn at random. The order number is new each time, so that no event repeats
    /// another.
    fn next(&mut self) -> String {
        let (person, order) = (self.chance.random_range(0..self.subjects), self.chance.random::<u64>());
        format!(
            "{{\"event\":{},\"triggeredAt\":\"{}\",\"email\":\"customer{person:08}@bench.example\",\
             \"phone\":\"+4930{person:08}\",\"customer\":{{\"name\":\"Customer {person:08}\"}},\
             \"order\":\"{order:020}\",\"note\":\"{}\"}}",
            self.event, self.triggered_at, self.note
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rate: Option<u32>) -> Shape {
        Shape {
            duration: Duration::from_secs(1),
            connections: 1,
            threads: 1,
            rate,
            subjects: 10,
            event_bytes: 500,
            event: "a \"b\"".to_owned(),
        }
    }

    #[test]
    fn an_event_is_json_of_the_size_that_was_asked_for() {
        let mut events = Events::new(&shape(None));
        for _ in 0..100 {
            let event = events.next();
            assert_eq!(event.len(), 500, "{event}");
            let parsed: serde_json::Value = serde_json::from_str(&event).unwrap();
            assert_eq!(parsed["event"], "a \"b\"");
        }
    }

    #[test]
    fn what_is_late_counts_from_when_it_was_due() {
        let started = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
        let pace = Pace {
            started,
            ends: started + Duration::from_secs(3600),
            rate: Some(1000),
            next: AtomicU64::new(100),
        };
        let since = actix_web::rt::System::new().block_on(pace.turn());
        assert_eq!(since, Some(started + Duration::from_millis(100)));
        let over = Pace { ends: started, ..pace };
        assert_eq!(actix_web::rt::System::new().block_on(over.turn()), None);
    }
}
