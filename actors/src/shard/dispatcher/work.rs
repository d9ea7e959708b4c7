//! The work of a dispatcher.

use crate::event::JournaledEvent;
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::ports::{BatchTrace, Checkpoint, Stretch};
use crate::stages::ExtractedEvent;
use crate::supervisor::Fault;

/// The events of one controller in a batch, behind its checkpoint, in stream order.
pub(super) struct Group {
    pub(super) controller: ControllerId,
    pub(super) checkpoint: Sequence,
    pub(super) events: Vec<JournaledEvent>,
}

impl Group {
    pub(super) fn through(&self) -> Sequence {
        self.events.last().map_or(self.checkpoint, |event| event.sequence)
    }

    /// Returns a group of this one event, after the same checkpoint.
    pub(super) fn with(&self, event: JournaledEvent) -> Self {
        Self {
            controller: self.controller,
            checkpoint: self.checkpoint,
            events: vec![event],
        }
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            controller: self.controller,
            from: self.checkpoint,
            through: self.through(),
        }
    }
}

/// The attempted batch, for the case of a failure.
pub(super) struct AttemptedBatch {
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) last_received: Vec<(ControllerId, Timestamp)>,
    pub(super) events: usize,
    pub(super) isolated: bool,
    pub(super) trace: Option<BatchTrace>,
}

impl AttemptedBatch {
    pub(super) fn of(groups: &[Group], isolated: bool) -> Self {
        let last_received = |group: &Group| Some((group.controller, group.events.last()?.event.id.received_at()));
        Self {
            checkpoints: groups.iter().map(Group::checkpoint).collect(),
            last_received: groups.iter().filter_map(last_received).collect(),
            events: groups.iter().map(|group| group.events.len()).sum(),
            isolated,
            trace: None,
        }
    }

    /// Notes a stage, if the batch is traced.
    pub(super) fn note(&mut self, stage: &'static str, stretch: Stretch) {
        if let Some(trace) = &mut self.trace {
            trace.stages.push((stage, stretch));
        }
    }
}

pub(super) enum Work {
    Batch { groups: Vec<Group>, isolated: bool },
    Ahead(Extracted),
    DeadLetter(Group),
    Nothing,
}

/// A batch behind the first stage, or what kept it there.
pub(super) struct Extracted {
    pub(super) tried: AttemptedBatch,
    pub(super) result: Result<Vec<(ControllerId, Sequence, Vec<ExtractedEvent>)>, Fault>,
}
