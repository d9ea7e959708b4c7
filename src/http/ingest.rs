//! The event endpoint: query, credentials, body, journal, in this order.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web::{BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use conduit_actors::edge::Edge;
use conduit_actors::event::Notice;
use conduit_actors::ids::{ControllerDid, InvalidId, ProcessorId};
use conduit_actors::ingest::{BodyFault, Receipt, Refusal, Submission};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::personal::{Personal, Secret};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::failures;
use super::problem::Problem;
use super::receipts;
use super::request_id::RequestId;
use super::state::App;
use super::traced;
use crate::receipts::{Issue, text};

/// Lines about credentials that are not known: whoever guesses must not fill the disk.
static STRANGERS: LogLimit = LogLimit::new(60, MINUTE);

/// Longer than any credential that Conduit makes.
const MAX_CREDENTIAL_BYTES: usize = 512;

/// `POST /api/v1/integrations/custom/event`
pub(super) async fn post_event(
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let (did, processor) = read_query(request.query_string())?;
    let (api_key, webhook_secret) =
        read_credentials(request.headers()).map_err(|problem| failed(&request, &app, problem))?;
    let mut room = Room::new(&app);
    let body = read_body(&request, payload, &app, &mut room).await?;
    let _sender = edge.sender();
    let append = traced::append(&app, &request);
    let (reply, answer) = oneshot::channel();
    edge.submit(Submission {
        did,
        processor,
        api_key,
        webhook_secret,
        client: Personal::new(failures::network(app.client_address(&request))),
        body,
        signed: receipts::is_wanted(&app, request.headers()),
        on_durable: append.as_ref().map(traced::Append::on_durable),
        reply,
    });
    let answer = answer.await;
    if let Some(append) = append {
        append.end(
            &request,
            answer
                .as_ref()
                .ok()
                .and_then(|answer| Some(answer.as_ref().ok()?.event)),
        );
    }
    match answer {
        Ok(Ok(receipt)) => Ok(accepted(&receipt, app.config.receipts.issue() == Issue::OnRequest)),
        Ok(Err(Refusal::Unauthorized(cause))) => {
            let (did, processor) = read_query(request.query_string())?;
            if let Some(line) = STRANGERS.admit() {
                tracing::info!(
                    request_id = %RequestId::of(&request), did = did.as_str(), dpid = processor.as_str(),
                    client = %app.client_address(&request), %cause, left_out = line.left_out(),
                    "authentication failed"
                );
            }
            Err(failed(&request, &app, Problem::authentication_failed()))
        }
        Ok(Err(refusal)) => Err(refusal.into()),
        // An actor was torn down with the request: nothing was accepted, or it is not known.
        Err(_) => Err(Problem::try_again(
            "internal_error",
            "the request was interrupted: send it again",
        )),
    }
}

/// Counts a failed authentication; past the limit, the failing caller is told to wait.
///
/// A caller with the right credentials is served whatever the count of its address: that may be a proxy's, and
/// a stranger behind the same one must not shut out a tenant. Guessing gains nothing by it, since credentials have
/// 256 random bits.
pub(super) fn failed(request: &HttpRequest, app: &App, problem: Problem) -> Problem {
    match app.failures.count(app.client_address(request), Instant::now()) {
        Ok(()) => problem,
        Err(retry_after) => Problem::too_many_failures(retry_after),
    }
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
            let (code, detail) = errors.first().map_or(("did_missing", String::new()), |(code, notice)| {
                (*code, notice.message.clone())
            });
            Err(Problem::bad_request(code, detail).with_errors(errors.into_iter().map(|(_, notice)| notice).collect()))
        }
    }
}

/// The one value of a query parameter.
fn only<T>(
    name: &'static str,
    mut values: Vec<Result<T, InvalidId>>,
    errors: &mut Vec<(&'static str, Notice)>,
) -> Option<T> {
    let (missing, invalid) = if name == "did" {
        ("did_missing", "did_invalid")
    } else {
        ("dpid_missing", "dpid_invalid")
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
    errors.push((code, Notice::new("", code, message)));
    None
}

fn read_credentials(headers: &HeaderMap) -> Result<(Secret, Secret), Problem> {
    let api_key = bearer(headers)?;
    let mut values = headers.get_all("x-webhook-secret");
    let Some(value) = values.next() else {
        let detail = "the header x-webhook-secret is missing: send the controller's webhook secret in it";
        return Err(Problem::unauthorized("webhook_secret_missing", detail));
    };
    let malformed = |detail| Problem::unauthorized("webhook_secret_malformed", detail);
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
    Ok((api_key, Secret::new(secret.to_owned())))
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub(super) fn bearer(headers: &HeaderMap) -> Result<Secret, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        let detail = "the header Authorization is missing: send Authorization: Bearer <api key>";
        return Err(Problem::unauthorized("authorization_missing", detail));
    };
    let malformed = || {
        let detail = "the header Authorization must be there once, as Bearer, a space, and the key";
        Problem::unauthorized("authorization_malformed", detail)
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.trim().split_once(' '))
        .ok_or_else(malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_CREDENTIAL_BYTES {
        return Err(malformed());
    }
    Ok(Secret::new(token.to_owned()))
}

/// Bytes of bodies that this request holds, out of the limit for all.
struct Room<'a> {
    app: &'a App,
    bytes: usize,
}

impl<'a> Room<'a> {
    const fn new(app: &'a App) -> Self {
        Self { app, bytes: 0 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        let before = self.app.in_flight.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= self.app.config.server.max_in_flight_bytes {
            return Ok(());
        }
        Err(Problem::try_again(
            "overloaded",
            "too many requests are under way: send it again later",
        ))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.app.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads the body, or why there is none: which only an authenticated caller is told.
async fn read_body(
    request: &HttpRequest,
    mut payload: Payload,
    app: &App,
    room: &mut Room<'_>,
) -> Result<Result<Personal<Bytes>, BodyFault>, Problem> {
    let headers = request.headers();
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Ok(Err(BodyFault::Encoded));
    }
    let limit = app.config.server.max_body_bytes;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Ok(Err(BodyFault::TooLarge));
    }
    room.take(announced.unwrap_or(0))?;
    let deadline = Duration::from_secs(app.config.server.request_timeout_seconds);
    let read = async {
        let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
        while let Some(chunk) = payload.next().await {
            let Ok(chunk) = chunk else {
                return Ok(Err(BodyFault::Incomplete));
            };
            if body.len() + chunk.len() > limit {
                return Ok(Err(BodyFault::TooLarge));
            }
            if announced.is_none() {
                room.take(chunk.len())?;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Ok(Personal::new(body.freeze())))
    };
    let mut read = std::pin::pin!(read);
    // Most bodies come with their heads: a timer is for those that do not.
    if let Some(done) = read.as_mut().now_or_never() {
        return done;
    }
    tokio::time::timeout(deadline, read)
        .await
        .unwrap_or(Ok(Err(BodyFault::TimedOut)))
}
