//! Custom integrations, and the dry run.

use std::borrow::Cow;

use conduit_actors::ids::EventType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::super::dry_run;
use super::super::integrations::{CreatedIntegration, Integration};
use super::super::paging::Items;
use super::super::sent_integration::SentIntegration;
use super::naming::{ID, named, spec, with_did};
use super::operation::{Group, Operation};
use super::parameters::{Flag, IfMatch, SnippetLanguage};
use super::sending::SentEvent;
use super::trial;
use crate::api as handlers;
use crate::code::Code;
use crate::snippets::Snippet;

const ALL: &str = "/api/v1/integrations/custom";
const ONE: &str = "/api/v1/integrations/custom/{id}";

/// The body of the dry run.
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

fn snippets() -> Operation {
    let list = Operation::get(
        "/api/v1/integrations/custom/{id}/snippets",
        "listSnippets",
        "Programs that send an event",
        handlers::snippets::list,
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
        .problems(400, &[Code::EventUnknown])
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
    let list = Operation::get(
        ALL,
        "listIntegrations",
        "List integrations",
        handlers::integrations::list,
    )
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
    let create = Operation::post(
        ALL,
        "createIntegration",
        "Create an integration",
        handlers::integrations::create,
    )
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
    .problems(400, &[Code::DataProcessorIdInvalid, Code::MappingInvalid])
    .problems(
        409,
        &[Code::AlreadyExists, Code::MappingsTooLarge, Code::TooManyIntegrations],
    );
    let get = named(Operation::get(
        ONE,
        "getIntegration",
        "Get an integration",
        handlers::integrations::get,
    ))
    .gives::<Integration>(200, "The integration.", example())
    .or_unchanged();
    let replace = named(Operation::put(
        ONE,
        "replaceIntegration",
        "Replace an integration",
        handlers::integrations::replace,
    ))
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
            Code::DataProcessorIdFixed,
            Code::IfMatchInvalid,
            Code::IfNoneMatchInvalid,
            Code::MappingInvalid,
        ],
    )
    .problems(409, &[Code::MappingsTooLarge, Code::VersionMismatch])
    .problems(412, &[Code::PreconditionFailed]);
    let delete = named(Operation::delete(
        ONE,
        "deleteIntegration",
        "Delete an integration",
        handlers::integrations::delete,
    ))
    .about("What came by it stays.")
    .header::<IfMatch>(
        "If-Match",
        "The ETag of a GET: another version is not deleted.",
        "\"1\"",
    )
    .gives_nothing(204, "It is gone. Its URL answers 401 at once.")
    .problems(400, &[Code::IfMatchInvalid, Code::IfNoneMatchInvalid])
    .problems(409, &[Code::VersionMismatch])
    .problems(412, &[Code::PreconditionFailed]);
    let event = json!({"event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "ada@shop.example"});
    let test = with_did(named(Operation::post(
        "/api/v1/integrations/custom/{id}/test",
        "testIntegration",
        "Dry run of an event",
        handlers::dry_run::test,
    )))
    .about("What would become of an event, field by field, with values masked. Stores nothing.")
    .query::<Flag>(
        "draft",
        "Whether the body has a draft of the integration with the event.",
        "false",
    )
    .takes::<DryRunBody>("An event or, with draft=true, a draft and an event.", event.clone())
    .or_takes("draft", json!({"integration": spec(), "event": event}))
    .gives::<dry_run::DryRunView>(200, "What would become of it.", tried())
    .problems(
        400,
        &[
            Code::BodyEmpty,
            Code::BodyTooLarge,
            Code::EventInvalid,
            Code::EventMissing,
            Code::JsonDuplicateKey,
        ],
    )
    .problems(
        400,
        &[
            Code::JsonInvalid,
            Code::JsonNotAnObject,
            Code::JsonTooDeep,
            Code::MappingInvalid,
        ],
    )
    .problems(
        400,
        &[
            Code::TriggeredAtInFuture,
            Code::TriggeredAtInvalid,
            Code::TriggeredAtMissing,
        ],
    );
    Group {
        name: "Integrations",
        about: "Custom integrations: one processor's events and field mappings at one controller.",
        operations: vec![list, create, get, replace, delete, test, trial::operation(), snippets()],
    }
}
