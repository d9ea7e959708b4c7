//! An integration as its owner writes it: the JSON of the management API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::LegalBasis;
use crate::ids::{EventType, ProcessorId};

/// The body of `POST /api/v1/integrations/custom`, and what `GET` shows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntegrationSpec {
    /// For people: 1–200 characters.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The `dpid` of the webhook URL; made if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ProcessorId>")]
    pub data_processor_id: Option<String>,
    /// Region (ISO 3166-1 alpha-2) for telephone numbers without a country code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub default_region: Option<String>,
    /// Dedup for all events that do not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup: Option<DedupSpec>,
    /// The events that it takes.
    #[schemars(length(min = 1, max = 200))]
    pub events: Vec<EventSpec>,
}

/// One event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSpec {
    /// The envelope's `event`.
    #[schemars(with = "EventType")]
    pub name: String,
    /// The purpose of the processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub purpose: Option<String>,
    /// Why that is lawful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// How repeats are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup: Option<DedupSpec>,
    /// The fields that mean something; all others are ignored and never stored.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub fields: Vec<FieldSpec>,
}

/// The pattern of [`Path::parse`](super::Path::parse), except for the number of steps.
const PATH_PATTERN: &str = concat!(
    r"^(?:",
    r"[^.\[\]\u0000-\u001f\u007f-\u009f]+",
    r#"|\["(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"\]"#,
    r")(?:",
    r"\.[^.\[\]\u0000-\u001f\u007f-\u009f]+",
    r#"|\["(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"\]"#,
    r"|\[\]",
    r")*$"
);

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSpec {
    /// Where it is: names divided by dots; `[]` after a name stands for each element of an array. Names that have dots or
    /// brackets of their own are quoted: `["user.email"]`.
    #[schemars(length(max = 256), regex(pattern = PATH_PATTERN))]
    pub path: String,
    /// The type of its JSON value.
    #[serde(rename = "type", default)]
    pub field_type: FieldType,
    /// Whether an event without it is rejected.
    #[serde(default)]
    pub required: bool,
    /// The PII category, if it is personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii: Option<String>,
    /// Whose personal data it is; `subject` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Whose personal data a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one whom the event concerns.
    #[default]
    Subject,
    /// Another person, who is linked to the event. Fields of the same element of an array, else of the same object, are one
    /// person.
    Other,
}

/// The JSON type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A string.
    #[default]
    String,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A string in RFC 3339.
    Timestamp,
}

/// The recognition of repeats. Missing fields come from the integration, then from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DedupSpec {
    /// The values that repeats share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DedupKeyKind>,
    /// For how long after the first, in seconds: 0 (off) to 86,400.
    #[serde(
        default,
        deserialize_with = "crate::whole::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(max = 86_400))]
    pub window_seconds: Option<u32>,
}

/// The values that two events must share to be repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DedupKeyKind {
    /// All personal data, or the whole body without personal data.
    #[default]
    Pii,
    /// All mapped fields.
    Mapped,
    /// The body, byte for byte.
    Body,
}
