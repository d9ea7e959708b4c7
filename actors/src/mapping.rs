//! Field mappings: what the fields of a tenant's events mean.

mod spec;

pub use spec::{DedupKeyKind, DedupSpec, EventSpec, FieldSpec, FieldType, IntegrationSpec};

/// A mapping, checked and compiled.
#[derive(Debug)]
pub struct Mapping {}
