//! The header `Authorization`, and failed authentications.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use conduit_actors::personal::Secret;

use super::problem::Problem;
use super::state::EdgeState;
use crate::code::Code;

/// Longer than any credential that Conduit makes.
pub(super) const MAX_CREDENTIAL_BYTES: usize = 512;

/// Counts a failed authentication. Past the limit, the failing caller must wait.
///
/// A caller with the right credentials is served for any count of its address. The address may be a proxy's, and a
/// stranger behind it must not shut out a tenant. Guessing gains nothing by that, because credentials have 256 random
/// bits.
pub(super) fn failed(request: &HttpRequest, state: &EdgeState, problem: Problem) -> Problem {
    match state.failures.count(state.client_address(request), Instant::now()) {
        Ok(()) => problem,
        Err(retry_after) => Problem::too_many_failures(retry_after),
    }
}

/// Returns the token of `Authorization: Bearer …` (RFC 6750).
pub(super) fn bearer(headers: &HeaderMap) -> Result<Secret, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        let detail = "the header Authorization is missing: send Authorization: Bearer <api key>";
        return Err(Problem::unauthorized(Code::AuthorizationMissing, detail));
    };
    let malformed = || {
        let detail = "the header Authorization must be there once, as Bearer, a space, and the key";
        Problem::unauthorized(Code::AuthorizationMalformed, detail)
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
    if token
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
    {
        let detail = "the header Authorization has Bearer twice: send it once, then a space, and the key";
        return Err(Problem::unauthorized(Code::AuthorizationMalformed, detail));
    }
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_CREDENTIAL_BYTES {
        return Err(malformed());
    }
    Ok(Secret::new(token.to_owned()))
}
