//! The session of a request, the protection of changes, and the headers of every answer.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::away;
use super::live;
use super::page;
use super::session::{Sessions, Ticket};
use super::state::State;
use crate::app::Principal;
use crate::app::{self, Services};
use crate::code::Code;
use crate::http::EdgeState;
use crate::http::problem::Problem;

const COOKIE: &str = "conduit_session";
/// The same where the browser speaks TLS: bound to this host, and never sent in clear (RFC 6265bis, 4.1.3).
const SECURE_COOKIE: &str = "__Host-conduit_session";

/// Scripts, styles and pictures of our own, nothing inline, nothing from elsewhere, and no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) principal: Principal,
    /// The token that forms carry.
    pub(super) form_token: String,
    pub(super) ticket: Ticket,
    is_secure: bool,
}

impl Session {
    pub(super) fn new(state: &State, principal: Principal, ticket: Ticket, is_secure: bool) -> Self {
        Self {
            principal,
            form_token: state.sessions.form_token(&ticket),
            ticket,
            is_secure,
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        self.principal == Principal::Operator
    }

    /// Returns the cookie to set.
    pub(super) fn cookie(state: &State, ticket: &Ticket, is_secure: bool) -> Option<String> {
        let value = state.sessions.seal(ticket)?;
        Some(if is_secure {
            format!("{SECURE_COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Secure")
        } else {
            format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax")
        })
    }

    /// Returns the cookies that remove a session's cookies.
    pub(super) fn gone(&self) -> String {
        if self.is_secure {
            format!("{SECURE_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0")
        } else {
            format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
        }
    }
}

/// Returns the value of a cookie. Returns `None` without one.
pub(super) fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let lines = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Returns the session of a request. Returns `None` for visitors without one.
pub(super) fn session(request: &HttpRequest) -> Option<Session> {
    let services = request.app_data::<Data<Services>>()?;
    let state = request.app_data::<Data<State>>()?;
    let headers = request.headers();
    let secure = cookie(headers, SECURE_COOKIE);
    // Over TLS, a cookie without the prefix may come from an attacker: it may have been set without TLS, or by another
    // name below ours (RFC 6265bis, 4.1.3).
    let value = match secure {
        None if is_surely_tls(request, services) => return None,
        None => cookie(headers, COOKIE)?,
        Some(value) => value,
    };
    let ticket = state.sessions.open(value, Timestamp::now())?;
    let principal = Sessions::principal(services, &ticket)?;
    Some(Session::new(state, principal, ticket, secure.is_some()))
}

/// Returns whether the browser has a genuine session cookie, ended or not.
pub(super) fn had_session(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let sealed = cookie(headers, SECURE_COOKIE).or_else(|| cookie(headers, COOKIE));
    let state = request.app_data::<Data<State>>();
    state
        .zip(sealed)
        .is_some_and(|(state, sealed)| state.sessions.is_ours(sealed))
}

/// The code of the one refusal that leads to the sign-in page.
const SIGN_IN_FIRST: Code = Code::SessionMissing;

impl FromRequest for Session {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request))
    }
}

/// Returns whether a refusal leads to the sign-in page.
pub(super) fn is_sign_in_first(problem: &Problem) -> bool {
    problem.code() == SIGN_IN_FIRST
}

fn sign_in_first() -> Problem {
    Problem::unauthorized(SIGN_IN_FIRST, "sign in first")
}

pub(super) fn signed_in(request: &HttpRequest) -> Result<Session, Problem> {
    use conduit_actors::ports::Directory as _;
    let session = session(request).ok_or_else(sign_in_first)?;
    let is_reliable = |services: &Data<Services>| services.directory.is_reliable();
    if !session.is_operator() && !request.app_data::<Data<Services>>().is_some_and(is_reliable) {
        return Err(app::Error::Unconfirmed.into());
    }
    request.extensions_mut().insert(session.clone());
    Ok(session)
}

/// Refuses what a page of another site sends; whether the browser speaks TLS.
pub(super) fn own_origin(request: &HttpRequest) -> Result<bool, Problem> {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let foreign = || {
        let detail = "this form was sent from another site: open the dashboard and send the form from there";
        Problem::new(StatusCode::FORBIDDEN, Code::OriginForeign, "Not allowed", detail)
    };
    let origin = text(header::ORIGIN)
        .and_then(|origin| Url::parse(origin).ok())
        .ok_or_else(foreign)?;
    let Some(services) = request.app_data::<Data<Services>>() else {
        return Err(foreign());
    };
    // In clear, a proxy in front may have TLS; but what comes by TLS does not come from a page that came in clear.
    let is_scheme = origin.scheme() == "https" || origin.scheme() == "http" && !is_surely_tls(request, services);
    let own = is_scheme && text(header::HOST).is_some_and(|host| is_same_authority(host, &origin));
    // Behind a proxy that gives itself as the host, it is the address that is handed out.
    let public = Url::parse(&services.public_url).is_ok_and(|public| public.origin() == origin.origin());
    if own || public {
        Ok(origin.scheme() == "https")
    } else {
        Err(foreign())
    }
}

/// Returns whether a host, with or without a port, is an origin's.
fn is_same_authority(host: &str, origin: &Url) -> bool {
    let named = Url::parse(&format!("{}://{host}", origin.scheme()));
    named.is_ok_and(|named| named.origin() == origin.origin())
}

/// Returns whether the browser speaks TLS for sure: to us, or to the proxy in front, as `server.public_url` says of this host.
/// By other names, a proxy may have TLS or not.
fn is_surely_tls(request: &HttpRequest, services: &Services) -> bool {
    if services.config.server.scheme() == "https" {
        return true;
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let public = Url::parse(&services.public_url)
        .ok()
        .filter(|public| public.scheme() == "https");
    public.is_some_and(|public| host.is_some_and(|host| is_same_authority(host, &public)))
}

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

pub(super) fn is_html_wanted(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    !request.path().starts_with("/api/") && accept.is_some_and(|accept| accept.contains("text/html"))
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

/// Returns the address of the sign-in page that leads back to this one.
pub(super) fn sign_in_address(back: &str) -> String {
    if is_own_path(back) && back != "/" {
        format!("/sign-in?next={}", byte_serialize(back.as_bytes()).collect::<String>())
    } else {
        "/sign-in".to_owned()
    }
}

/// Returns the page of a form, by the address to which it is sent.
fn page_of_form(target: &str) -> &str {
    let actions = ["/rotate", "/token", "/delete", "/replay", "/verify"];
    actions
        .into_iter()
        .find_map(|action| target.strip_suffix(action))
        .unwrap_or(target)
}

/// Returns whether a text is the address of a page of ours, a safe target.
pub(super) fn is_own_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_gone_to() {
        for own in ["/", "/events?status=rejected", "/events/0199"] {
            assert!(is_own_path(own), "{own}");
        }
        for other in [
            "",
            "events",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\nb",
            "/a b",
        ] {
            assert!(!is_own_path(other), "{other}");
        }
    }
}
