//! A journal for all nodes: an event is durable once it is in its stream, which no crash takes back.
//!
//! Each node sees the streams that it believes to be its own, and has released each of them up to a place of its own.

use conduit_actors::event::{AcceptedEvent, JournaledEvent, ValidEvent};
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, BacklogListener as _, Durable, Journal, JournalError, StreamPosition};
use serde_json::Value;
use tokio::time::Instant;

use crate::world::{Place, State};

/// The events of one controller.
#[derive(Default)]
pub struct Stream {
    pub events: Vec<JournaledEvent>,
}

impl Stream {
    pub fn last(&self) -> Sequence {
        Sequence(self.events.len() as u64)
    }
}

impl State {
    pub fn last(&self, controller: ControllerId) -> Sequence {
        self.streams.get(&controller).map(Stream::last).unwrap_or_default()
    }

    /// Returns how many durable events of a controller are not committed.
    pub fn in_flight(&self, controller: ControllerId) -> u64 {
        self.last(controller).0 - self.tables.checkpoint(controller).0
    }

    fn position(&self, node: usize, controller: ControllerId) -> StreamPosition {
        let released = self.nodes[node].released.get(&controller).copied();
        StreamPosition {
            released: released.unwrap_or_default(),
            last: self.last(controller),
        }
    }

    /// Makes an event durable and tells the nodes that read its stream.
    fn append(&mut self, event: ValidEvent) -> Durable {
        let controller = event.controller;
        let id = self.event_ids.mint();
        let body: Value = serde_json::from_slice(event.body.expose()).unwrap();
        let number = body["n"].as_u64().and_then(|number| usize::try_from(number).ok());
        let journaled_at = Timestamp::now();
        let stream = self.streams.entry(controller).or_default();
        let sequence = stream.last().next();
        stream.events.push(JournaledEvent {
            sequence,
            journaled_at,
            event: AcceptedEvent {
                id,
                controller,
                integration: event.integration,
                event_type: event.event_type,
                triggered_at: event.triggered_at,
                body: event.body,
            },
        });
        self.ledger.durable(id, controller, sequence, number.unwrap());
        self.tell(controller);
        Durable {
            event: id,
            sequence,
            journaled_at,
            attested: None,
        }
    }

    /// Tells the nodes that read this stream how far it reaches.
    pub fn tell(&mut self, controller: ControllerId) {
        let last = self.last(controller);
        for node in self
            .nodes
            .iter()
            .filter(|node| node.is_alive() && node.own.contains(&controller))
        {
            if let Some(backlogs) = &node.backlogs {
                backlogs.appended(controller, last);
            }
        }
    }

    /// Gives a stream to a node: it reads on from the checkpoint.
    pub fn give(&mut self, controller: ControllerId, node: usize) {
        self.owners.insert(controller, node);
        let checkpoint = self.tables.checkpoint(controller);
        self.nodes[node].own.insert(controller);
        self.nodes[node].released.insert(controller, checkpoint);
        self.waits.had_turn(node, controller);
        if self.nodes[node].is_alive() && self.in_flight(controller) > 0 {
            self.tell(controller);
        }
    }
}

/// The journal as one node sees it.
pub struct SharedJournal(pub Place);

impl SharedJournal {
    async fn write(place: Place, event: ValidEvent, reply: AppendReply) {
        let controller = event.controller;
        place.step("append", Some(controller), (0, 0)).await;
        let refused = {
            let mut state = place.world.lock();
            let is_away = state.lasts(state.outages.journal);
            let faults = state.plan.faults;
            is_away || state.strikes(faults.refused_append)
        };
        if refused {
            return reply.send(Err(JournalError::Disk("simulated".to_owned())));
        }
        let durable = place.world.lock().append(event);
        place.step("appended", Some(controller), (durable.sequence.0, 0)).await;
        reply.send(Ok(durable));
    }
}

impl Journal for SharedJournal {
    fn append(&self, event: ValidEvent, reply: AppendReply) {
        actix_rt::spawn(Self::write(self.0.clone(), event, reply));
    }

    fn read(
        &self,
        controller: ControllerId,
        after: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError> {
        let numbers = (after.0, max_events as u64);
        let Some(mut state) = self.0.act("read", Some(controller), numbers) else {
            return Ok(Vec::new());
        };
        let node = self.0.node;
        if !state.nodes[node].own.contains(&controller) {
            return Ok(Vec::new());
        }
        let backoff = state.plan.retry_max;
        state.waits.had_turn(node, controller);
        let until = state.outages.unreadable.get(&controller).copied();
        if state.lasts(until) {
            let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
            state.waits.excuse(controller, backoff + rest.unwrap_or_default());
            return Err(JournalError::Damaged("simulated".to_owned()));
        }
        // What is released is not there any more.
        let from = state.position(node, controller).released.max(after);
        let Some(stream) = state.streams.get(&controller) else {
            return Ok(Vec::new());
        };
        let mut bytes = 0;
        let events = stream.events.iter().skip(usize::try_from(from.0).unwrap());
        let fitting = events.take(max_events).take_while(|event| {
            let fits = bytes == 0 || bytes < max_bytes;
            bytes += event.event.body.expose().len();
            fits
        });
        Ok(fitting.cloned().collect())
    }

    fn find(&self, _: ControllerId, _: EventId) -> Result<Option<JournaledEvent>, JournalError> {
        Ok(None)
    }

    fn newest(&self, _: ControllerId, _: Option<EventId>, _: usize) -> Result<Vec<JournaledEvent>, JournalError> {
        Ok(Vec::new())
    }

    fn release(&self, controller: ControllerId, through: Sequence) {
        let Some(mut state) = self.0.act("release", Some(controller), (through.0, 0)) else {
            return;
        };
        let checkpoint = state.tables.checkpoint(controller);
        if through > checkpoint {
            state.fail(|| format!("release: event {through} is released, but the checkpoint is {checkpoint}"));
        }
        let released = state.nodes[self.0.node].released.entry(controller).or_default();
        *released = through.max(*released);
    }

    fn forget(&self, controller: ControllerId) {
        if let Some(mut state) = self.0.act("forget", Some(controller), (0, 0)) {
            state.nodes[self.0.node].own.remove(&controller);
        }
    }

    fn position(&self, controller: ControllerId) -> StreamPosition {
        self.0.world.lock().position(self.0.node, controller)
    }

    fn backlog(&self) -> Vec<(ControllerId, StreamPosition)> {
        let state = self.0.world.lock();
        let own = state.nodes[self.0.node].own.iter();
        let all = own.map(|controller| (*controller, state.position(self.0.node, *controller)));
        all.filter(|(_, position)| position.last > position.released).collect()
    }
}
