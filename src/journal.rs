//! The journal: where an accepted event is durable before its sender is answered.
//!
//! [`NodeJournal`] is all that the program needs of it. The pipeline sees a part of that,
//! `conduit_actors::ports::Journal`. Two implementations pass one conformance suite:
//!
//! | implementation | where it keeps events | used by |
//! |---|---|---|
//! | [`WalJournal`] | segments on this machine's disk, see `wal.rs` | `conduit serve` |
//! | [`MemoryJournal`] | memory, with a script of faults, see `memory.rs` | tests and simulations |

mod fullness;
mod memory;
mod port;
mod report;
mod retention;
mod tuning;
mod wal;

pub use memory::{Fault, FaultScript, MemoryJournal, MemoryLog, MemoryOptions, Operation};
pub use port::{NodeJournal, Past, PastFilter, Step};
pub use report::{JournalMeters, JournalReport};
pub use retention::Retention;
pub use tuning::JournalTuning;
pub use wal::{
    DurableEnd, Fatal, Findings, JournalOptions, JournalRecord, OpenError, RecordContent, Recovered, Sides, WalJournal,
    segment_file,
};
