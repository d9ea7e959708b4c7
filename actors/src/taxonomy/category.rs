//! One PII category.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::normalise::Normaliser;

/// The identifying power of a category's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Identifies one person: may link alone, and merge.
    Strong,
    /// Points to a person: corroborates.
    Weak,
    /// Says something about a person: presence is recorded, the value is not.
    Attribute,
    /// Must not be kept.
    NeverStore,
}

/// Data that the GDPR protects specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Special {
    /// Special categories of personal data (article 9).
    Art9,
    /// Criminal convictions and offences (article 10).
    Art10,
}

/// One PII category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
pub struct Category {
    /// The name in a mapping's `pii`.
    #[serde(rename(serialize = "category"))]
    pub key: Arc<str>,
    /// For people.
    pub label: String,
    /// The identifying power of its values.
    pub class: Class,
    /// How its values are checked and brought into one spelling.
    pub normalise: Normaliser,
    /// Values that one subject may hold, of a strong category.
    #[serde(default)]
    pub max_distinct: u32,
    /// Whether the GDPR protects it specially.
    #[serde(default)]
    pub special: Option<Special>,
    /// Say so whenever an event carries it.
    #[serde(default, skip_serializing)]
    pub warn: Option<Warn>,
    /// The same in fideslang.
    #[serde(default)]
    pub fideslang: Option<String>,
    /// The same in W3C DPV-PD.
    #[serde(default)]
    pub dpv_pd: Option<String>,
}

/// The warning for an event with a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Warn {
    /// Data about children.
    Children,
}

impl Category {
    /// Returns whether its values become links.
    #[must_use]
    pub fn links(&self) -> bool {
        match self.class {
            Class::Strong | Class::Weak => true,
            Class::NeverStore => self.normalise == Normaliser::PaymentCard,
            Class::Attribute => false,
        }
    }
}

/// Why a taxonomy file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the PII taxonomy is not valid: {0}")]
pub struct TaxonomyError(pub(super) String);
