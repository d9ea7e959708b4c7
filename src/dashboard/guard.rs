//! The session of a request, and the protection of changes.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use conduit_actors::ids::Timestamp;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::session::{Sessions, Ticket};
use super::state::State;
use crate::app::Principal;
use crate::app::{self, Services};
use crate::code::Code;
use crate::http::problem::Problem;

const COOKIE: &str = "conduit_session";
/// The same where the browser speaks TLS: bound to this host, and never sent in clear (RFC 6265bis, 4.1.3).
const SECURE_COOKIE: &str = "__Host-conduit_session";

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) principal: Principal,
    /// The token that forms carry.
    pub(super) form_token: String,
    pub(super) ticket: Ticket,
    pub(super) is_secure: bool,
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
pub(super) const SIGN_IN_FIRST: Code = Code::SessionMissing;

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
    if services.config.get().server.scheme() == "https" {
        return true;
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let public = Url::parse(&services.public_url)
        .ok()
        .filter(|public| public.scheme() == "https");
    public.is_some_and(|public| host.is_some_and(|host| is_same_authority(host, &public)))
}

pub(super) fn is_html_wanted(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    !request.path().starts_with("/api/") && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Returns the address of the sign-in page that leads back to this one.
pub(super) fn sign_in_address(back: &str) -> String {
    if is_own_path(back) && back != "/" {
        format!("/sign-in?next={}", byte_serialize(back.as_bytes()).collect::<String>())
    } else {
        "/sign-in".to_owned()
    }
}

/// Returns whether a text is the address of a page of ours, a safe target.
pub(super) fn is_own_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
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
