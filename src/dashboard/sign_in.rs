//! Signing in and out, and the theme.
//!
//! A form whose session has ended goes through the sign-in page in hidden fields. Its content may be personal data, so
//! it is stored nowhere.

use std::time::Instant;

use actix_web::http::header;
use actix_web::web::{Data, block};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::personal::Secret;

use super::editor;
use super::fields::Fields;
use super::forms::{SentForm, SessionForm};
use super::guard::{self, Session, is_own_path};
use super::page::{self, Shell, redirect};
use super::session::Sessions;
use super::sign_in_page::{KEPT, NOTHING_DONE, SignIn, keep};
use super::state::State;
use crate::app::Principal;
use crate::app::Services;
use crate::code::Code;
use crate::http::EdgeState;
use crate::http::problem::Problem;

/// The limit of log lines about unknown credentials, so that guessing cannot fill the disk.
static STRANGERS: LogLimit = LogLimit::new(60, MINUTE);

/// Answers `GET /`.
pub(super) async fn front(request: HttpRequest) -> HttpResponse {
    redirect(match guard::session(&request) {
        Some(_) => "/overview",
        None => "/sign-in",
    })
}

/// Returns the target after the sign-in page.
fn next(fields: &Fields) -> String {
    let wanted = fields.get("next").filter(|next| is_own_path(next));
    wanted.unwrap_or("/overview").to_owned()
}

/// Answers `GET /sign-in`.
pub(super) async fn get(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let next = next(&fields);
    if guard::session(&request).is_some() {
        return Ok(redirect(&next));
    }
    page::render(&SignIn {
        shell: Shell::bare(&request, "Sign in"),
        next,
        said: (fields.get("said") == Some("ended")).then_some(NOTHING_DONE),
        kept: Vec::new(),
        fault: None,
    })
}

/// Answers `POST /sign-in`.
pub(super) async fn post(
    sent: SentForm,
    services: Data<Services>,
    state: Data<State>,
    edge: Data<EdgeState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (address, now) = (edge.client_address(&request), Instant::now());
    let next = next(&sent.fields);
    let is_kept = sent.fields.get("kept").is_some();
    let refuse = |status: HttpResponse, fault: String| {
        let mut shell = Shell::bare(&request, "Sign in");
        if !is_kept {
            shell.here = Some("/sign-in".to_owned());
        }
        let page = SignIn {
            shell,
            next: next.clone(),
            said: is_kept.then_some(KEPT),
            kept: keep(&sent.fields).filter(|_| is_kept).unwrap_or_default(),
            fault: Some(fault),
        };
        page::render_as(HttpResponse::build(status.status()), &page)
    };
    // Before the token is looked at: those who guess learn nothing more. Each try counts until it is known to be right, or
    // tries at the same time would be more than may be.
    if let Err(seconds) = state.failures.count(address, now) {
        let fault = format!(
            "Too many failed attempts from your address. Try again in {} minutes.",
            seconds.div_ceil(60)
        );
        return refuse(HttpResponse::TooManyRequests().finish(), fault);
    }
    let token = Secret::new(sent.fields.get("token").unwrap_or_default().trim().to_owned());
    let known = Principal::of_token(&services, &token);
    if !matches!(known, Ok(None)) {
        state.failures.forgive(address);
    }
    let Some(principal) = known? else {
        if let Some(line) = STRANGERS.admit() {
            tracing::info!(client = %address, left_out = line.left_out(), "dashboard: failed sign-in");
        }
        let fault = "This token is unknown. Use the operator's token or the management token of a controller.";
        return refuse(HttpResponse::Unauthorized().finish(), fault.to_owned());
    };
    let ticket = Sessions::begin(&principal, &token.hash(), Timestamp::now());
    let cookie = Session::cookie(&state, &ticket, sent.is_secure)
        .ok_or_else(|| Problem::try_again(Code::InternalError, "the session cannot be created"))?;
    tracing::info!(client = %address, who = who(&principal), "dashboard: signed in");
    let mut response = redirect(&next);
    if is_kept {
        let session = Session::new(&state, principal, ticket, sent.is_secure);
        // A form that cannot be shown again, such as another user's, is answered by its own page.
        if let Ok(resumed) = editor::resume(&services, &request, &session, &next, &sent.fields).await {
            response = resumed;
        }
    }
    set_cookie(&mut response, &cookie);
    Ok(response)
}

fn who(principal: &Principal) -> &str {
    match principal {
        Principal::Operator => "operator",
        Principal::Controller(did) => did.as_str(),
    }
}

fn set_cookie(response: &mut HttpResponse, cookie: &str) {
    if let Ok(value) = header::HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Answers `POST /sign-out`.
pub(super) async fn sign_out(posted: SessionForm, state: Data<State>) -> HttpResponse {
    let (ending, ticket) = (state.clone(), posted.session.ticket.clone());
    // It is written to the disk.
    let ended = block(move || ending.sessions.end(&ticket, Timestamp::now())).await;
    if ended.is_err() {
        tracing::error!("dashboard: a sign-out was interrupted");
    }
    tracing::info!(who = who(&posted.session.principal), "dashboard: signed out");
    let mut response = redirect("/sign-in");
    set_cookie(&mut response, &posted.session.gone());
    response
}

/// Answers `POST /theme`. It needs no session, because it changes only the look in this browser.
pub(super) async fn theme(sent: SentForm) -> HttpResponse {
    let theme = page::theme(sent.fields.get("theme").unwrap_or_default());
    let back = sent.fields.get("next").filter(|next| is_own_path(next)).unwrap_or("/");
    let mut response = redirect(back);
    set_cookie(
        &mut response,
        &format!("conduit_theme={theme}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"),
    );
    response
}
