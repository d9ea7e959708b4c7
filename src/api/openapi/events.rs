//! Events and the audit log.

use conduit_actors::event::Status;
use conduit_actors::ids::{EventId, EventType, IntegrationId, SubjectDid, Timestamp};
use serde_json::{Value, json};

use super::super::event_list;
use super::super::paging::Items;
use super::operation::{Group, Operation, exported};
use super::parameters::Order;
use crate::api as handlers;
use crate::app::activities::ActivityRecord;
use crate::app::events::Event;
use crate::code::Code;

const EVENT: &str = "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57";
const INTEGRATION: &str = "019d6240-11f0-7a52-8d3c-5b9e2f47a610";
const SUBJECT: &str = "did:conduit:cd7563b1135bc9f1cd9acfb1908e959e680bf1a58b90aad553a598221e9562b0";

const EVENTS_CSV: &str = "eventId,did,integrationId,…\r\n";

fn event() -> Value {
    json!({"eventId": EVENT, "did": "did:web:shop.example", "integrationId": INTEGRATION,
           "dataProcessorId": "web-shop", "event": "account_created", "triggeredAt": "2026-04-06T10:30:00.000Z",
           "receivedAt": "2026-04-06T10:30:00.123Z", "status": "processed", "reasons": [], "warnings": [],
           "duplicateOf": null, "subject": SUBJECT, "otherSubjects": [], "categories": ["user.contact.email"],
           "stages": {"journaledAt": "2026-04-06T10:30:00.124Z", "extractedAt": "2026-04-06T10:30:00.130Z",
                      "resolvedAt": "2026-04-06T10:30:00.131Z", "loggedAt": "2026-04-06T10:30:00.140Z"}})
}

/// Describes one event, with its outcomes.
fn replayed() -> Value {
    let mut event = event();
    event["history"] = json!([
        {"at": "2026-04-06T10:30:00.140Z", "status": "rejected",
         "reasons": [{"field": "/mail", "code": "required_missing", "message": "mail is required by the mapping and was not sent"}]},
        {"at": "2026-04-06T10:31:02.000Z", "status": "processed", "reasons": [], "mappingVersion": 2,
         "replayId": "019d6243-0c11-7e02-a4b9-3f5d8e6c1a20"}]);
    event["stages"]["loggedAt"] = json!("2026-04-06T10:31:02.000Z");
    event
}

fn activity() -> Value {
    json!({"activityId": "019d6242-3b02-7d11-b6a8-94f0c3e7d215", "sequence": 42, "eventId": EVENT, "subject": SUBJECT, "otherSubjects": [],
           "integrationId": INTEGRATION, "dataProcessorId": "web-shop", "event": "account_created",
           "purpose": "Account registration", "legalBasis": "contract",
           "categories": ["user.contact.email", "user.name"], "triggeredAt": "2026-04-06T10:30:00.000Z",
           "loggedAt": "2026-04-06T10:30:00.140Z",
           "hash": "5c0f2f1f0a9b1d3f7a4e6c8b2d1e0f3a5b7c9d1e3f5a7b9c1d3e5f7a9b1c3d5e",
           "previousHash": "0000000000000000000000000000000000000000000000000000000000000000"})
}

/// Adds the parameters of both lists.
fn filtered(operation: Operation, from: &'static str, to: &'static str) -> Operation {
    operation
        .of_some_controller()
        .query::<IntegrationId>("integration", "Events of this integration.", INTEGRATION)
        .query::<EventType>("event", "Events of this type.", "account_created")
        .query::<Timestamp>("from", from, "2026-04-01T00:00:00Z")
        .query::<Timestamp>("to", to, "2026-05-01T00:00:00Z")
}

pub(super) fn group() -> Group {
    let list = Operation::get(
        "/api/v1/events",
        "listEvents",
        "List events",
        handlers::event_list::list,
    )
    .about(exported!("Newest first, including events in flight."));
    let list = filtered(
        list,
        "Events received at this time or later.",
        "Events received before this time.",
    )
    .query::<Status>("status", "Events of this status.", "processed")
    .query::<SubjectDid>("subject", "Events of this data subject, including repeats.", SUBJECT)
    .in_pages()
    .gives::<Items<Event>>(
        200,
        "A page of events.",
        json!({"items": [event()], "nextCursor": null}),
    )
    .or_exports(EVENTS_CSV, &event())
    .leads_to("getEvent", &[("id", "$response.body#/items/0/eventId")])
    .leads_to("replayEvent", &[("id", "$response.body#/items/0/eventId")])
    .problems(500, &[Code::JournalUnavailable]);
    let search = Operation::post("/api/v1/events/search", "searchEvents", "Search a person's events", handlers::event_list::search)
        .about(exported!("Finds data subjects by an identifier. Conduit hashes it like the identifiers of events, and neither stores nor logs it. Repeats are found too; \
             events that have no subject are not: rejected and failed ones, and those in flight."))
        .of_one_controller()
        .takes::<event_list::EventSearch>(
            "Whose events, and which of them.",
            json!({"identifier": {"category": "user.contact.email", "value": "ada@shop.example"}}),
        )
        .gives::<event_list::FoundEvents>(
            200,
            "A page of events, newest first, and whom the identifier leads to.",
            json!({"items": [event()], "nextCursor": null, "subjects": [SUBJECT]}),
        )
        .or_exports(EVENTS_CSV, &event())
        .leads_to("getEvent", &[("id", "$response.body#/items/0/eventId")])
        .leads_to("getSubject", &[("did", "$response.body#/subjects/0")])
        .problems(400, &[Code::CursorInvalid, Code::IdentifierTooCommon, Code::LookupInvalid, Code::ParameterInvalid]);
    let get = Operation::get("/api/v1/events/{id}", "getEvent", "Get an event", handlers::events::get)
        .about(
            "Its status is `received` until its outcome is written: `processed`, `duplicate`, `rejected` or `failed`, \
             each for good, unless a rejected or failed one is replayed. `history` has all outcomes, oldest first. \
             `received` has the names of the fields of one that was rejected, or failed, while its payload is kept: those \
             that look like values are left out, and none of its values is shown.",
        )
        .path::<EventId>("id", "The event.", EVENT)
        .gives::<Event>(200, "The event, and what became of it.", replayed())
        .leads_to("replayEvent", &[("id", "$response.body#/eventId")])
        .problems(500, &[Code::JournalUnavailable]);
    let log = Operation::get(
        "/api/v1/activities",
        "listActivities",
        "List processing activities",
        handlers::activities::list,
    )
    .about(exported!("The audit log, newest first."));
    let log = filtered(log, "Triggered at this time or later.", "Triggered before this time.")
        .query::<SubjectDid>("subject", "That concern this data subject.", SUBJECT)
        .query::<Order>(
            "order",
            "By when it happened, or by the place in the chain. `sequence` is within one controller: it needs did, \
             or a subject.",
            "triggeredAt",
        )
        .in_pages()
        .gives::<Items<ActivityRecord>>(
            200,
            "A page of activities.",
            json!({"items": [activity()], "nextCursor": null}),
        )
        .or_exports("activityId,sequence,eventId,…\r\n", &activity())
        .leads_to("getEvent", &[("id", "$response.body#/items/0/eventId")])
        .leads_to("getSubject", &[("did", "$response.body#/items/0/subject")])
        .problems(400, &[Code::DidMissing])
        .problems(404, &[Code::NotFound]);
    Group {
        name: "Events and activities",
        about: "What was sent, what became of it, and the tamper-evident log of processing activities.",
        operations: vec![list, search, get, log],
    }
}
