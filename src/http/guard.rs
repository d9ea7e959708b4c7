//! The caller of the management API, by the request's token.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use conduit_actors::log_limit::{LogLimit, MINUTE};

use super::authorization::{bearer, failed};
use super::problem::Problem;
use super::state::EdgeState;
use crate::app::{Principal, Services};
use crate::code::Code;
use crate::secrets::{Purpose, purpose_of};

impl FromRequest for Principal {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).inspect(|principal| {
            request.extensions_mut().insert(principal.clone());
        }))
    }
}

/// The operator, and nobody else: others are refused before their bodies are read.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Principal);

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let principal = Principal::from_request(request, payload).into_inner();
        ready(principal.and_then(|principal| {
            principal.operator()?;
            Ok(Self(principal))
        }))
    }
}

/// The limit of log lines about unknown credentials, so that guessing cannot fill the disk.
static STRANGERS: LogLimit = LogLimit::new(60, MINUTE);

fn authenticate(request: &HttpRequest) -> Result<Principal, Problem> {
    let parts = request
        .app_data::<Data<Services>>()
        .zip(request.app_data::<Data<EdgeState>>());
    let Some((services, state)) = parts else {
        return Err(Problem::try_again(Code::InternalError, "the request cannot be handled"));
    };
    let token = bearer(request.headers()).map_err(|problem| failed(request, state, problem))?;
    Principal::of_token(services, &token)?.ok_or_else(|| {
        if let Some(line) = STRANGERS.admit() {
            let client = state.client_address(request);
            tracing::info!(%client, left_out = line.left_out(), "management: unknown token");
        }
        let detail = "the token is not known: use the operator's token, or a controller's management token";
        // As its beginning says, which tells a stranger nothing.
        let detail = match purpose_of(token.expose()) {
            Some(found @ (Purpose::ApiKey | Purpose::WebhookSecret)) => {
                format!("this is {}, which is for senders of events; {detail}", found.name())
            }
            _ => detail.to_owned(),
        };
        failed(
            request,
            state,
            Problem::unauthorized(Code::AuthenticationFailed, detail),
        )
    })
}
