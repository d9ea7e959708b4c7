//! The needs of the actors, as traits. Adapters implement them; this module does not know how.

mod dedup;
mod directory;
mod journal;
mod replays;
mod store;
mod traces;

pub use dedup::{Claim, DedupError, DedupWindow, Verdict};
pub use directory::{Controller, Credential, Directory, Integration};
pub use journal::{AppendReply, BacklogListener, Durable, Journal, JournalError, StreamPosition};
pub use replays::{ReplayBatch, ReplayJob, ReplaySource, ReplayStep, ReplayedEvent};
pub use store::{
    BatchEffects, Ceiling, ChainHead, Checkpoint, KnownLink, Merge, NewLink, NewSubject, PipelineStore, RetiredLink,
    Retirement, StoreError,
};
pub use traces::{BatchTrace, BatchTraces, Stretch, TracedBatch};
