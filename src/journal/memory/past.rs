//! A reading of the past in memory.

use std::sync::Arc;
use std::time::Instant;

use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::JournalError;
use prometheus_client::metrics::counter::Counter;

use super::log::MemoryLog;
use super::script::Player;
use crate::journal::port::{Past, Step};

/// See [`Past`].
pub(super) struct MemoryPast {
    pub(super) controller: ControllerId,
    pub(super) log: MemoryLog,
    pub(super) script: Arc<Player>,
    pub(super) unreadable: Counter,
    /// The newest last.
    pub(super) events: Vec<JournaledEvent>,
}

impl Past for MemoryPast {
    fn next(&mut self, max_events: usize, max_bytes: usize, until: Option<Instant>) -> Result<Step, JournalError> {
        if let Err(error) = self.script.read() {
            self.unreadable.inc();
            self.events.clear();
            return Err(error);
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Step::Late);
        }
        if !self.log.lock().has(self.controller) {
            self.events.clear();
        }
        let (mut given, mut bytes) = (Vec::new(), 0);
        while given.len() < max_events
            && bytes < max_bytes
            && let Some(event) = self.events.pop()
        {
            bytes += event.event.body.expose().len();
            given.push(event);
        }
        Ok(if given.is_empty() {
            Step::End
        } else {
            Step::Events(given)
        })
    }
}
