//! Field mappings: the meaning of the fields of a tenant's events.
//!
//! A mapping is checked as a whole when it is saved. [`Mapping::compile`] lists every fault at once, each by a JSON
//! Pointer into the sent body. The extractor walks the compiled mapping.

mod check;
mod compile;
mod compiled;
mod distance;
mod doubts;
mod fit;
mod path;
mod persons;
mod received;
mod sample;
mod spec;
pub mod suggest;
mod value_names;

pub use check::MappingFault;
pub(crate) use compiled::FieldMapping;
pub use compiled::{DedupDefaults, EventMapping, Mapping};
pub use doubts::{doubts, whose};
pub use path::{Path, PathStep};
pub use received::{Received, ReceivedField};
pub use spec::{DedupKeyKind, DedupSpec, EventSpec, FieldSpec, FieldType, IntegrationSpec, Role};

#[cfg(test)]
mod tests;
