//! Values as text, if they have the type that their mapping says.

use crate::ids::Timestamp;
use crate::json::{Json, integer, number};
use crate::mapping::FieldType;

/// Why a value is not of a type.
pub(super) enum Untyped {
    WrongType,
    OutOfRange,
}

/// Returns the value as text, if it has the type.
pub(super) fn typed(field_type: FieldType, at: &Json<'_>) -> Result<String, Untyped> {
    match (field_type, at) {
        (FieldType::String, Json::String(text)) => Some(text.clone().into_owned()),
        (FieldType::Boolean, Json::Bool(value)) => Some(value.to_string()),
        (FieldType::Number, Json::Number(digits)) => return number(digits).ok_or(Untyped::OutOfRange),
        (FieldType::Integer, Json::Number(digits)) => integer(digits),
        (FieldType::Timestamp, Json::String(text)) => Timestamp::parse_rfc3339(text).map(|time| time.to_string()),
        _ => None,
    }
    .ok_or(Untyped::WrongType)
}

/// Returns the name of a type, as a notice has it.
pub(super) const fn name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::String => "string",
        FieldType::Integer => "integer",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Timestamp => "timestamp (RFC 3339)",
    }
}
