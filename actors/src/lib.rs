//! Conduit's domain and its supervised actor pipeline.
//!
//! An event goes through five actors: two on the thread of the HTTP worker that received it, and after the answer three
//! on the thread of its controller's shard:
//! ```text
//!  AuthActor ─► ValidatorActor ─► Journal.append ═► 200
//!      ═══════════ answered; all below is asynchronous ═══════════
//!  Journal.read ─► PiiExtractorActor ─► DedupWindow.claim ─► SubjectResolverActor
//!      ─► ActivityLoggerActor (one transaction) ─► Journal.release
//! ```
//!
//! The crate knows the world by its [`ports`] alone: no HTTP, no SQL, no Redis, no disk. The decisions of an actor live
//! in plain structs beside it, with their unit tests. The actor is a thin wrapper that [`supervisor`] fences, restarts
//! and reports on.

#![warn(missing_docs)]

pub mod admission;
pub mod audit;
pub mod codes;
pub mod dedup_key;
pub mod dry_run;
pub mod edge;
pub mod envelope;
pub mod event;
pub mod event_ids;
pub mod extract;
mod failpoint;
pub mod hex;
pub mod identity;
pub mod ids;
pub mod ingest;
pub mod json;
pub mod limits;
pub mod links;
pub mod log_limit;
pub mod mapping;
mod nature;
pub mod per_outcome;
mod percent;
pub mod personal;
pub mod ports;
pub mod random_keys;
pub mod receipt;
mod schemas;
pub mod shard;
pub mod stages;
pub mod supervisor;
pub mod taxonomy;
pub mod trial;
pub mod usage;
pub mod whole;

#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use failpoint::fail_point;
#[cfg(feature = "failpoints")]
pub use nature::simulated;
