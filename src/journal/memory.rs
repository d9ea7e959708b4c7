//! The journal in memory, with a script of faults: for tests and simulations.
//!
//! Events are in a [`MemoryLog`], which outlives the journal as a disk outlives a process. An append is written and answered
//! at once, on the thread that appends. If its answer appends again, that event is written after the first one.

mod journal;
mod log;
mod past;
mod script;

pub use journal::{MemoryJournal, MemoryOptions};
pub use log::MemoryLog;
pub use script::{Fault, FaultScript, Operation};
