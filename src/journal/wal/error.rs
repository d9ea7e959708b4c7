//! Why the journal cannot be used.

use std::path::PathBuf;

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused.
    #[error("the journal in {dir} cannot be read: {cause}")]
    Disk {
        /// Where.
        dir: PathBuf,
        /// Why.
        cause: String,
    },
    /// A segment is damaged.
    #[error(
        "the journal is damaged at {place}: {what}. Nothing was changed. Restore the segment from a copy; or, \
             to go on without the events in it, move the journal's directory away and run `conduit adopt --discard-events`"
    )]
    Damaged {
        /// Segment and offset.
        place: String,
        /// The fault.
        what: String,
    },
}
