//! Events and the audit log.

use conduit_actors::event::Status;
use conduit_actors::ids::{EventId, EventType, IntegrationId, SubjectDid, Timestamp};
use serde_json::{Value, json};

use super::super::paging::Items;
use super::super::{activities, events};
use super::operation::{Group, Operation};
use super::parameters::{ActivityCursor, Order, Text};

const EVENT: &str = "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57";
const INTEGRATION: &str = "019d6240-11f0-7a52-8d3c-5b9e2f47a610";
const SUBJECT: &str = "did:conduit:cd7563b1135bc9f1cd9acfb1908e959e680bf1a58b90aad553a598221e9562b0";

fn event() -> Value {
    json!({"eventId": EVENT, "did": "did:web:shop.example", "integrationId": INTEGRATION,
           "dataProcessorId": "web-shop", "event": "account_created", "triggeredAt": "2026-04-06T10:30:00.000Z",
           "receivedAt": "2026-04-06T10:30:00.123Z", "status": "processed", "reasons": [], "warnings": [],
           "duplicateOf": null, "subject": SUBJECT, "categories": ["user.contact.email"],
           "stages": {"journaledAt": "2026-04-06T10:30:00.124Z", "extractedAt": "2026-04-06T10:30:00.130Z",
                      "resolvedAt": "2026-04-06T10:30:00.131Z", "loggedAt": "2026-04-06T10:30:00.140Z"}})
}

fn activity() -> Value {
    json!({"activityId": "019d6242-3b02-7d11-b6a8-94f0c3e7d215", "sequence": 42, "eventId": EVENT, "subject": SUBJECT,
           "integrationId": INTEGRATION, "dataProcessorId": "web-shop", "event": "account_created",
           "purpose": "Account registration", "legalBasis": "contract",
           "categories": ["user.contact.email", "user.name"], "triggeredAt": "2026-04-06T10:30:00.000Z",
           "loggedAt": "2026-04-06T10:30:00.140Z",
           "hash": "5c0f2f1f0a9b1d3f7a4e6c8b2d1e0f3a5b7c9d1e3f5a7b9c1d3e5f7a9b1c3d5e",
           "previousHash": "0000000000000000000000000000000000000000000000000000000000000000"})
}

/// The parameters that both lists have.
fn filtered(operation: Operation, from: &'static str, to: &'static str) -> Operation {
    operation
        .of_some_controller()
        .query::<IntegrationId>("integration", "That came by this integration.", INTEGRATION)
        .query::<EventType>("event", "Of this type.", "account_created")
        .query::<Timestamp>("from", from, "2026-04-01T00:00:00Z")
        .query::<Timestamp>("to", to, "2026-05-01T00:00:00Z")
}

pub(super) fn group() -> Group {
    let list =
        Operation::get("/api/v1/events", "listEvents", "List events").about("Newest first, those in flight included.");
    let list = filtered(list, "Received at this time or later.", "Received before this time.")
        .query::<Status>("status", "Of this status.", "processed")
        .in_pages::<EventId>(EVENT)
        .gives::<Items<events::Shown>>(
            200,
            "A page of events.",
            json!({"items": [event()], "nextCursor": null}),
        )
        .leads_to("getEvent", &[("id", "$response.body#/items/0/eventId")])
        .problems(500, &["journal_unavailable"]);
    let get = Operation::get("/api/v1/events/{id}", "getEvent", "Get an event")
        .about(
            "Its status is `received` until its outcome is written: `processed`, `duplicate`, `rejected` or `failed`, \
             each for good.",
        )
        .path::<EventId>("id", "The event.", EVENT)
        .gives::<events::Shown>(200, "The event, and what became of it.", event())
        .problems(500, &["journal_unavailable"]);
    let log = Operation::get("/api/v1/activities", "listActivities", "List processing activities")
        .about("The audit log. With `Accept: text/csv`, all of it as RFC 4180, whatever `limit` and `cursor` say.");
    let log = filtered(log, "Triggered at this time or later.", "Triggered before this time.")
        .query::<SubjectDid>("subject", "That concern this data subject.", SUBJECT)
        .query::<Order>(
            "order",
            "By when it happened, or by the place in the chain. `sequence` is within one controller: it needs did, \
             or a subject.",
            "triggeredAt",
        )
        .in_pages::<ActivityCursor>("1775471400000.019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57.42")
        .gives::<Items<activities::Shown>>(
            200,
            "A page of activities.",
            json!({"items": [activity()], "nextCursor": null}),
        )
        .or_gives::<Text>("text/csv", json!("activityId,sequence,eventId,…\r\n"))
        .leads_to("getEvent", &[("id", "$response.body#/items/0/eventId")])
        .leads_to("getSubject", &[("did", "$response.body#/items/0/subject")])
        .problems(400, &["did_missing"])
        .problems(404, &["not_found"]);
    Group {
        name: "Events and activities",
        about: "What was sent, what became of it, and the tamper-evident log of processing activities.",
        operations: vec![list, get, log],
    }
}
