//! The media of journals, for the tests that all journals pass.

use std::sync::Arc;

use bytes::Bytes;
use conduit::journal::{
    FaultScript, JournalOptions, JournalTuning, MemoryJournal, MemoryLog, MemoryOptions, NodeJournal, Retention,
};
use conduit_actors::event::{JournaledEvent, ValidEvent};
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, Sequence, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::{BacklogListener, Durable, JournalError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::World;
use super::retention::WEEK;

/// Where the events of a journal are while it is closed.
enum Medium {
    Disk,
    Memory(MemoryLog),
}

/// The listener's notes, in order.
#[derive(Default)]
pub struct Heard(Mutex<Vec<(ControllerId, Sequence)>>);

impl BacklogListener for Heard {
    fn appended(&self, controller: ControllerId, last: Sequence) {
        self.0.lock().push((controller, last));
    }
}

impl Heard {
    /// Returns the notes about one controller.
    pub fn of(&self, controller: ControllerId) -> Vec<Sequence> {
        let heard = self.0.lock();
        let own = heard.iter().filter(|(id, _)| *id == controller);
        own.map(|(_, last)| *last).collect()
    }
}

/// A journal's surroundings.
pub struct Place {
    medium: Medium,
    world: World,
    pub heard: Arc<Heard>,
    /// Two existing controllers.
    pub controllers: [ControllerId; 2],
    pub max_bytes: u64,
    pub max_bytes_per_controller: u64,
    pub retention: Retention,
}

impl Place {
    pub fn on_disk() -> Self {
        Self::new(Medium::Disk)
    }

    pub fn in_memory() -> Self {
        Self::new(Medium::Memory(MemoryLog::default()))
    }

    fn new(medium: Medium) -> Self {
        let world = World::new();
        Self {
            medium,
            controllers: world.controllers,
            world,
            heard: Arc::default(),
            max_bytes: 1 << 30,
            max_bytes_per_controller: 1 << 30,
            retention: Retention::default(),
        }
    }

    /// Keeps released events for a week.
    pub fn keeping(mut self) -> Self {
        self.retention = Retention {
            keep: WEEK,
            max_bytes: u64::MAX,
            min_free_bytes: 0,
        };
        self
    }

    /// Opens the journal at checkpoints.
    pub fn open(&self, at: &[(ControllerId, u64)]) -> Box<dyn NodeJournal> {
        self.open_with(FaultScript::default(), at)
    }

    /// Opens the journal, which fails as the script says if it is in memory.
    pub fn open_with(&self, script: FaultScript, at: &[(ControllerId, u64)]) -> Box<dyn NodeJournal> {
        let at: Vec<_> = at.iter().map(|(id, at)| (*id, Sequence(*at))).collect();
        match &self.medium {
            Medium::Disk => {
                let options = JournalOptions {
                    max_bytes: self.max_bytes,
                    tuning: self.tuning(),
                    ..self.world.options()
                };
                Box::new(self.world.open_heard(options, &at, self.heard.clone()).unwrap())
            }
            Medium::Memory(log) => {
                let options = MemoryOptions {
                    max_bytes: self.max_bytes,
                    max_bytes_per_controller: self.max_bytes_per_controller,
                    retention: self.retention,
                };
                let opened = MemoryJournal::open(log.clone(), options, script, &at, self.heard.clone());
                Box::new(opened.unwrap())
            }
        }
    }

    /// Returns the settings that may change while a journal serves.
    pub fn tuning(&self) -> JournalTuning {
        JournalTuning {
            max_bytes_per_controller: self.max_bytes_per_controller,
            retention: self.retention,
            ..self.world.options().tuning
        }
    }

    /// Leaves so many bytes of a record that was never acknowledged at the end of a journal that is closed.
    pub fn tear(&self, bytes: usize) {
        match &self.medium {
            Medium::Disk => self.world.tear(bytes),
            Medium::Memory(_) => {}
        }
    }

    /// Deletes a controller: its keys, then its stream.
    pub fn delete(&self, journal: &dyn NodeJournal, controller: ControllerId) {
        self.world.keyring.forget(controller);
        journal.forget(controller);
    }
}

/// Returns an event of a controller, of its own integration.
pub fn event(controller: ControllerId, body: &str) -> ValidEvent {
    ValidEvent {
        controller,
        integration: IntegrationId::generate(),
        event_type: "e".parse().unwrap(),
        triggered_at: Timestamp::from_millis(1),
        body: Personal::new(Bytes::from(body.to_owned())),
        receipt: None,
    }
}

/// Appends an event and waits for the answer; `None` if it was dropped.
pub fn try_append(
    journal: &dyn NodeJournal,
    controller: ControllerId,
    body: &str,
) -> Option<Result<Durable, JournalError>> {
    let (reply, answer) = oneshot::channel();
    journal.append(event(controller, body), reply.into());
    answer.blocking_recv().ok()
}

pub fn append(journal: &dyn NodeJournal, controller: ControllerId, body: &str) -> Result<Durable, JournalError> {
    try_append(journal, controller, body).unwrap()
}

/// Appends events with these numbers as bodies; their ids.
pub fn fill(journal: &dyn NodeJournal, controller: ControllerId, numbers: std::ops::Range<u32>) -> Vec<EventId> {
    numbers
        .map(|number| append(journal, controller, &number.to_string()).unwrap().event)
        .collect()
}

/// Appends events with these numbers as bodies without waiting in between, so that many are in one commit batch. Returns their ids.
pub fn fill_at_once(
    journal: &dyn NodeJournal,
    controller: ControllerId,
    numbers: std::ops::Range<u32>,
) -> Vec<EventId> {
    let begin = |number: u32| {
        let (reply, answer) = oneshot::channel();
        journal.append(event(controller, &number.to_string()), reply.into());
        answer
    };
    let answers: Vec<_> = numbers.map(begin).collect();
    let id = |answer: oneshot::Receiver<Result<Durable, JournalError>>| answer.blocking_recv().unwrap().unwrap().event;
    answers.into_iter().map(id).collect()
}

/// Returns all events of a controller in flight.
pub fn in_flight(journal: &dyn NodeJournal, controller: ControllerId) -> Vec<JournaledEvent> {
    let released = journal.position(controller).released;
    journal.read(controller, released, usize::MAX, usize::MAX).unwrap()
}

pub fn ids(events: &[JournaledEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.event.id).collect()
}

pub fn sequences(events: &[JournaledEvent]) -> Vec<u64> {
    events.iter().map(|event| event.sequence.0).collect()
}

pub fn bodies(events: &[JournaledEvent]) -> Vec<String> {
    let text = |event: &JournaledEvent| String::from_utf8(event.event.body.expose().to_vec()).unwrap();
    events.iter().map(text).collect()
}
