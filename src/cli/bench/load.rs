//! The senders: threads with connections, in a closed or an open loop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;

use super::super::client::Webhook;
use super::events::Events;
use super::histogram::Histogram;
use super::interrupt;
use super::pace::Pace;
use super::shape::Shape;
use super::wire::Wire;

/// Most parts of a timeline.
const MOST_PARTS: u32 = 120;

/// How long the sender of a preload waits before it sends a refused event again.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the sender of a preload sends an event at most.
const MOST_TRIES: u32 = 2_000;

/// The results of the load.
#[derive(Debug, Default)]
pub(super) struct LoadResult {
    pub(super) seconds: f64,
    pub(super) accepted: u64,
    /// Of those that were accepted.
    pub(super) latency: Histogram,
    /// By the problem's code or, where there was no answer, by what stood in its place.
    pub(super) refused: BTreeMap<String, u64>,
    /// The same by time, in parts of equal length.
    pub(super) parts: Vec<Part>,
    pub(super) part_seconds: f64,
}

/// The answers that came within a part of the time.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) latency: Histogram,
    pub(super) refused: u64,
}

impl LoadResult {
    fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.latency.merge(&other.latency);
        for (code, count) in &other.refused {
            *self.refused.entry(code.clone()).or_default() += count;
        }
        let length = self.parts.len().max(other.parts.len());
        self.parts.resize_with(length, Part::default);
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            part.latency.merge(&other.latency);
            part.refused += other.refused;
        }
    }

    pub(super) fn refused_count(&self) -> u64 {
        self.refused.values().sum()
    }

    fn note(&mut self, at: Duration, latency: Duration, refused: Option<String>) {
        let place = super::population::whole((at.as_secs_f64() / self.part_seconds).floor());
        // Answers after the end of the load belong to its last part.
        let place = usize::try_from(place).unwrap_or(0).min(MOST_PARTS as usize);
        if self.parts.len() <= place {
            self.parts.resize_with(place + 1, Part::default);
        }
        match refused {
            None => {
                self.accepted += 1;
                self.latency.add(latency);
                self.parts[place].latency.add(latency);
            }
            Some(code) => {
                *self.refused.entry(code).or_default() += 1;
                self.parts[place].refused += 1;
            }
        }
    }
}

/// Sends until the time is over and the last answer is there. The webhooks are those of the population's controllers.
///
/// # Errors
/// A thread cannot be started, or ended by a panic.
pub(super) fn send(webhooks: &Arc<[Webhook]>, shape: &Shape) -> Result<LoadResult> {
    let started = Instant::now();
    let pace = Arc::new(Pace::new(started, shape.duration, &shape.order));
    let mut threads = Vec::with_capacity(shape.threads);
    for number in 0..shape.threads {
        // The first ones take what cannot be shared out evenly.
        let connections = shape.connections / shape.threads + usize::from(number < shape.connections % shape.threads);
        let (webhooks, shape, pace) = (Arc::clone(webhooks), shape.clone(), Arc::clone(&pace));
        let thread = std::thread::Builder::new().name(format!("bench-{number}"));
        let work = move || actix_web::rt::System::new().block_on(on_thread(&webhooks, &shape, &pace, connections));
        threads.push(thread.spawn(work).context("cannot start a thread")?);
    }
    let mut sent = LoadResult {
        part_seconds: part_seconds(shape.duration),
        ..LoadResult::default()
    };
    for thread in threads {
        let part = thread
            .join()
            .map_err(|_| anyhow::anyhow!("a sending thread panicked"))?;
        sent.merge(&part);
    }
    sent.seconds = started.elapsed().as_secs_f64();
    Ok(sent)
}

fn part_seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() / f64::from(MOST_PARTS)).max(0.5)
}

async fn on_thread(webhooks: &[Webhook], shape: &Shape, pace: &Pace, connections: usize) -> LoadResult {
    let sent = RefCell::new(LoadResult {
        part_seconds: part_seconds(shape.duration),
        ..LoadResult::default()
    });
    join_all((0..connections).map(|_| on_connection(webhooks, shape, pace, &sent))).await;
    sent.into_inner()
}

async fn on_connection(webhooks: &[Webhook], shape: &Shape, pace: &Pace, sent: &RefCell<LoadResult>) {
    let Some(any) = webhooks.first() else { return };
    let mut events = Events::new(shape);
    let mut wire = Wire::to(any);
    while let Some(turn) = pace.turn().await {
        for attempt in 1..=MOST_TRIES {
            let (controller, event) = events.next(turn.person);
            let webhook = webhooks.get(controller).unwrap_or(any);
            let refused = match wire.send(webhook, event).await {
                Ok(answer) if (200..300).contains(&answer.status) => None,
                Ok(answer) => Some(code(answer.status, &answer.body)),
                Err(error) => Some(format!("no answer: {error}")),
            };
            let again = refused.is_some() && pace.repeats() && attempt < MOST_TRIES && !interrupt::came();
            sent.borrow_mut()
                .note(pace.started().elapsed(), turn.since.elapsed(), refused);
            if !again {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Returns the code of a problem or, without one, the status.
fn code(status: u16, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = problem.as_ref().and_then(|problem| problem["code"].as_str());
    code.map_or_else(|| format!("status {status}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_in_the_part_of_the_time_in_which_they_came() {
        let of = |at: f64, refused: Option<&str>| {
            let mut sent = LoadResult {
                part_seconds: 0.5,
                ..LoadResult::default()
            };
            let at = Duration::from_secs_f64(at);
            sent.note(at, Duration::from_millis(3), refused.map(str::to_owned));
            sent
        };
        let mut all = of(0.1, None);
        for other in [of(0.6, None), of(0.7, Some("overloaded")), of(1e9, None)] {
            all.merge(&other);
        }
        assert_eq!((all.accepted, all.refused_count()), (3, 1));
        let parts: Vec<_> = all
            .parts
            .iter()
            .map(|part| (part.latency.count(), part.refused))
            .collect();
        assert_eq!((parts[0], parts[1], parts.len()), ((1, 0), (1, 1), 121));
        assert_eq!(parts[120], (1, 0));
    }

    #[test]
    fn a_refusal_is_named_by_its_code() {
        assert_eq!(code(500, br#"{"code":"journal_full"}"#), "journal_full");
        assert_eq!(code(502, b"<html>"), "status 502");
    }
}
