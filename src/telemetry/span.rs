//! A span, as it is handed to the exporter.

use std::borrow::Cow;
use std::time::SystemTime;

use super::context::SpanContext;

/// The part that a span plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something within.
    Internal,
    /// A request, as its server sees it.
    Server,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Attributes of a span or a link.
pub type Attributes = Vec<(&'static str, Value)>;

/// An ended span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its place.
    pub context: SpanContext,
    /// The span that it is a part of, here or at the caller's.
    pub parent: Option<[u8; 8]>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its part.
    pub kind: Kind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// More about it.
    pub attributes: Attributes,
    /// Spans of other traces that led to it.
    pub links: Vec<(SpanContext, Attributes)>,
    /// Whether it failed.
    pub failed: bool,
}
