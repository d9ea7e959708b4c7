//! Schemas of query parameters and headers that have no type of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::http::query::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::snippets::Language;

macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident, $($json:tt)+) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($json)+)
            }
        }
    };
}

parameter!(
    /// `limit`.
    Limit, {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
);
parameter!(
    /// `order` of activities.
    Order, {"type": "string", "enum": ["triggeredAt", "sequence"], "default": "triggeredAt"}
);
parameter!(
    /// `cursor` of any list: opaque.
    Cursor, {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
);
parameter!(
    /// `language` of sample programs.
    SnippetLanguage, {"type": "string", "enum": Language::ALL.map(Language::as_str)}
);
parameter!(
    /// `Prefer` (RFC 7240).
    Prefer, {"type": "string"}
);
parameter!(
    /// `true` or `false` in a query.
    Flag, {"type": "string", "enum": ["true", "false"], "default": "false"}
);
parameter!(
    /// `If-Match`: an ETag of ours, or `*`.
    IfMatch, {"type": "string", "pattern": "^(?:\\*|(?:W/)?\"[0-9]{1,18}(?:-[0-9]{1,18})?\")$"}
);
parameter!(
    /// `If-Match` of a resource without a version: an ETag of ours, or `*`.
    IfMatchTag, {"type": "string", "pattern": "^(?:\\*|(?:W/)?\"[0-9a-f]{16}\")$"}
);
parameter!(
    /// `If-None-Match`: an ETag of ours, or `*`.
    IfNoneMatch, {"type": "string", "pattern": "^(?:\\*|(?:W/)?\"[0-9a-f-]{1,37}\")$"}
);
parameter!(
    /// A text that is not JSON.
    Text, {"type": "string"}
);
