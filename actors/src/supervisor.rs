//! The supervisor keeps five actors per shard alive.
//!
//! Stock actix ends an actor whose handler panics: its mailbox closes, and waiting messages are lost. Here an actor has
//! two parts: a *wrapper* ([`Supervised`]) that owns the mailbox and never panics by itself, and a *stage* ([`Stage`])
//! with the state, which may.
//!
//! ## Invariants
//! - A stage runs one job at a time, behind a fence (`catch_unwind`). A panic drops the stage's state,
//!   since it may be half changed, and a factory makes it anew: a new *generation*.
//! - The mailbox outlives its stage. While a stage is down, jobs wait; they are neither lost nor refused.
//! - The wrapper does not retry the job that panicked: its sender gets [`Fault::Panicked`] and decides. An
//!   accepted event is in the journal and is read again; a request before acceptance is answered 500.
//! - Restarts wait for a backoff that doubles with each panic in a row, with jitter, up to a limit; a
//!   finished job resets it.
//! - More restarts within the window than the budget allows mark the actor as *over budget*, and its
//!   shard as unhealthy, until the window has passed. The actor is still restarted: giving up would turn
//!   a fault into an outage.
//! - If a panic tears down the wrapper itself, its drop starts a new one in its place, under the
//!   same [`ActorRef`]. Only the jobs in that mailbox are lost, and their senders are told.
//!
//! ## Log lines
//! Each step is one line of target `conduit::supervision` with `shard`, `actor`, `generation`, `cause`,
//! `backoff_ms`, `restarts_in_window`. The cause is a place in the source. The panic's text is added only if it is
//! a literal: a formatted text may contain personal data (see `fence.rs`).

mod fence;
mod monitor;
mod wrapper;

pub use fence::{PanicCause, install_panic_hook};
pub(crate) use fence::{fence, fence_call};
pub use monitor::{ActorReport, ActorState, Monitor, RestartPolicy};
pub use wrapper::{ActorRef, Fault, Stage, Supervised};
