//! Periodic work of a node. Each job runs for as long as it is polled, and the composition root starts it.

pub(crate) mod admission;
pub(crate) mod conversion;
pub mod credentials;
mod follow;
mod history;
pub mod replays;
pub mod retention;
pub(crate) mod seals;
mod sweep;

pub use follow::follow;
pub use history::prune_history;
pub use sweep::sweep;
