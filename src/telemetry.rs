//! Traces, by OpenTelemetry's protocol (OTLP over HTTP, protobuf), for whoever follows a request through many systems.
//!
//! Off unless an endpoint is configured; then there is no [`Tracer`], and nothing is done. A request is traced if its
//! `traceparent` (W3C Trace Context) says so, and without one by the sampling ratio. Its span has the append to the journal
//! as its child. The batch that processes the event is a trace of its own, linked to the requests of all its traced events:
//! it has many parents, so to speak, and may run long after they ended.
//!
//! Which request an event came by is kept in memory, not in the journal: what is taken up by another run of the program has
//! no link. The event's id, which both spans have, connects them still.
//!
//! No span has a value of a payload, a credential, an address, a DID or a path with ids in it: methods, routes, statuses,
//! codes, event ids and counts are all there is. `tracestate` is not passed on: its contents are anybody's.
//!
//! Spans wait in a queue of bounded length for a thread of their own. When the collector is away or slow, further spans
//! are dropped and counted; nobody waits.

mod context;
mod endpoint;
mod export;
mod links;
mod otlp;
mod pipeline;
mod shared;
mod span;
mod tracer;

pub use context::SpanContext;
pub(crate) use endpoint::check;
pub use shared::SpanCounts;
pub use span::{Kind, Span, Value};
pub use tracer::Tracer;
