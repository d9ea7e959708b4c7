//! Traces, by OpenTelemetry's protocol (OTLP over HTTP, protobuf), for following a request through many systems.
//!
//! Tracing is off without an endpoint: then there is no [`Tracer`], and no cost. A request is traced if its
//! `traceparent` (W3C Trace Context) says so, and without one by the sampling ratio. Its span has the append to the
//! journal as its child. The batch that processes the event is a trace of its own, linked to the requests of all its
//! traced events. It has many parents, so to speak, and may run long after they ended.
//!
//! The link from an event to its request is in memory, not in the journal: events of a former run of the program have
//! no link. The event's id, which both spans have, still connects them.
//!
//! Spans contain no value of a payload, credential, address, DID or path with ids. They have methods, routes, statuses,
//! codes, event ids and counts. `tracestate` is not passed on, because anybody may write into it.
//!
//! Spans wait in a bounded queue for a separate thread. When the collector is away or slow, further spans are dropped
//! and counted; nobody waits.

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
