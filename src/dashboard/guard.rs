//! Who asks for a page, whether a change is meant, and what every answer carries.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;
use futures_util::future::LocalBoxFuture;
use subtle::ConstantTimeEq as _;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::away;
use super::fields::Fields;
use super::live;
use super::page;
use super::session::{Sessions, Ticket};
use crate::http::App;
use crate::http::guard::Principal;
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
    /// What forms carry.
    pub(super) form_token: String,
    pub(super) ticket: Ticket,
    is_secure: bool,
}

impl Session {
    pub(super) fn new(app: &App, principal: Principal, ticket: Ticket, is_secure: bool) -> Self {
        Self {
            principal,
            form_token: app.dashboard.sessions.form_token(&ticket),
            ticket,
            is_secure,
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        self.principal == Principal::Operator
    }

    /// The cookie as it is set.
    pub(super) fn cookie(app: &App, ticket: &Ticket, is_secure: bool) -> Option<String> {
        let value = app.dashboard.sessions.seal(ticket)?;
        Some(if is_secure {
            format!("{SECURE_COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Secure")
        } else {
            format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax")
        })
    }

    /// The cookies that take a session's away.
    pub(super) fn gone(&self) -> String {
        if self.is_secure {
            format!("{SECURE_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0")
        } else {
            format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
        }
    }
}

/// The value of a cookie.
pub(super) fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let lines = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Who asks, if they have signed in.
pub(super) fn session(request: &HttpRequest) -> Option<Session> {
    let app = request.app_data::<Data<App>>()?;
    let headers = request.headers();
    let secure = cookie(headers, SECURE_COOKIE);
    let ticket = app
        .dashboard
        .sessions
        .open(secure.or_else(|| cookie(headers, COOKIE))?, Timestamp::now())?;
    let principal = Sessions::principal(app, &ticket)?;
    Some(Session::new(app, principal, ticket, secure.is_some()))
}

/// The code of the one refusal that leads to the sign-in page.
const SIGN_IN_FIRST: &str = "session_missing";

impl FromRequest for Session {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request))
    }
}

fn sign_in_first() -> Problem {
    Problem::unauthorized(SIGN_IN_FIRST, "sign in first")
}

pub(super) fn signed_in(request: &HttpRequest) -> Result<Session, Problem> {
    use conduit_actors::ports::Directory as _;
    let session = session(request).ok_or_else(sign_in_first)?;
    let is_reliable = |app: &Data<App>| app.directory.is_reliable();
    if !session.is_operator() && !request.app_data::<Data<App>>().is_some_and(is_reliable) {
        return Err(Problem::unconfirmed());
    }
    request.extensions_mut().insert(session.clone());
    Ok(session)
}

/// A form that was sent by one of our own pages.
pub(super) struct Sent {
    pub(super) fields: Fields,
    /// Whether the browser speaks TLS.
    pub(super) is_secure: bool,
}

impl FromRequest for Sent {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let origin = own_origin(request);
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            let is_secure = origin?;
            let malformed = |_| Problem::bad_request("request_invalid", "the form is malformed, or too long");
            Ok(Self {
                fields: Fields::read(&body.await.map_err(malformed)?),
                is_secure,
            })
        })
    }
}

impl Session {
    /// Whether a form was sent by a page of this session.
    fn is_of(&self, fields: &Fields) -> bool {
        let token = fields.get("csrf").unwrap_or_default();
        token.as_bytes().ct_eq(self.form_token.as_bytes()).into()
    }
}

/// A form that takes long to fill in. It comes through without a session, or with the token of another one, so that it is
/// shown again and not lost; it changes nothing then.
pub(super) struct Filled {
    /// None: it has ended.
    pub(super) session: Option<Session>,
    /// Whether it may change something.
    pub(super) is_meant: bool,
    pub(super) fields: Fields,
}

impl FromRequest for Filled {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = signed_in(request);
        let sent = Sent::from_request(request, payload);
        Box::pin(async move {
            let Sent { fields, .. } = sent.await?;
            let session = match session {
                Ok(session) => Some(session),
                Err(problem) if problem.code() == SIGN_IN_FIRST => None,
                Err(problem) => return Err(problem),
            };
            Ok(Self {
                is_meant: session.as_ref().is_some_and(|session| session.is_of(&fields)),
                session,
                fields,
            })
        })
    }
}

/// A form that was sent by a page of this session: what every change needs.
pub(super) struct Posted {
    pub(super) session: Session,
    pub(super) fields: Fields,
}

impl FromRequest for Posted {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let filled = Filled::from_request(request, payload);
        Box::pin(async move {
            let Filled {
                session,
                is_meant,
                fields,
            } = filled.await?;
            let session = session.ok_or_else(sign_in_first)?;
            if !is_meant {
                let detail = "the form is not of this session: go back, load the page again, then send it";
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "form_outdated",
                    "Load the page again",
                    detail,
                ));
            }
            Ok(Self { session, fields })
        })
    }
}

/// Refuses what a page of another site sends; whether the browser speaks TLS.
fn own_origin(request: &HttpRequest) -> Result<bool, Problem> {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let foreign = || {
        let detail = "this form was sent from another site: open the dashboard itself, and send it from there";
        Problem::new(StatusCode::FORBIDDEN, "origin_foreign", "Not allowed", detail)
    };
    let origin = text(header::ORIGIN)
        .and_then(|origin| Url::parse(origin).ok())
        .ok_or_else(foreign)?;
    let authority = &origin[url::Position::BeforeHost..url::Position::AfterPort];
    let own = text(header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority));
    // Behind a proxy that gives itself as the host, it is the address that is handed out.
    let public = request
        .app_data::<Data<App>>()
        .is_some_and(|app| Url::parse(&app.public_url).is_ok_and(|public| public.origin() == origin.origin()));
    if own || public {
        Ok(origin.scheme() == "https")
    } else {
        Err(foreign())
    }
}

/// Around every page: errors become pages, a session that goes on is renewed, and headers are set.
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
            "database_unavailable" => away::after_all(response.request()).await,
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

/// What the framework itself refuses.
fn foreign_problem(response: &ServiceResponse<BoxBody>) -> Option<Problem> {
    let error = response.response().error()?;
    error.as_error::<Problem>().cloned().or_else(|| {
        let is_client_s = error.as_response_error().status_code().is_client_error();
        is_client_s
            .then(|| Problem::bad_request("request_invalid", "the request is malformed, or its body is too long"))
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
    let is_logged = request.app_data::<Data<App>>().is_none_or(|app| {
        app.meters.refused("dashboard", problem.code());
        app.refusals.count("dashboard", problem.code())
    });
    if problem.code() == SIGN_IN_FIRST {
        return to_sign_in(request);
    }
    if is_logged {
        tracing::info!(code = problem.code(), "refused");
    }
    page::problem(request, problem)
}

/// To the sign-in page, and from there back to where it was wanted to go.
fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let target = request.uri().path_and_query().map_or("/", |found| found.as_str());
    let place = match *request.method() {
        _ if target == "/sign-out" => "/sign-in".to_owned(),
        Method::GET => sign_in_address(target),
        _ => sign_in_address(page_of_form(target)).replacen("?", "?said=ended&", 1),
    };
    page::redirect(&place)
}

/// The address of the sign-in page that leads back to this one.
pub(super) fn sign_in_address(back: &str) -> String {
    if is_own_path(back) && back != "/" {
        format!("/sign-in?next={}", byte_serialize(back.as_bytes()).collect::<String>())
    } else {
        "/sign-in".to_owned()
    }
}

/// The page that a form is on, by the address to which it is sent.
fn page_of_form(target: &str) -> &str {
    let actions = ["/rotate", "/token", "/delete", "/replay", "/verify"];
    actions
        .into_iter()
        .find_map(|action| target.strip_suffix(action))
        .unwrap_or(target)
}

/// Whether a text is the address of a page of ours, which it is safe to go to.
pub(super) fn is_own_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// What the script sends when a page is read again by itself.
const REFRESH: &str = "x-conduit-refresh";

/// Whether nobody asked for it but a page that is open: a session is idle all the same.
fn is_by_itself(request: &HttpRequest) -> bool {
    request.headers().contains_key(REFRESH) || request.path() == live::PATH
}

/// The cookie to set, if the session goes on, is used, and was last sealed a while ago.
fn renewed(request: &HttpRequest) -> Option<String> {
    if is_by_itself(request) {
        return None;
    }
    let app = request.app_data::<Data<App>>()?;
    let extensions = request.extensions();
    let session = extensions.get::<Session>()?;
    let now = Timestamp::now();
    // One that has just signed out stays out.
    if !app.dashboard.sessions.is_open(&session.ticket, now) {
        return None;
    }
    Session::cookie(app, &Sessions::renewed(&session.ticket, now)?, session.is_secure)
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
