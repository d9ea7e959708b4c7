//! The schema of an integration in a request.

use std::borrow::Cow;

use conduit_actors::mapping::IntegrationSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::controllers::NAME_PATTERN;
use super::integrations::READ_ONLY;

/// An integration in a request. The fields that `GET` adds may be sent back with it.
pub(super) struct SentIntegration;

impl JsonSchema for SentIntegration {
    fn schema_name() -> Cow<'static, str> {
        "SentIntegration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = IntegrationSpec::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            json!("An integration in a request: one processor's events and field mappings at one controller."),
        );
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            let version = json!({
                "description": "The version that a replacement is meant for; another one is refused. If-Match comes first.",
                "type": ["integer", "null"],
                "minimum": 0,
            });
            properties.insert("version".to_owned(), version);
            // Mappings saved before this check are shown unchanged.
            if let Some(name) = properties.get_mut("name") {
                name["pattern"] = json!(NAME_PATTERN);
            }
            for name in READ_ONLY {
                let shown = json!({"description": "May be sent back unchanged; it is ignored.", "readOnly": true});
                properties.insert(name.to_owned(), shown);
            }
        }
        schema
    }
}
