//! The result of a normalisation.

use crate::codes::EventCode;
use crate::personal::Personal;

/// The context of a normalisation.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormaliseContext<'a> {
    /// The processor, for values that are unique only there.
    pub processor: &'a str,
    /// The region (ISO 3166-1 alpha-2) of national telephone numbers.
    pub default_region: Option<&'a str>,
}

/// A value in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// The value; none if only its presence is recorded.
    pub value: Option<Personal<String>>,
    /// A code and a message, if there is something to say about it.
    pub warning: Option<(EventCode, &'static str)>,
    /// How an earlier generation spelt the same value, if differently.
    pub earlier: Option<Personal<String>>,
}

impl Normalised {
    /// Creates a value without a warning.
    pub(super) fn value(value: String) -> Self {
        Self {
            value: Some(Personal::new(value)),
            warning: None,
            earlier: None,
        }
    }

    /// Creates presence without a value.
    pub(super) const fn presence(warning: Option<(EventCode, &'static str)>) -> Self {
        Self {
            value: None,
            warning,
            earlier: None,
        }
    }
}

/// Why a value does not fit its category: a stable code, and a description of a valid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// Stable, for programs.
    pub code: EventCode,
    /// For people.
    pub message: &'static str,
}

impl Invalid {
    pub(super) const fn new(code: EventCode, message: &'static str) -> Self {
        Self { code, message }
    }
}

impl Invalid {
    /// Nothing was sent: no character of it can be seen.
    pub(crate) const EMPTY: Self = Self::new(EventCode::EmptyValue, "must not be empty");

    /// Returns whether the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}
