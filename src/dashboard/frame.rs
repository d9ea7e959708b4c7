//! Around every page: errors become pages, sessions are renewed, and headers are set.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;

use super::guard::{SIGN_IN_FIRST, Session, is_html_wanted, sign_in_address};
use super::session::Sessions;
use super::state::State;
use super::{away, live, page};
use crate::code::Code;
use crate::http::EdgeState;
use crate::http::problem::Problem;

/// Scripts, styles and pictures of our own, nothing inline, nothing from elsewhere, and no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Wraps every page: turns errors into pages, renews active sessions, and sets headers.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = match away::instead(request.request()).await {
        Some(partial) => request.into_response(partial),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let problem = response.response().extensions().get::<Problem>().cloned();
    if let Some(problem) = problem.or_else(|| foreign_problem(&response))
        && (is_html_wanted(response.request()) || problem.code() == SIGN_IN_FIRST)
    {
        let partial = match problem.code() {
            Code::DatabaseUnavailable => away::after_all(response.request()).await,
            _ => None,
        };
        let shown = partial.unwrap_or_else(|| explain(response.request(), &problem));
        response = response.into_response(shown);
    }
    if let Some(cookie) = renewed(response.request()) {
        append(&mut response, header::SET_COOKIE, &cookie);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Without the origin of our own forms, a change could not be told from another site's.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn append(response: &mut ServiceResponse<BoxBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// Returns the problem of a refusal by the framework itself.
fn foreign_problem(response: &ServiceResponse<BoxBody>) -> Option<Problem> {
    let error = response.response().error()?;
    error.as_error::<Problem>().cloned().or_else(|| {
        let is_client_s = error.as_response_error().status_code().is_client_error();
        is_client_s.then(|| {
            Problem::bad_request(
                Code::RequestInvalid,
                "the request is malformed, or its body is too long",
            )
        })
    })
}

fn explain(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let is_logged = request
        .app_data::<Data<EdgeState>>()
        .is_none_or(|edge| edge.refused("dashboard", problem.code()));
    if problem.code() == SIGN_IN_FIRST {
        return to_sign_in(request);
    }
    if is_logged {
        tracing::info!(code = problem.code().as_str(), "refused");
    }
    page::problem(request, problem)
}

/// Redirects to the sign-in page, and from there back to the requested page.
fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let target = request.uri().path_and_query().map_or("/", |found| found.as_str());
    let place = match *request.method() {
        _ if target == "/sign-out" => "/sign-in".to_owned(),
        Method::GET => sign_in_address(target),
        _ => sign_in_address(page_of_form(target)).replacen("?", "?said=ended&", 1),
    };
    page::redirect(&place)
}

/// Returns the page of a form, by the address to which it is sent.
fn page_of_form(target: &str) -> &str {
    let actions = ["/rotate", "/token", "/delete", "/replay", "/verify"];
    actions
        .into_iter()
        .find_map(|action| target.strip_suffix(action))
        .unwrap_or(target)
}

/// The header of the script's automatic requests.
const REFRESH: &str = "x-conduit-refresh";

/// Returns whether an open page made the request automatically. It does not count as use of the session.
fn is_by_itself(request: &HttpRequest) -> bool {
    request.headers().contains_key(REFRESH) || request.path() == live::PATH
}

/// Returns the cookie to set, if the session is active, used, and was last sealed a while ago.
fn renewed(request: &HttpRequest) -> Option<String> {
    if is_by_itself(request) {
        return None;
    }
    let state = request.app_data::<Data<State>>()?;
    let extensions = request.extensions();
    let session = extensions.get::<Session>()?;
    let now = Timestamp::now();
    // A user who has just signed out stays out.
    if !state.sessions.is_open(&session.ticket, now) {
        return None;
    }
    Session::cookie(state, &Sessions::renewed(&session.ticket, now)?, session.is_secure)
}
