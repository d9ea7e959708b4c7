//! The event endpoint: query, credentials, body, journal, in this order.

use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::edge::Edge;
use conduit_actors::event::Notice;
use conduit_actors::ids::{ControllerDid, InvalidId, ProcessorId};
use conduit_actors::ingest::{Admitted, BodyFault, Head, Parcel, Receipt, Refusal};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::personal::{Personal, Secret};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::authorization::{MAX_CREDENTIAL_BYTES, bearer, failed};
use super::bodies::{Incoming, Owner, Unread};
use super::body::{NO_ROOM, content_length};
use super::failures;
use super::problem::Problem;
use super::receipts;
use super::request_id::RequestId;
use super::state::EdgeState;
use super::traced;
use crate::code::Code;
use crate::receipts::{Issue, text};
use crate::secrets::{Purpose, purpose_of};

/// The limit of log lines about unknown credentials, so that guessing cannot fill the disk.
static STRANGERS: LogLimit = LogLimit::new(60, MINUTE);

/// Answers `POST /api/v1/integrations/custom/event`.
pub(crate) async fn post_event(
    request: HttpRequest,
    payload: Payload,
    state: Data<EdgeState>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let (did, processor) = read_query(request.query_string())?;
    let (api_key, webhook_secret) =
        read_credentials(request.headers()).map_err(|problem| failed(&request, &state, problem))?;
    let head = Head {
        did,
        processor,
        api_key,
        webhook_secret,
        client: Personal::new(failures::network(state.client_address(&request))),
    };
    let mut incoming = Incoming::new(&state.bodies, payload.into_inner(), state.server.max_body_bytes, 1);
    let at_once = match unreadable(&request, &state) {
        Some(fault) => Some(Err(Unread::Fault(fault))),
        None => incoming.read_at_once(),
    };
    let (sender, read) = match at_once {
        // Most bodies come with their heads, and both go on together.
        Some(read @ (Ok(()) | Err(Unread::Fault(_)))) => (Sender::Unknown(head), read),
        // Before authentication, Conduit waits for no body, and does not reveal how much room there is.
        at_once => {
            let admitted = Box::pin(edge.admit(head)).await;
            let admitted = admitted.map_err(|refusal| refused(&request, &state, refusal))?;
            let read = match at_once {
                Some(read) => read,
                None => Box::pin(read_on(&mut incoming, &admitted, &state)).await,
            };
            (Sender::Admitted(admitted), read)
        }
    };
    // Counts in the budget of all bodies until the event is answered.
    let (bytes, _held) = incoming.into_parts();
    let body = match read {
        Ok(()) => Ok(Personal::new(bytes)),
        Err(Unread::Fault(fault)) => Err(fault),
        Err(Unread::NoRoom) => return Err(Problem::try_again(Code::Overloaded, NO_ROOM)),
    };
    let append = traced::append(&state, &request);
    let (reply, answer) = oneshot::channel();
    let parcel = Parcel {
        body,
        signed: receipts::is_wanted(&state, request.headers()),
        on_durable: append.as_ref().map(traced::Append::on_durable),
        reply,
    };
    match sender {
        Sender::Unknown(head) => edge.submit(head, parcel),
        Sender::Admitted(admitted) => edge.deliver(admitted, parcel),
    }
    let answer = answer.await.unwrap_or(Err(Refusal::Interrupted));
    if let Some(append) = append {
        append.end(&request, answer.as_ref().ok().map(|receipt| receipt.event));
    }
    match answer {
        Ok(receipt) => Ok(accepted(&receipt, state.receipts == Issue::OnRequest)),
        Err(refusal) => Err(refused(&request, &state, refusal)),
    }
}

/// The sender of an event.
enum Sender {
    /// Somebody who is still to be authenticated.
    Unknown(Head),
    /// Somebody who was authenticated before the body came.
    Admitted(Admitted),
}

/// Waits for the rest of an admitted sender's body.
async fn read_on(incoming: &mut Incoming, admitted: &Admitted, state: &EdgeState) -> Result<(), Unread> {
    let owner = Owner::Controller(admitted.integration.controller.did.clone());
    let patience = Duration::from_secs(state.server.request_timeout_seconds);
    incoming.read_on(owner, patience).await
}

/// Returns the answer to a refusal. Logs and counts a failed authentication.
fn refused(request: &HttpRequest, state: &EdgeState, refusal: Refusal) -> Problem {
    let Refusal::Unauthorized(cause) = refusal else {
        return refusal.into();
    };
    if let Ok((did, processor)) = read_query(request.query_string())
        && let Some(line) = STRANGERS.admit()
    {
        tracing::info!(
            request_id = %RequestId::of(request), did = did.as_str(), dpid = processor.as_str(),
            client = %state.client_address(request), %cause, left_out = line.left_out(), "authentication failed"
        );
    }
    failed(request, state, Problem::authentication_failed())
}

fn accepted(receipt: &Receipt, is_applied: bool) -> HttpResponse {
    let mut id = Uuid::encode_buffer();
    let id = receipt.event.as_uuid().hyphenated().encode_lower(&mut id);
    let received_at = receipt.event.received_at();
    let mut body = format!(r#"{{"status":"accepted","eventId":"{id}","receivedAt":"{received_at}""#);
    if let Some(attested) = &receipt.attested {
        // Nothing in a receipt has to be escaped.
        body.push_str(r#","receipt":""#);
        body.push_str(&text(attested));
        body.push('"');
    }
    body.push('}');
    let mut response = HttpResponse::Ok();
    if is_applied && receipt.attested.is_some() {
        response.insert_header(("preference-applied", "receipt"));
    }
    response.content_type("application/json").body(body)
}

fn read_query(query: &str) -> Result<(ControllerDid, ProcessorId), Problem> {
    let (mut did, mut dpid) = (Vec::new(), Vec::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "did" => did.push(value.parse::<ControllerDid>()),
            "dpid" => dpid.push(value.parse::<ProcessorId>()),
            _ => {}
        }
    }
    let mut errors = Vec::new();
    let did = only("did", did, &mut errors);
    let dpid = only("dpid", dpid, &mut errors);
    match (did, dpid) {
        (Some(did), Some(dpid)) => Ok((did, dpid)),
        _ => {
            let (code, detail) = errors
                .first()
                .map_or((Code::DidMissing, String::new()), |(code, notice)| {
                    (*code, notice.message.clone())
                });
            Err(Problem::bad_request(code, detail).with_errors(errors.into_iter().map(|(_, notice)| notice).collect()))
        }
    }
}

/// Returns the only value of a query parameter. Otherwise adds an error and returns `None`.
fn only<T>(name: &'static str, mut values: Vec<Result<T, InvalidId>>, errors: &mut Vec<(Code, Notice)>) -> Option<T> {
    let (missing, invalid) = if name == "did" {
        (Code::DidMissing, Code::DidInvalid)
    } else {
        (Code::DpidMissing, Code::DpidInvalid)
    };
    let (code, message) = match (values.pop(), values.is_empty()) {
        (Some(Ok(value)), true) => return Some(value),
        (Some(Err(error)), true) => (invalid, format!("the query parameter {name} {error}")),
        (Some(_), false) => (invalid, format!("the query parameter {name} is there more than once")),
        (None, _) => (
            missing,
            format!("the query parameter {name} is missing: use the integration's webhookUrl"),
        ),
    };
    // Not a place in the body, hence no pointer.
    errors.push((code, Notice::of_request("", code, message)));
    None
}

fn read_credentials(headers: &HeaderMap) -> Result<(Secret, Secret), Problem> {
    let api_key = bearer(headers)?;
    let mut values = headers.get_all("x-webhook-secret");
    let Some(value) = values.next() else {
        let detail = "the header x-webhook-secret is missing: send the controller's webhook secret in it";
        return Err(Problem::unauthorized(Code::WebhookSecretMissing, detail));
    };
    let malformed = |detail| Problem::unauthorized(Code::WebhookSecretMalformed, detail);
    if values.next().is_some() {
        return Err(malformed("the header x-webhook-secret is there more than once"));
    }
    let secret = value.to_str().unwrap_or_default().trim();
    if secret.is_empty() || secret.len() > MAX_CREDENTIAL_BYTES {
        return Err(malformed(
            "the header x-webhook-secret is empty, too long, or has characters beyond ASCII",
        ));
    }
    if secret
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
    {
        return Err(malformed(
            "the header x-webhook-secret takes the secret as it is, without Bearer",
        ));
    }
    hint("Authorization", api_key.expose(), Purpose::ApiKey)?;
    hint("x-webhook-secret", secret, Purpose::WebhookSecret)?;
    Ok((api_key, Secret::new(secret.to_owned())))
}

/// Refuses a credential that its prefix marks as another kind. This reveals nothing to a stranger, because nothing was
/// looked up.
fn hint(header: &str, text: &str, wanted: Purpose) -> Result<(), Problem> {
    match purpose_of(text).filter(|purpose| *purpose != wanted) {
        None => Ok(()),
        Some(found) => Err(Problem::unauthorized(
            Code::AuthenticationFailed,
            format!(
                "the header {header} has {}, but takes {}: Authorization takes Bearer and the API key, x-webhook-secret the \
                 webhook secret",
                found.name(),
                wanted.name()
            ),
        )),
    }
}

/// Returns the fault of the body that the head shows. Only an authenticated caller learns it.
fn unreadable(request: &HttpRequest, state: &EdgeState) -> Option<BodyFault> {
    if is_encoded(request.headers()) {
        return Some(BodyFault::Encoded);
    }
    let limit = state.server.max_body_bytes as u64;
    content_length(request)
        .is_some_and(|length| length > limit)
        .then_some(BodyFault::TooLarge)
}

/// Returns whether a body is encoded: the header is a list, which may be empty (RFC 9110, sections 5.6.1 and 8.4).
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut codings = headers
        .get_all(CONTENT_ENCODING)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| !matches!(coding.trim_ascii(), b"") && !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}
