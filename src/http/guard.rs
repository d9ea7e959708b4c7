//! Who calls the management API, and what they may see.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::personal::Secret;
use conduit_actors::ports::Directory as _;
use subtle::ConstantTimeEq as _;

use super::bodies::Owner;
use super::ingest::{bearer, failed};
use super::problem::Problem;
use super::state::App;
use crate::secrets::{Purpose, purpose_of};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Sees every controller.
    Operator,
    /// Sees itself.
    Controller(ControllerDid),
}

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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator;

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let principal = Principal::from_request(request, payload).into_inner();
        ready(principal.and_then(|principal| principal.operator().map(|()| Self)))
    }
}

/// Lines about credentials that are not known: whoever guesses must not fill the disk.
static STRANGERS: LogLimit = LogLimit::new(60, MINUTE);

fn authenticate(request: &HttpRequest) -> Result<Principal, Problem> {
    let Some(app) = request.app_data::<Data<App>>() else {
        return Err(Problem::try_again("internal_error", "the request cannot be handled"));
    };
    let token = bearer(request.headers()).map_err(|problem| failed(request, app, problem))?;
    Principal::of_token(app, &token)?.ok_or_else(|| {
        if let Some(line) = STRANGERS.admit() {
            let client = app.client_address(request);
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
        failed(request, app, Problem::unauthorized("authentication_failed", detail))
    })
}

impl Principal {
    /// Whose token this is; none: nobody's.
    pub(crate) fn of_token(app: &App, token: &Secret) -> Result<Option<Self>, Problem> {
        if bool::from(token.hash().ct_eq(&app.admin)) {
            return Ok(Some(Self::Operator));
        }
        if !app.directory.is_reliable() {
            return Err(Problem::unconfirmed());
        }
        Ok(app.directory.by_token(token).map(Self::Controller))
    }

    /// Whose share of the memory for bodies a call of theirs takes.
    pub(crate) fn owner(&self) -> Owner {
        match self {
            Self::Operator => Owner::Operator,
            Self::Controller(did) => Owner::Controller(did.clone()),
        }
    }

    /// Refuses all but the operator.
    pub(crate) fn operator(&self) -> Result<(), Problem> {
        match self {
            Self::Operator => Ok(()),
            Self::Controller(_) => Err(Problem::forbidden()),
        }
    }

    /// Whether a controller may be seen.
    pub(crate) fn sees(&self, app: &App, controller: ControllerId) -> bool {
        match self {
            Self::Operator => true,
            Self::Controller(did) => app
                .directory
                .controller(controller)
                .is_some_and(|found| found.did == *did),
        }
    }

    /// The controller that a call is about: its own or, with the operator's token, the one that `did` names.
    pub(crate) fn one(&self, app: &App, did: Option<&str>) -> Result<(ControllerDid, ControllerId), Problem> {
        self.some(app, did)?.ok_or_else(|| {
            Problem::bad_request("did_missing", "say which controller is meant: ?did=…")
                .with_error("", "did is missing")
        })
    }

    /// The controller that a list is limited to; none: all.
    pub(crate) fn some(&self, app: &App, did: Option<&str>) -> Result<Option<(ControllerDid, ControllerId)>, Problem> {
        let named = match did {
            Some(text) => Some(
                text.parse::<ControllerDid>()
                    .map_err(|error| Problem::bad_request("did_invalid", error.to_string()))?,
            ),
            None => None,
        };
        let did = match (self, named) {
            (Self::Operator, None) => return Ok(None),
            (Self::Operator, Some(named)) => named,
            (Self::Controller(own), None) => own.clone(),
            (Self::Controller(own), Some(named)) if *own == named => named,
            (Self::Controller(_), Some(_)) => return Err(Problem::not_found("controller")),
        };
        let controller = app
            .directory
            .controller_by_did(&did)
            .ok_or_else(|| Problem::not_found("controller"))?;
        Ok(Some((did, controller.id)))
    }
}
