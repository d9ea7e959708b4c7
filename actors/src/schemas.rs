//! The JSON Schemas (2020-12) of types that are texts in JSON. Other types derive theirs.
//!
//! A schema describes the texts that a type's `FromStr` accepts and its `Serialize` writes, as exactly as a schema can.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::dry_run::Resolution;
use crate::ids::{
    ActivityId, ControllerDid, EventId, EventType, IntegrationId, ProcessorId, ReplayId, Sequence, SubjectDid,
    SubjectId, Timestamp,
};

/// See its `Serialize`.
impl JsonSchema for Resolution {
    fn schema_name() -> Cow<'static, str> {
        "Resolution".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, several) = (
            generator.subschema_for::<Option<SubjectDid>>(),
            generator.subschema_for::<Vec<SubjectDid>>(),
        );
        json_schema!({
            "description": "Whom an event would concern: nobody; somebody new; a data subject that is known; or one that \
                            several would be merged into.",
            "type": "object",
            "properties": {
                "resolution": {"enum": ["nobody", "new", "known", "merged"]},
                "did": one,
                "merged": several,
            },
            "required": ["resolution", "did", "merged"],
        })
    }
}

macro_rules! schema {
    ($name:ident, $($json:tt)+) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($json)+)
            }
        }
    };
}

/// DID Core 1.0, section 3.1; the last segment is not empty.
const DID: &str = "^did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})$";

schema!(ControllerDid, {
    "description": "A data controller's DID (DID Core 1.0, section 3.1), at most 512 bytes.",
    "type": "string",
    "pattern": DID,
    "maxLength": ControllerDid::MAX_BYTES,
    "examples": ["did:web:shop.example"],
});
schema!(SubjectDid, {
    "description": "A data subject's DID. Says nothing about the person; the same for all that is resolved to them.",
    "type": "string",
    "pattern": "^did:conduit:[0-9A-Fa-f]{64}$",
    "examples": ["did:conduit:cd7563b1135bc9f1cd9acfb1908e959e680bf1a58b90aad553a598221e9562b0"],
});
schema!(ProcessorId, {
    "description": "A data processor's id, the dpid of a webhook URL.",
    "type": "string",
    "pattern": "^[A-Za-z0-9._~:-]{1,128}$",
    "examples": ["web-shop"],
});
schema!(EventType, {
    "description": "The name of an event's type: no control characters.",
    "type": "string",
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
    "minLength": 1,
    "maxLength": EventType::MAX_CHARS,
    "examples": ["account_created"],
});
schema!(EventId, {
    "description": "An accepted event's id: a UUIDv7, whose time is the event's receive time.",
    "type": "string",
    "format": "uuid",
    "examples": ["019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57"],
});
schema!(IntegrationId, {
    "description": "A custom integration's id, a UUIDv7.",
    "type": "string",
    "format": "uuid",
    "examples": ["019d6240-11f0-7a52-8d3c-5b9e2f47a610"],
});
schema!(ActivityId, {
    "description": "A processing activity's id, a UUIDv7.",
    "type": "string",
    "format": "uuid",
    "examples": ["019d6242-3b02-7d11-b6a8-94f0c3e7d215"],
});
schema!(ReplayId, {
    "description": "A replay's id, a UUIDv7.",
    "type": "string",
    "format": "uuid",
    "examples": ["019d6243-0c1d-7e44-8b5a-2f6d9e0c7a31"],
});
schema!(SubjectId, {
    "description": "A data subject's id within lists, a UUIDv7.",
    "type": "string",
    "format": "uuid",
    "examples": ["019d6242-3aff-7590-a1c4-7e8f2d6b0934"],
});
schema!(Sequence, {
    "description": "A position that counts from 1 without gaps within a controller.",
    "type": "integer",
    "minimum": 0,
    "examples": [42],
});
schema!(Timestamp, {
    "description": "A moment (RFC 3339). Given in UTC with milliseconds; taken with any offset.",
    "type": "string",
    "format": "date-time",
    "examples": ["2026-04-06T10:30:00.123Z"],
});
