//! When events are sent: as the answers come, at a rate, or each person's once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::interrupt;
use super::population::float;

/// How much later than asked a timer may come and still count as on time. Its own resolution is a millisecond.
const TIMER: Duration = Duration::from_millis(2);

/// Events in flight from which the people of a preload wait.
const FULL: u64 = 50_000;

/// The order in which events are sent.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// A closed loop: each connection sends the next event as soon as it has its answer.
    Closed,
    /// An open loop: so many events a second, independent of the answers.
    Open {
        rate: u32,
        /// After this time without a free connection, an event is not sent at all. The load then ends on time.
        give_up: Option<Duration>,
    },
    /// One event for each person with a number in this range, while few events are in flight.
    Each {
        people: Range<u64>,
        in_flight: Arc<AtomicU64>,
    },
}

/// The turns of all connections.
pub(super) struct Pace {
    started: Instant,
    ends: Instant,
    order: Order,
    next: AtomicU64,
}

/// A connection's turn to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The latency counts from here.
    pub(super) since: Instant,
    /// The person of the event; none: draw one.
    pub(super) person: Option<u64>,
}

impl Pace {
    pub(super) fn new(started: Instant, duration: Duration, order: &Order) -> Self {
        Self {
            started,
            ends: started + duration,
            order: order.clone(),
            next: AtomicU64::new(0),
        }
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// Returns whether a refused event is sent again.
    pub(super) const fn repeats(&self) -> bool {
        matches!(self.order, Order::Each { .. })
    }

    /// Waits for the next event's turn. Returns `None` when the time is over.
    ///
    /// In an open loop, an event that is due while all connections wait is sent late, and its latency counts from when
    /// it was due. So a stalling server is charged for the events that it delayed.
    pub(super) async fn turn(&self) -> Option<Turn> {
        if interrupt::came() {
            return None;
        }
        match &self.order {
            Order::Closed => {
                let since = Instant::now();
                (since < self.ends).then_some(Turn { since, person: None })
            }
            Order::Open { rate, give_up } => {
                let since = self.due(*rate, *give_up).await?;
                Some(Turn { since, person: None })
            }
            Order::Each { people, in_flight } => {
                let person = self.next.fetch_add(1, Ordering::Relaxed);
                while in_flight.load(Ordering::Relaxed) > FULL && !interrupt::came() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let person = people.start + person;
                (person < people.end).then(|| Turn {
                    since: Instant::now(),
                    person: Some(person),
                })
            }
        }
    }

    async fn due(&self, rate: u32, give_up: Option<Duration>) -> Option<Instant> {
        let (due, now) = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
            let due = self.started + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            if due >= self.ends {
                return None;
            }
            let now = Instant::now();
            match give_up {
                Some(_) if now >= self.ends => return None,
                Some(patience) if due + patience < now => {}
                _ => break (due, now),
            }
        };
        if due <= now {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        let woken = Instant::now();
        Some(if woken - due <= TIMER { woken } else { due })
    }
}

/// Returns how many events are due in an open loop.
pub(super) fn due_in(duration: Duration, rate: u32) -> u64 {
    super::population::whole((duration.as_secs_f64() * float(u64::from(rate))).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(pace: &Pace) -> Option<Turn> {
        actix_web::rt::System::new().block_on(pace.turn())
    }

    fn open(give_up: Option<Duration>, next: u64) -> Pace {
        let started = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
        let mut pace = Pace::new(started, Duration::from_secs(3600), &Order::Open { rate: 1000, give_up });
        pace.next = AtomicU64::new(next);
        pace
    }

    #[test]
    fn a_late_event_counts_from_when_it_was_due() {
        let pace = open(None, 100);
        let since = pace.started + Duration::from_millis(100);
        assert_eq!(turn(&pace), Some(Turn { since, person: None }));
        let over = Pace {
            ends: pace.started,
            ..pace
        };
        assert_eq!(turn(&over), None);
    }

    #[test]
    fn events_without_a_free_connection_are_given_up() {
        let pace = open(Some(Duration::from_millis(200)), 100);
        let since = turn(&pace).unwrap().since;
        assert!(
            since >= pace.started + Duration::from_millis(300),
            "later ones come first"
        );
        let over = Pace {
            ends: pace.started + Duration::from_millis(400),
            ..open(Some(Duration::from_secs(9)), 0)
        };
        assert_eq!(turn(&over), None, "the load ends on time");
    }

    #[test]
    fn each_person_has_one_turn() {
        let in_flight = Arc::default();
        let pace = Pace::new(
            Instant::now(),
            Duration::ZERO,
            &Order::Each {
                people: 5..8,
                in_flight,
            },
        );
        let people: Vec<_> = (0..4).map(|_| turn(&pace).and_then(|turn| turn.person)).collect();
        assert_eq!(people, [Some(5), Some(6), Some(7), None]);
        assert!(pace.repeats());
    }

    #[test]
    fn the_number_of_events_in_an_open_loop_is_known() {
        assert_eq!(due_in(Duration::from_secs(2), 100), 200);
        assert_eq!(due_in(Duration::from_millis(15), 100), 2);
    }
}
