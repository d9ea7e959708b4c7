//! Which span an event's request had, until the event is processed.

use std::collections::{HashMap, VecDeque};

use conduit_actors::ids::EventId;
use parking_lot::Mutex;

use super::context::SpanContext;

/// Bounded: past that, the oldest are forgotten, and their batches have no link to them.
pub(super) struct Links {
    capacity: usize,
    known: Mutex<Requests>,
}

#[derive(Default)]
struct Requests {
    spans: HashMap<EventId, SpanContext>,
    /// The events in the order of their arrival, including those that were taken.
    order: VecDeque<EventId>,
}

impl Links {
    pub(super) fn new(capacity: usize) -> Self {
        let known = Mutex::default();
        Self { capacity, known }
    }

    pub(super) fn note(&self, event: EventId, span: SpanContext) {
        let mut known = self.known.lock();
        known.spans.insert(event, span);
        known.order.push_back(event);
        while known.order.len() > self.capacity {
            if let Some(oldest) = known.order.pop_front() {
                known.spans.remove(&oldest);
            }
        }
    }

    /// Returns the known ones among these events.
    pub(super) fn find(&self, events: &mut dyn Iterator<Item = EventId>) -> Vec<EventId> {
        let known = self.known.lock();
        if known.spans.is_empty() {
            return Vec::new();
        }
        events.filter(|event| known.spans.contains_key(event)).collect()
    }

    /// Returns the spans of these events. With `done`, forgets them.
    pub(super) fn spans(&self, events: &[EventId], done: bool) -> Vec<(EventId, SpanContext)> {
        let mut known = self.known.lock();
        let spans = events.iter().filter_map(|event| {
            let span = if done {
                known.spans.remove(event)
            } else {
                known.spans.get(event).copied()
            };
            Some((*event, span?))
        });
        spans.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_the_rest_kept_until_they_are_done() {
        let links = Links::new(2);
        let events: Vec<EventId> = (0..3).map(|_| EventId::generate()).collect();
        let spans: Vec<SpanContext> = (0..3).map(|_| SpanContext::root()).collect();
        for (event, span) in events.iter().zip(&spans) {
            links.note(*event, *span);
        }
        assert_eq!(links.find(&mut events.iter().copied()), events[1..]);
        assert_eq!(links.spans(&events[1..2], false), [(events[1], spans[1])]);
        assert_eq!(links.spans(&events, true).len(), 2);
        assert!(links.find(&mut events.iter().copied()).is_empty());
    }
}
