//! How operations name an integration, and the integration of their examples.

use conduit_actors::ids::{ControllerDid, IntegrationId};
use serde_json::{Value, json};

use super::operation::Operation;
use crate::code::Code;

/// The id of the integration of the examples.
pub(super) const ID: &str = "019d6240-11f0-7a52-8d3c-5b9e2f47a610";

pub(super) fn spec() -> Value {
    json!({"name": "Web shop", "dataProcessorId": "web-shop", "defaultRegion": "DE", "events": [
        {"name": "account_created", "purpose": "Account registration", "legalBasis": "contract",
         "dedup": {"key": "pii", "windowSeconds": 60}, "fields": [
            {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
            {"path": "customer.name", "type": "string", "required": false, "pii": "user.name"},
            {"path": "items[].sku", "type": "string", "required": false}]}]})
}

pub(super) fn named(operation: Operation) -> Operation {
    operation.path::<IntegrationId>("id", "The integration.", ID)
}

/// Adds `did`, which may accompany the id.
pub(super) fn with_did(operation: Operation) -> Operation {
    let about = "The integration's controller; the id says it already.";
    operation
        .query::<ControllerDid>("did", about, "did:web:shop.example")
        .problems(400, &[Code::DidInvalid])
}
