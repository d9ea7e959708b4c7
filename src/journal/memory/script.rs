//! The script of faults: which call fails, and how.

use std::collections::HashMap;

use conduit_actors::ports::JournalError;
use parking_lot::Mutex;

/// An operation that can fail. Each is counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// An event that is to be written.
    Append,
    /// A call of `read`, `find`, `newest`, or of a past's `next`.
    Read,
    /// A release of a stream. A release that fails has no effect.
    Release,
}

/// How an operation fails.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The operation has no effect and answers this error.
    Error(JournalError),
    /// The event of an append is durable, but its reply is dropped, as if the process had ended in between. Other
    /// operations have no such fault: they are done.
    Unanswered,
}

/// Which calls fail.
#[derive(Debug, Default)]
pub struct FaultScript {
    faults: HashMap<(Operation, u64), Fault>,
}

impl FaultScript {
    /// Adds a fault of the `nth` call of an operation, counted from 1 for each journal.
    #[must_use]
    pub fn with(mut self, operation: Operation, nth: u64, fault: Fault) -> Self {
        self.faults.insert((operation, nth), fault);
        self
    }
}

/// Plays a script: counts the calls of each operation.
#[derive(Debug, Default)]
pub(super) struct Player {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    script: FaultScript,
    calls: HashMap<Operation, u64>,
}

impl Player {
    pub(super) fn new(script: FaultScript) -> Self {
        let calls = HashMap::new();
        Self {
            state: Mutex::new(State { script, calls }),
        }
    }

    /// Counts a call; returns the fault that the script has for it.
    pub(super) fn call(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.state.lock();
        let nth = state.calls.entry(operation).or_default();
        *nth += 1;
        let place = (operation, *nth);
        state.script.faults.remove(&place)
    }

    /// Counts a read.
    ///
    /// # Errors
    /// The script's.
    pub(super) fn read(&self) -> Result<(), JournalError> {
        match self.call(Operation::Read) {
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Unanswered) | None => Ok(()),
        }
    }
}
