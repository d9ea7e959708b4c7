//! Dedup windows: the adapters of `conduit_actors::ports::DedupWindow`.
//!
//! ## Invariants that every window keeps
//! - Windows are measured between *receive* times, which the event ids carry. Processing times do
//!   not matter: an hour of backlog changes no verdict.
//! - A claim names its event. An event that runs again meets its own claim and is first again.
//! - The window is that of the first event, from its receive time; repeats do not extend it.
//! - Keys are never compared across controllers.
//! - A claim is kept until no unprocessed event can fall into its window.

mod memory;

pub use memory::{MemoryWindow, MemoryWindowReport};
