//! Finds the event that crashes an actor: bisection, one controller at a time.
//!
//! A batch that fails makes each of its controllers a *suspect*. A suspect's events run in batches of their own, so
//! that no other controller waits for them. Each batch has half of the remaining suspicious events: a half that
//! succeeds is committed, a half that fails is divided further. An event that fails alone, so many times in a row, is
//! *poison* and becomes a dead letter.

use std::collections::HashMap;

use crate::ids::{ControllerId, Sequence};

/// A stretch of a stream with a poison event somewhere in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Suspect {
    /// The poison is at or before this.
    through: Sequence,
    /// Times that the one event left failed.
    attempts: u32,
}

/// The next step for a suspect's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Run so many of them as a batch of their own.
    Run(usize),
    /// Make the next one a dead letter.
    GiveUp,
}

/// The suspects of one shard.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    suspects: HashMap<ControllerId, Suspect>,
    max_attempts: u32,
}

impl Isolation {
    pub(super) fn new(max_attempts: u32) -> Self {
        Self {
            suspects: HashMap::new(),
            max_attempts: max_attempts.max(1),
        }
    }

    pub(super) fn is_suspect(&self, controller: &ControllerId) -> bool {
        self.suspects.contains_key(controller)
    }

    pub(super) fn suspects(&self) -> impl Iterator<Item = ControllerId> + '_ {
        self.suspects.keys().copied()
    }

    /// Notes a failed batch in which this controller had the events from after `checkpoint` to `through`, alone or with
    /// others.
    pub(super) fn failed(&mut self, controller: ControllerId, checkpoint: Sequence, through: Sequence, alone: bool) {
        let suspect = self
            .suspects
            .entry(controller)
            .or_insert(Suspect { through, attempts: 0 });
        suspect.through = through;
        if alone && through == checkpoint.next() {
            suspect.attempts += 1;
        }
    }

    /// Notes a committed batch of this controller up to `through`.
    pub(super) fn committed(&mut self, controller: ControllerId, through: Sequence) {
        if let Some(suspect) = self.suspects.get_mut(&controller) {
            suspect.attempts = 0;
            if through >= suspect.through {
                self.suspects.remove(&controller);
            }
        }
    }

    /// Allows another try before the event is given up: the failure was not its fault, or its dead letter could not be
    /// written.
    pub(super) fn try_again(&mut self, controller: ControllerId) {
        if let Some(suspect) = self.suspects.get_mut(&controller) {
            suspect.attempts = suspect.attempts.min(self.max_attempts - 1);
        }
    }

    pub(super) fn forget(&mut self, controller: ControllerId) {
        self.suspects.remove(&controller);
    }

    /// Returns the next step for a suspect whose stream is committed up to `checkpoint`. Returns `None` for other
    /// controllers.
    pub(super) fn step(&self, controller: ControllerId, checkpoint: Sequence) -> Option<Step> {
        let suspect = self.suspects.get(&controller)?;
        if suspect.attempts >= self.max_attempts {
            return Some(Step::GiveUp);
        }
        let left = usize::try_from(suspect.through.0.saturating_sub(checkpoint.0)).unwrap_or(usize::MAX);
        Some(Step::Run(left.div_ceil(2).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a stream with these poison events to its end; says which became dead letters and how many batches failed.
    fn run(length: u64, batch: u64, poison: &[u64]) -> (Vec<u64>, usize) {
        let (mut isolation, controller) = (Isolation::new(3), ControllerId::generate());
        let (mut checkpoint, mut dead, mut failures) = (0, Vec::new(), 0);
        while checkpoint < length {
            let step = isolation.step(controller, Sequence(checkpoint));
            let size = match step {
                Some(Step::GiveUp) => {
                    dead.push(checkpoint + 1);
                    checkpoint += 1;
                    isolation.committed(controller, Sequence(checkpoint));
                    continue;
                }
                Some(Step::Run(size)) => size as u64,
                None => batch,
            };
            let through = (checkpoint + size).min(length);
            if poison.iter().any(|event| (checkpoint + 1..=through).contains(event)) {
                failures += 1;
                isolation.failed(controller, Sequence(checkpoint), Sequence(through), step.is_some());
            } else {
                checkpoint = through;
                isolation.committed(controller, Sequence(checkpoint));
            }
        }
        (dead, failures)
    }

    #[test]
    fn a_poison_event_is_found_by_bisection_and_its_neighbours_pass() {
        for poison in [1, 2, 100, 255, 256] {
            let (dead, failures) = run(256, 256, &[poison]);
            assert_eq!(dead, [poison]);
            // The whole batch, at most one failure per halving, and the three tries alone.
            assert!(failures <= 1 + 8 + 3, "{poison}: {failures}");
        }
    }

    #[test]
    fn several_poison_events_are_all_found() {
        assert_eq!(run(1000, 256, &[3, 4, 300, 1000]).0, [3, 4, 300, 1000]);
        assert_eq!(run(5, 2, &[1, 2, 3, 4, 5]).0, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_event_that_is_spared_is_tried_again_before_it_is_given_up() {
        let (mut isolation, controller) = (Isolation::new(3), ControllerId::generate());
        isolation.try_again(controller);
        for _ in 0..3 {
            assert_ne!(isolation.step(controller, Sequence(0)), Some(Step::GiveUp));
            isolation.failed(controller, Sequence(0), Sequence(1), true);
        }
        for _ in 0..2 {
            assert_eq!(isolation.step(controller, Sequence(0)), Some(Step::GiveUp));
            isolation.try_again(controller);
            assert_eq!(isolation.step(controller, Sequence(0)), Some(Step::Run(1)));
            isolation.failed(controller, Sequence(0), Sequence(1), true);
        }
    }

    #[test]
    fn a_passing_fault_kills_nothing() {
        let (mut isolation, controller) = (Isolation::new(3), ControllerId::generate());
        isolation.failed(controller, Sequence(0), Sequence(8), false);
        assert_eq!(isolation.step(controller, Sequence(0)), Some(Step::Run(4)));
        isolation.committed(controller, Sequence(4));
        assert_eq!(isolation.step(controller, Sequence(4)), Some(Step::Run(2)));
        isolation.committed(controller, Sequence(8));
        assert_eq!(isolation.step(controller, Sequence(8)), None);
    }
}
