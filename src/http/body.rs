//! The body of a management call, which has to come in time, and within the budget of all bodies.

use std::ops::Deref;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::EXPECT;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use conduit_actors::ingest::BodyFault;
use futures_util::future::LocalBoxFuture;

use super::bodies::{BudgetShare, Incoming, Owner, Unread};
use super::failures;
use super::problem::Problem;
use super::state::EdgeState;
use super::target;
use crate::app::{Principal, Services};
use crate::code::Code;

/// Longest body of most calls.
const SHORT: usize = 64 << 10;
/// Longest body of a call that takes a mapping.
pub(crate) const LONG: usize = 4 << 20;
/// How often a byte of these bodies counts: its parsed content is kept beside it until the call is answered.
pub(crate) const WEIGHT: usize = 4;

/// A body that has come as a whole, within `server.request_timeout_seconds`. The caller is checked first, if the handler
/// asks for that before it asks for this. It counts in the budget of all bodies until it is dropped.
pub(crate) struct Body<const MOST: usize = SHORT> {
    bytes: Bytes,
    _held: BudgetShare,
}

/// A body that may contain a mapping.
pub(crate) type LongBody = Body<LONG>;

impl<const MOST: usize> Body<MOST> {
    /// Returns the bytes, which count in the budget as long as this body does.
    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

impl<const MOST: usize> Deref for Body<MOST> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<const MOST: usize> FromRequest for Body<MOST> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Principal>().cloned();
        let read = read(request, payload, MOST, WEIGHT);
        let awaiting = request.headers().contains_key(EXPECT).then(|| request.clone());
        Box::pin(async move {
            let principal = principal.ok_or_else(Problem::internal)?;
            if let Some(request) = awaiting {
                let services = request.app_data::<Data<Services>>().ok_or_else(Problem::internal)?;
                target::look_for(&request, services, &principal).await?;
            }
            let (bytes, held) = read(owner(&principal)).await?;
            Ok(Self { bytes, _held: held })
        })
    }
}

/// Prepares to read a body of up to `most` bytes, each of which counts `weight` times. Nothing is read before the
/// returned function is called with whom it is for.
pub(crate) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    most: usize,
    weight: usize,
) -> impl FnOnce(Owner) -> LocalBoxFuture<'static, Result<(Bytes, BudgetShare), Problem>> + 'static {
    let state = request.app_data::<Data<EdgeState>>().cloned();
    let announced = content_length(request);
    let payload = payload.take();
    move |owner| {
        Box::pin(async move {
            let state = state.ok_or_else(Problem::internal)?;
            if announced.is_some_and(|length| length > most as u64) {
                return Err(Problem::too_large(most));
            }
            let patience = Duration::from_secs(state.server.request_timeout_seconds);
            let mut incoming = Incoming::new(&state.bodies, payload, most, weight);
            let done = match incoming.read_at_once() {
                Some(done) => done,
                None => incoming.read_on(owner, patience).await,
            };
            done.map_err(|unread| match unread {
                Unread::Fault(BodyFault::TooLarge) => Problem::too_large(most),
                Unread::Fault(BodyFault::TimedOut) => Problem::too_slow(),
                Unread::Fault(BodyFault::Incomplete | BodyFault::Malformed | BodyFault::Encoded) => {
                    Problem::bad_request(
                        Code::RequestInvalid,
                        "the body is not as its head says, or ended before it was complete",
                    )
                }
                Unread::NoRoom => Problem::unavailable(Code::Overloaded, NO_ROOM),
            })?;
            Ok(incoming.into_parts())
        })
    }
}

/// The message when the budget has no room.
pub(super) const NO_ROOM: &str = "too many requests are under way: send it again later";

/// Returns the announced length of the body. Returns `None` if the request does not announce it.
pub(super) fn content_length(request: &HttpRequest) -> Option<u64> {
    let value = request.headers().get(actix_web::http::header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Returns whose share of the memory for bodies a call of a principal takes.
pub(crate) fn owner(principal: &Principal) -> Owner {
    match principal {
        Principal::Operator => Owner::Operator,
        Principal::Controller(did) => Owner::Controller(did.clone()),
    }
}

/// Returns whose share the body of a caller takes who has not signed in.
pub(crate) fn stranger(state: &EdgeState, request: &HttpRequest) -> Owner {
    Owner::Stranger(failures::network(state.client_address(request)))
}
