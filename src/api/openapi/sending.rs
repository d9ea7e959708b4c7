//! The event endpoint.

use std::borrow::Cow;

use conduit_actors::ids::{ControllerDid, EventId, EventType, ProcessorId, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::operation::{Group, Operation};
use super::parameters::Prefer;
use crate::api as handlers;
use crate::code::Code;
use crate::http::ingest;
use crate::http::request_id::EVENT_PATH;
use crate::receipts::{KEYS_PATH, KeySet};

/// The body of an event.
pub(super) struct SentEvent;

impl JsonSchema for SentEvent {
    fn schema_name() -> Cow<'static, str> {
        "SentEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event: two fields of its own, and whatever else; the integration's mapping says what that \
                            means. I-JSON (RFC 7493): no name twice in an object. At most 64 levels deep.",
            "type": "object",
            "properties": {
                "event": generator.subschema_for::<EventType>(),
                "triggeredAt": {
                    "allOf": [generator.subschema_for::<Timestamp>()],
                    "description": "When it happened, with its offset; at most 24 hours ahead.",
                },
            },
            "required": ["event", "triggeredAt"],
            "additionalProperties": true,
        })
    }
}

/// How a receipt begins.
const RECEIPT: &str = "cr2.Ag….AAAAAAAAAAE….qk3v…";

/// The answer to an event that was accepted. Written by hand in `ingest`, where time counts.
struct Receipt;

impl JsonSchema for Receipt {
    fn schema_name() -> Cow<'static, str> {
        "Receipt".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The event is on stable storage.",
            "type": "object",
            "properties": {
                "status": {"const": "accepted"},
                "eventId": generator.subschema_for::<EventId>(),
                "receivedAt": generator.subschema_for::<Timestamp>(),
                "receipt": {
                    "description": "Signed proof of which bytes were received when, for whom, under which version of the \
                                    mapping. There unless the operator configured otherwise (`[receipts]`). \
                                    `conduit receipt verify` checks it by the public keys, offline.",
                    "type": "string",
                    "pattern": "^cr2\\.",
                },
            },
            "required": ["status", "eventId", "receivedAt"],
        })
    }
}

pub(super) fn group() -> Group {
    let body = [
        Code::BodyEmpty,
        Code::BodyIncomplete,
        Code::BodyMalformed,
        Code::BodyTimeout,
        Code::BodyTooLarge,
        Code::ContentEncodingUnsupported,
        Code::EventInvalid,
        Code::EventMissing,
        Code::JsonDuplicateKey,
        Code::JsonInvalid,
        Code::JsonNotAnObject,
        Code::JsonTooDeep,
        Code::RequestInvalid,
        Code::TriggeredAtInFuture,
        Code::TriggeredAtInvalid,
        Code::TriggeredAtMissing,
    ];
    let here = [
        Code::AboveCapacity,
        Code::BacklogLimitExceeded,
        Code::CredentialsUnconfirmed,
        Code::InternalError,
        Code::JournalFull,
        Code::JournalUnavailable,
        Code::Overloaded,
        Code::RateLimitExceeded,
        Code::ShuttingDown,
        Code::StartingUp,
    ];
    let send = Operation::post(EVENT_PATH, "sendEvent", "Send an event", ingest::post_event)
        .about(
            "A 200 means that the event is on stable storage; what becomes of it is asynchronous, see `getEvent`. \
             Checks come in this order: query (400), credentials (401), body (400), storage (500). A 500 has \
             `Retry-After`: nothing was kept, send it again. An event that was sent twice is a duplicate within the \
             dedup window, and does no harm.",
        )
        .by_senders()
        .required_query::<ControllerDid>(
            "did",
            "The controller; it is in the webhookUrl.",
            "did:web:shop.example",
        )
        .required_query::<ProcessorId>("dpid", "The data processor; it is in the webhookUrl.", "web-shop")
        .header::<Prefer>(
            "Prefer",
            "`receipt`: the answer is to carry a signed receipt (RFC 7240).",
            "receipt",
        )
        .takes::<SentEvent>(
            "The event.",
            json!({"event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "ada@shop.example",
                   "customer": {"name": "Ada"}}),
        )
        .gives::<Receipt>(
            200,
            "Accepted: on stable storage.",
            json!({"status": "accepted", "eventId": "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57",
                   "receivedAt": "2026-04-06T10:30:00.123Z", "receipt": RECEIPT}),
        )
        .with_header("Preference-Applied")
        .leads_to("getEvent", &[("id", "$response.body#/eventId")])
        .problems(
            400,
            &[Code::DidInvalid, Code::DidMissing, Code::DpidInvalid, Code::DpidMissing],
        )
        .problems(400, &body)
        .problems(500, &here);
    let keys = Operation::get(
        KEYS_PATH,
        "listReceiptKeys",
        "Public keys of receipts",
        handlers::receipts::keys,
    )
    .about("Every key there ever was, of all nodes, as a JWK set (RFC 7517, RFC 8037).")
    .open()
    .gives_nothing(200, "The keys.")
    .or_gives::<KeySet>(
        "application/jwk-set+json",
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                             "kid": "qk3vR1xJ0bM", "alg": "EdDSA", "use": "sig"}]}),
    )
    .problems(500, &[Code::InternalError])
    .problems(503, &[Code::DatabaseUnavailable]);
    Group {
        name: "Sending",
        about: "What the systems of a controller call.",
        operations: vec![send, keys],
    }
}
