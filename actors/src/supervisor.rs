//! The supervisor: what keeps five actors per shard alive.
//!
//! Stock actix ends an actor whose handler panics: its mailbox closes and what waited in it is gone.
//! Here an actor is two things: a *wrapper* ([`Supervised`]) that owns the mailbox and never panics by
//! itself, and a *stage* ([`Stage`]) with the state, which may.
//!
//! ## Invariants
//! - A stage runs one job at a time, behind a fence (`catch_unwind`). A panic drops the stage's state,
//!   since it may be half changed, and a factory makes it anew: a new *generation*.
//! - The mailbox outlives its stage. While a stage is down, jobs wait; they are not lost and not refused.
//! - The job that panicked is not tried again here: whoever sent it hears [`Fault::Panicked`] and decides. An
//!   event that was accepted is in the journal and is read again; a request that was not is answered 500.
//! - Restarts wait for a backoff that doubles with each panic in a row, with jitter, up to a limit; a
//!   finished job resets it.
//! - More restarts within the window than the budget allows mark the actor as *over budget*, and with it the
//!   shard as unhealthy, until the window has passed. It is restarted all the same: giving up would turn
//!   a fault into an outage.
//! - Should the wrapper itself be torn down by a panic, its drop starts a new one in its place, under the
//!   same [`ActorRef`]; only the jobs in that mailbox are lost, and their senders hear it.
//!
//! ## What is logged
//! Each step is one line of target `conduit::supervision` with `shard`, `actor`, `generation`, `cause`,
//! `backoff_ms`, `restarts_in_window`. The cause is a place in the source, and the panic's text only if it is
//! a literal: a formatted one may hold personal data (see `fence.rs`).

mod fence;
mod monitor;
mod wrapper;

pub use fence::{PanicCause, install_panic_hook};
pub(crate) use fence::{fence, fence_call};
pub use monitor::{ActorReport, ActorState, Monitor, RestartPolicy};
pub use wrapper::{ActorRef, Fault, Stage, Supervised};
