//! The journal over `wal-db`, on this machine's disk.
//!
//! ## On disk
//! A directory of *segments*, `00000000000000000001.wal` and up, each a log of the `wal-db` crate: a series of records, each
//! with its length and a CRC-32C. There is one record per *commit batch*, and one fdatasync per record,
//! so that the log's own rule for distinguishing a torn tail from damage is exact. A record holds (big-endian):
//! ```text
//!  version 1 · epoch 16 · journaled at, ms 8 · events 4
//!  per event: controller 16 · sequence 8 · event id 16 · integration 16 · counter 8 · length 4 · sealed …
//!  sealed (AES-256-GCM under the controller's data key for this epoch, nonce = counter):
//!      triggered at, ms 8 · length of the event type 2 · event type · body
//!  authenticated with it: version · controller · sequence · event id · integration
//! ```
//!
//! wal-db's own segments are not used: they do not sync their directory, and after a torn head marker wal-db reads from
//! an offset that no longer exists.
//!
//! ## Invariants
//! - Each controller's events form a *stream*: sequences from 1, without gaps, in the order of acceptance.
//! - An append is answered after the fdatasync that covers it, never before.
//! - A segment leaves the journal when every stream is released past it. The checkpoints that release are in the store, in
//!   the transaction of the effects; the journal keeps none.
//! - Nothing is rewritten.
//!
//! A released segment is kept for a time in another place: see `retained.rs`. `past.rs` reads it.
//!
//! ## Recovery
//! All segments are read, oldest first. A torn record at the end of the last one was never acknowledged: it is
//! cut, and a warning says how much. Any other damage (a bad checksum, a missing or shortened segment, a gap in a
//! stream) is refused with its place, never skipped. Damage to the very last record looks like a torn write. If
//! that record was acknowledged and processed, the store's checkpoint is ahead of the journal, and sequences
//! continue from there.
//! After a failed write the segment is closed, its tail cut at the next opening, and a new one begun: durable
//! records stay durable. After a failed fdatasync the content of the disk is unknown: the process ends, and
//! recovery reads the disk.

mod codec;
mod contents;
mod error;
mod index;
mod journal;
mod keeper;
mod options;
mod past;
mod record;
mod recovered;
mod retained;
mod segment_file;
mod segments;
mod shared;
mod tail;
mod writer;

pub use error::OpenError;
pub use journal::WalJournal;
pub use options::{Fatal, JournalOptions};
pub use record::{DurableEnd, JournalRecord, RecordContent};
pub use recovered::{Findings, Recovered, Sides};
pub use segments::file_name as segment_file;
