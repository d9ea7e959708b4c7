//! The events of one connection.

use conduit_actors::ids::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::population::{Person, Population};
use super::shape::Shape;

/// See the module's docs.
pub(super) struct Events {
    event: String,
    triggered_at: String,
    population: Population,
    note: String,
    chance: SmallRng,
}

impl Events {
    pub(super) fn new(shape: &Shape) -> Self {
        let mut events = Self {
            // As JSON has it between quotation marks.
            event: serde_json::Value::from(shape.event.as_str()).to_string(),
            triggered_at: Timestamp::now().to_string(),
            population: shape.population,
            note: String::new(),
            chance: SmallRng::from_rng(&mut rand::rng()),
        };
        let (_, bare) = events.next(None);
        events.note = "x".repeat(shape.event_bytes.saturating_sub(bare.len()));
        events
    }

    /// Returns an event of a person, or of a person drawn at random, with the controller's place. The order number is new
    /// each time, so that no event repeats another.
    pub(super) fn next(&mut self, person: Option<u64>) -> (usize, String) {
        let Person { controller, number } = match person {
            Some(number) => self.population.person(number),
            None => self.population.draw(&mut self.chance),
        };
        let order = self.chance.random::<u64>();
        let event = format!(
            "{{\"event\":{},\"triggeredAt\":\"{}\",\"email\":\"customer{number:08}@bench.example\",\
             \"phone\":\"+4930{number:08}\",\"customer\":{{\"name\":\"Customer {number:08}\"}},\
             \"order\":\"{order:020}\",\"note\":\"{}\"}}",
            self.event, self.triggered_at, self.note
        );
        (controller, event)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::pace::Order;
    use super::*;

    #[test]
    fn an_event_is_json_of_the_size_that_was_asked_for() {
        let mut events = Events::new(&Shape {
            duration: Duration::from_secs(1),
            connections: 1,
            threads: 1,
            order: Order::Closed,
            population: Population::new(3, 10, 0.0),
            event_bytes: 500,
            event: "a \"b\"".to_owned(),
        });
        for person in (0..100).map(|number| (number < 10).then_some(number)) {
            let (controller, event) = events.next(person);
            assert_eq!(event.len(), 500, "{event}");
            let parsed: serde_json::Value = serde_json::from_str(&event).unwrap();
            assert_eq!(parsed["event"], "a \"b\"");
            assert!(controller < 3);
        }
    }
}
