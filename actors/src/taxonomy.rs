//! The PII taxonomy: categories, what identifies whom, and how values are normalised.
//!
//! It comes from a file, `config/pii-taxonomy.toml` unless the operator names another, whose head explains
//! its format.

mod blocklist;
mod catalogue;
mod category;
mod entry;
mod example;
mod former;
pub(crate) mod generation1;
pub mod normalise;
mod placeholder;

pub use catalogue::{BUNDLED, Taxonomy};
pub use category::{Category, Class, Special, TaxonomyError, Warn};
pub use former::FormerPlaceholders;
pub use normalise::{Invalid, NormaliseContext, Normalised, Normaliser};
