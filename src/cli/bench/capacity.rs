//! The capacity: the highest steady rate with a flat backlog.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::pace::Order;
use super::population::{float, whole};
use super::session::{Offer, Session};

/// The search ends when its bounds are so near each other.
const PRECISION: f64 = 0.05;

/// The most tries of a search.
const MOST_TRIES: usize = 12;

/// A rate of which this share was processed is tried a second time.
const NEARLY: f64 = 0.8;

/// A backlog is flat if no more than this share of the arrivals is left over.
const FLAT: f64 = 0.05;

/// The share of a try that does not count, at its beginning.
const WARM_UP: f64 = 0.3;

/// How long an event may wait for a free connection.
pub(super) const GIVE_UP: Duration = Duration::from_millis(100);

/// The capacity, and how it was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capacity {
    /// Events processed in a second.
    pub(super) per_second: f64,
    pub(super) tries: Vec<Attempt>,
}

/// A rate that was tried.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempt {
    pub(super) offered_per_second: f64,
    pub(super) accepted_per_second: f64,
    pub(super) processed_per_second: f64,
    /// Whether all of it was accepted and the backlog did not grow.
    pub(super) is_sustained: bool,
}

impl Attempt {
    fn of(rate: u32, offer: &Offer) -> Self {
        let window = offer.window(WARM_UP);
        let accepted = window.accepted_per_second();
        let processed = window.done_per_second();
        let is_flat = window.backlog_growth() < accepted * window.seconds() * FLAT;
        let keeps_up = |rate: f64, wanted: f64| rate >= wanted * (1.0 - 2.0 * FLAT);
        Self {
            offered_per_second: f64::from(rate),
            accepted_per_second: accepted,
            processed_per_second: processed,
            is_sustained: is_flat && keeps_up(accepted, f64::from(rate)) && keeps_up(processed, accepted),
        }
    }
}

/// Searches the capacity by halving. `start` is a guess; without one, a closed loop gives it.
///
/// # Errors
/// The load cannot be made, or nothing is processed.
pub(super) fn find(session: &mut Session<'_>, start: Option<f64>, each: Duration) -> Result<Capacity> {
    let guess = match start {
        Some(guess) => guess,
        None => burst(session, each)?,
    };
    ensure!(guess >= 1.0, "the server processes less than an event a second");
    let mut search = Search::new(guess);
    let mut tries: Vec<Attempt> = Vec::new();
    while tries.len() < MOST_TRIES
        && let Some(rate) = search.next()
    {
        let attempt = attempt(session, rate, each)?;
        search.note(&attempt);
        tries.push(attempt);
    }
    Ok(Capacity {
        per_second: best(&tries),
        tries,
    })
}

/// The bounds of the capacity so far.
struct Search {
    rate: f64,
    /// The highest sustained rate; 0: none yet.
    low: f64,
    /// The lowest rate that was too much.
    high: Option<f64>,
    /// How much the rate grows while none was too much.
    growth: f64,
    /// Whether the present rate was nearly sustained, and is tried a second time.
    is_repeated: bool,
}

impl Search {
    const fn new(guess: f64) -> Self {
        Self {
            rate: guess,
            low: 0.0,
            high: None,
            growth: 1.15,
            is_repeated: false,
        }
    }

    /// Returns the rate to try. Returns `None` if the bounds are near each other.
    fn next(&self) -> Option<f64> {
        let is_near = self.high.is_some_and(|high| high - self.low <= high * PRECISION);
        (!is_near).then_some(self.rate)
    }

    fn note(&mut self, attempt: &Attempt) {
        let processed = attempt.processed_per_second;
        if attempt.is_sustained {
            self.low = self.rate;
        } else if !self.is_repeated && processed >= self.rate * NEARLY {
            // A disk or a neighbour may have been slow for a moment.
            self.is_repeated = true;
            return;
        } else {
            self.high = Some(self.rate);
        }
        self.is_repeated = false;
        self.rate = match self.high {
            None => {
                let faster = self.low * self.growth;
                self.growth = (self.growth * self.growth).min(1.5);
                faster
            }
            Some(high) if self.low > 0.0 => f64::midpoint(self.low, high),
            Some(high) => (processed * 0.95).clamp(high * 0.5, high * 0.9),
        };
    }
}

/// Returns the highest rate that was sustained or, if none was, the highest rate at which events were processed.
fn best(tries: &[Attempt]) -> f64 {
    let highest = |sustained: bool| {
        let rates = tries.iter().filter(|attempt| attempt.is_sustained || !sustained);
        // A rest of the time before may be processed as well: it does not count.
        let rates = rates.map(|attempt| attempt.processed_per_second.min(attempt.accepted_per_second));
        rates.max_by(f64::total_cmp)
    };
    highest(true).or_else(|| highest(false)).unwrap_or(0.0)
}

/// Returns the rate at which events of a closed loop are processed, from its begin until none is in flight.
fn burst(session: &mut Session<'_>, each: Duration) -> Result<f64> {
    session.tell("looking for the capacity: as fast as the answers come");
    let offer = session.offer("burst", Order::Closed, each)?;
    ensure!(
        offer.sent.accepted > 0,
        "no event was accepted: {:?}",
        offer.sent.refused
    );
    let rest = session.settle()?;
    let accepted = float(offer.sent.accepted);
    Ok(rest.map_or_else(
        || offer.window(0.0).done_per_second(),
        |rest| accepted / (offer.to - offer.from + rest),
    ))
}

fn attempt(session: &mut Session<'_>, rate: f64, each: Duration) -> Result<Attempt> {
    let rate = u32::try_from(whole(rate).max(1)).unwrap_or(u32::MAX);
    let order = Order::Open {
        rate,
        give_up: Some(GIVE_UP),
    };
    let offer = session.offer("capacity", order, each)?;
    let attempt = Attempt::of(rate, &offer);
    let flat = if attempt.is_sustained { "sustained" } else { "too much" };
    session.tell(&format!(
        "  {rate} events/s: {:.0}/s processed, {flat}",
        attempt.processed_per_second
    ));
    session.settle()?;
    Ok(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(accepted: f64, processed: f64, is_sustained: bool) -> Attempt {
        Attempt {
            offered_per_second: accepted,
            accepted_per_second: accepted,
            processed_per_second: processed,
            is_sustained,
        }
    }

    /// Searches at a server with a capacity. Returns the tried rates and their best.
    fn search(guess: f64, capacity: f64, slow: &[usize]) -> (Vec<f64>, f64) {
        let (mut search, mut tries) = (Search::new(guess), Vec::new());
        while tries.len() < MOST_TRIES
            && let Some(rate) = search.next()
        {
            let is_slow = slow.contains(&tries.len());
            let processed = if is_slow { rate * 0.85 } else { rate.min(capacity) };
            let attempt = tried(rate, processed, rate <= capacity && !is_slow);
            search.note(&attempt);
            tries.push(attempt);
        }
        (
            tries.iter().map(|attempt| attempt.offered_per_second).collect(),
            best(&tries),
        )
    }

    #[test]
    fn the_search_finds_the_capacity_whatever_the_guess_was() {
        for guess in [300.0, 700.0, 1000.0, 1500.0, 4000.0] {
            let (rates, found) = search(guess, 1000.0, &[]);
            assert!((900.0..=1000.0).contains(&found), "{guess}: {found}, by {rates:?}");
        }
    }

    #[test]
    fn a_slow_moment_does_not_bound_the_capacity() {
        let (rates, found) = search(950.0, 1000.0, &[0]);
        assert!(rates[1] == 950.0 && found >= 900.0, "{found}, by {rates:?}");
    }

    #[test]
    fn the_capacity_is_a_sustained_rate_if_there_is_one() {
        let sustained = tried(700.0, 750.0, true);
        let tries = [tried(500.0, 500.0, true), tried(950.0, 900.0, false), sustained];
        assert_eq!(best(&tries), 700.0);
        assert_eq!(best(&[tried(600.0, 500.0, false), tried(1000.0, 900.0, false)]), 900.0);
        assert_eq!(best(&[]), 0.0);
    }
}
