//! Custom integrations, and the dry run.

use std::borrow::Cow;

use conduit_actors::ids::{ControllerDid, EventType, IntegrationId};
use conduit_actors::mapping::IntegrationSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::super::controllers::NAME_PATTERN;
use super::super::dry_run;
use super::super::integrations::{CreatedIntegration, Integration, SHOWN_ONLY};
use super::super::paging::Items;
use super::operation::{Group, Operation};
use super::parameters::{Flag, IfMatch, SnippetLanguage};
use super::sending::SentEvent;
use super::trial;
use crate::snippets::Snippet;

const ALL: &str = "/api/v1/integrations/custom";
const ONE: &str = "/api/v1/integrations/custom/{id}";
const ID: &str = "019d6240-11f0-7a52-8d3c-5b9e2f47a610";

/// An integration as it is sent: what `GET` adds may come back with it.
pub(in crate::http) struct SentIntegration;

impl JsonSchema for SentIntegration {
    fn schema_name() -> Cow<'static, str> {
        "SentIntegration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = IntegrationSpec::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            json!("An integration as it is sent: one processor's events and field mappings at one controller."),
        );
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            let version = json!({
                "description": "The version that a replacement is meant for; another one is refused. If-Match comes first.",
                "type": ["integer", "null"],
                "minimum": 0,
            });
            properties.insert("version".to_owned(), version);
            // Those that were saved before this was checked are shown as they are.
            if let Some(name) = properties.get_mut("name") {
                name["pattern"] = json!(NAME_PATTERN);
            }
            for name in SHOWN_ONLY {
                let shown = json!({"description": "May come back as it was given; it is not read.", "readOnly": true});
                properties.insert(name.to_owned(), shown);
            }
        }
        schema
    }
}

/// What the dry run takes.
struct DryRunBody;

impl JsonSchema for DryRunBody {
    fn schema_name() -> Cow<'static, str> {
        "DryRunBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (event, integration) = (
            generator.subschema_for::<SentEvent>(),
            generator.subschema_for::<SentIntegration>(),
        );
        json_schema!({
            "description": "An event or, with draft=true, a draft of the integration with an event.",
            "anyOf": [event, {
                "description": "A draft of the integration, and an event.",
                "type": "object",
                "properties": {"integration": integration, "event": event},
                "required": ["integration", "event"],
                "additionalProperties": false,
            }],
        })
    }
}

pub(super) fn spec() -> Value {
    json!({"name": "Web shop", "dataProcessorId": "web-shop", "defaultRegion": "DE", "events": [
        {"name": "account_created", "purpose": "Account registration", "legalBasis": "contract",
         "dedup": {"key": "pii", "windowSeconds": 60}, "fields": [
            {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
            {"path": "customer.name", "type": "string", "required": false, "pii": "user.name"},
            {"path": "items[].sku", "type": "string", "required": false}]}]})
}

fn example() -> Value {
    let mut example = spec();
    for (name, value) in [
        ("id", json!(ID)),
        ("did", json!("did:web:shop.example")),
        (
            "webhookUrl",
            json!("https://conduit.example/api/v1/integrations/custom/event?did=did:web:shop.example&dpid=web-shop"),
        ),
        ("version", json!(1)),
        ("createdAt", json!("2026-04-01T08:00:00.000Z")),
        ("updatedAt", json!("2026-04-01T08:00:00.000Z")),
        ("warnings", json!([])),
        ("apiKeyPreviousUntil", Value::Null),
    ] {
        example[name] = value;
    }
    example
}

fn created() -> Value {
    let mut created = example();
    created["webhookAuth"] = json!("Bearer cdt_key_…");
    created
}

pub(super) fn named(operation: Operation) -> Operation {
    operation.path::<IntegrationId>("id", "The integration.", ID)
}

/// `did`, which may stand beside the id.
pub(super) fn with_did(operation: Operation) -> Operation {
    let about = "The integration's controller; the id says it already.";
    operation
        .query::<ControllerDid>("did", about, "did:web:shop.example")
        .problems(400, &["did_invalid"])
}

fn snippets() -> Operation {
    let list = Operation::get(
        "/api/v1/integrations/custom/{id}/snippets",
        "listSnippets",
        "Programs that send an event",
    );
    with_did(named(list))
        .about(
            "In sh with curl, Python, JavaScript and Rust, with the address and a sample event filled in. They take the \
             credentials from the environment, and try again after a refusal that another try may mend. All in one page.",
        )
        .query::<SnippetLanguage>("language", "In this language only.", "python")
        .query::<EventType>("event", "The event's type; the first of the integration, if it is left out.", "account_created")
        .gives::<Items<Snippet>>(
            200,
            "The programs.",
            json!({"items": [{"language": "python", "title": "Python 3", "code": "import json, os, …\n"}], "nextCursor": null}),
        )
        .problems(400, &["event_unknown"])
}

fn tried() -> Value {
    json!({"status": "processed", "event": "account_created", "fields": [
        {"path": "email", "type": "string", "required": true, "found": true, "validated": true, "normalised": ["a…"],
         "category": "user.contact.email", "class": "strong", "links": true, "reasons": [], "warnings": []}],
        "reasons": [], "warnings": [], "categories": ["user.contact.email"], "duplicateOf": null,
        "subject": {"resolution": "new", "did": null, "merged": []}, "otherSubjects": [],
        "received": {"event": "account_created", "fields": [{"path": "email", "type": "string", "mapped": true, "near": null}],
                     "hidden": 0, "hasMore": false}})
}

pub(super) fn group() -> Group {
    let first = [("id", "$response.body#/items/0/id")];
    let list = Operation::get(ALL, "listIntegrations", "List integrations")
        .of_some_controller()
        .in_pages()
        .gives::<Items<Integration>>(
            200,
            "A page of integrations.",
            json!({"items": [example()], "nextCursor": null}),
        )
        .leads_to("getIntegration", &first)
        .leads_to("replaceIntegration", &first)
        .leads_to("testIntegration", &first)
        .leads_to("tryIntegration", &first);
    let id = [("id", "$response.body#/id")];
    let create = Operation::post(ALL, "createIntegration", "Create an integration")
        .about(
            "Its API key is in this answer, as `webhookAuth`, and never again. A mapping is checked as a whole: \
             `errors` names every fault at once.",
        )
        .of_one_controller()
        .takes::<SentIntegration>("The integration.", spec())
        .gives::<CreatedIntegration>(201, "The integration, with its API key.", created())
        .with_header("Location")
        .with_header("ETag")
        .leads_to("getIntegration", &id)
        .leads_to("deleteIntegration", &id)
        .leads_to("replaceIntegration", &id)
        .leads_to("getApiKey", &id)
        .leads_to("rotateApiKey", &id)
        .leads_to("revokeApiKey", &id)
        .leads_to("listSnippets", &id)
        .leads_to("testIntegration", &id)
        .problems(400, &["data_processor_id_invalid", "mapping_invalid"])
        .problems(409, &["already_exists", "mappings_too_large", "too_many_integrations"]);
    let get = named(Operation::get(ONE, "getIntegration", "Get an integration"))
        .gives::<Integration>(200, "The integration.", example())
        .or_unchanged();
    let replace = named(Operation::put(ONE, "replaceIntegration", "Replace an integration"))
        .about(
            "The new mapping holds from the next event on. Give the `ETag` of a GET in `If-Match`, or its `version` \
                in the body, and nobody's change in between is lost.",
        )
        .header::<IfMatch>("If-Match", "The ETag of a GET: another version is refused.", "\"1\"")
        .takes::<SentIntegration>(
            "The whole integration; what GET gives can be changed and put back.",
            spec(),
        )
        .gives::<Integration>(200, "The integration, as it is now.", example())
        .with_header("ETag")
        .problems(
            400,
            &[
                "data_processor_id_fixed",
                "if_match_invalid",
                "if_none_match_invalid",
                "mapping_invalid",
            ],
        )
        .problems(409, &["mappings_too_large", "version_mismatch"])
        .problems(412, &["precondition_failed"]);
    let delete = named(Operation::delete(ONE, "deleteIntegration", "Delete an integration"))
        .about("What came by it stays.")
        .header::<IfMatch>(
            "If-Match",
            "The ETag of a GET: another version is not deleted.",
            "\"1\"",
        )
        .gives_nothing(204, "It is gone. Its URL answers 401 at once.")
        .problems(400, &["if_match_invalid", "if_none_match_invalid"])
        .problems(409, &["version_mismatch"])
        .problems(412, &["precondition_failed"]);
    let event = json!({"event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "ada@shop.example"});
    let test = with_did(named(Operation::post(
        "/api/v1/integrations/custom/{id}/test",
        "testIntegration",
        "Dry run of an event",
    )))
    .about("What would become of an event, field by field, with values masked. Stores nothing.")
    .query::<Flag>(
        "draft",
        "Whether the body has a draft of the integration with the event.",
        "false",
    )
    .takes::<DryRunBody>("An event or, with draft=true, a draft and an event.", event.clone())
    .or_takes("draft", json!({"integration": spec(), "event": event}))
    .gives::<dry_run::Shown>(200, "What would become of it.", tried())
    .problems(
        400,
        &[
            "body_empty",
            "body_too_large",
            "event_invalid",
            "event_missing",
            "json_duplicate_key",
        ],
    )
    .problems(
        400,
        &["json_invalid", "json_not_an_object", "json_too_deep", "mapping_invalid"],
    )
    .problems(
        400,
        &["triggered_at_in_future", "triggered_at_invalid", "triggered_at_missing"],
    );
    Group {
        name: "Integrations",
        about: "Custom integrations: one processor's events and field mappings at one controller.",
        operations: vec![list, create, get, replace, delete, test, trial::operation(), snippets()],
    }
}
