//! Verifies a chain, in steps that each end in time: a page is answered soon, however long the chain is.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::Sequence;
use conduit_actors::ports::ChainHead;

use super::show;
use super::verdict::Verdict;
use crate::app::{Error, Services, activities};
use crate::code::Code;
use crate::dashboard::forms::SessionForm;
use crate::dashboard::state::State;
use crate::dashboard::words::Number;
use crate::http::problem::Problem;

/// How long a step may take.
const STEP: Duration = Duration::from_secs(2);

/// Answers `POST /activities/verify`.
pub(in crate::dashboard) async fn verify(
    posted: SessionForm,
    services: Data<Services>,
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (session, fields) = (&posted.session, &posted.fields);
    let (did, controller) = session
        .principal
        .one(&services, fields.text("did"))
        .map_err(|error| match error {
            Error::Invalid(refusal) if refusal.code == Code::DidMissing => {
                let detail =
                    "each controller has its own chain: choose a controller in the filter, then verify its chain";
                Problem::bad_request(Code::DidMissing, detail)
            }
            other => other.into(),
        })?;
    let from = match fields.text("rest") {
        None => None,
        Some(rest) => {
            let head = opened(&state, did.as_str(), rest);
            Some(head.ok_or_else(|| {
                Problem::bad_request(
                    Code::RestInvalid,
                    "this step cannot be continued: start again with the first record",
                )
            })?)
        }
    };
    let step = activities::verify(&session.principal, &services, controller, from, STEP).await?;
    let is_done = step.fault.is_some() || step.is_done;
    let verdict = Verdict {
        checked: Number(step.head.sequence.0),
        of: Number(step.recorded.sequence.0),
        hash: step.head.hash.to_string(),
        fault: step.fault.map(|fault| fault.to_string()),
        rest: (!is_done).then(|| sealed(&state, did.as_str(), step.head)),
        did: did.to_string(),
    };
    show(session, &services, &request, fields, Some(verdict)).await
}

/// Seals a verified place in a chain, so that nobody can claim it for another place.
fn sealed(state: &State, did: &str, head: ChainHead) -> String {
    let place = format!("{}.{}", head.sequence, head.hash);
    let tag = state.sessions.sign(&format!("chain\n{did}\n{place}"));
    format!("{place}.{tag}")
}

fn opened(state: &State, did: &str, rest: &str) -> Option<ChainHead> {
    let (place, tag) = rest.rsplit_once('.')?;
    state
        .sessions
        .is_signed(&format!("chain\n{did}\n{place}"), tag)
        .then_some(())?;
    let (sequence, hash) = place.split_once('.')?;
    Some(ChainHead {
        sequence: Sequence(sequence.parse().ok()?),
        hash: hash.parse().ok()?,
    })
}
