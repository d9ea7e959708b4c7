//! Posted forms: their sender, their page, and their length.
//!
//! The head names the sender of a form and its page, so a form is refused before its body is read. A visitor without a
//! session may send little more than a sign-in form. A browser whose session has ended still has its cookie, which only
//! this service can have made, so its form may be longer.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use subtle::ConstantTimeEq as _;

use super::fields::Fields;
use super::guard::{self, Session, own_origin, signed_in};
use crate::code::Code;
use crate::http::EdgeState;
use crate::http::bodies::BudgetShare;
use crate::http::body::{self, LONG, WEIGHT};
use crate::http::problem::Problem;

/// Longest form of most pages.
const SHORT: usize = 64 << 10;
/// Longest form that passes through the sign-in page of somebody whose session had ended, escaped.
const ENDED: usize = 1 << 20;
/// Longest form with a mapping in it, of somebody who never signed in: it fits into a sign-in.
const STRANGER: usize = 48 << 10;

/// How long a form may be.
struct Limits {
    /// Of somebody who has signed in.
    session: usize,
    /// Of somebody who had signed in.
    ended: usize,
    /// Of somebody else.
    stranger: usize,
}

/// Prepares to read a form.
fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    session: Option<&Session>,
    limits: &Limits,
) -> LocalBoxFuture<'static, Result<(Fields, BudgetShare), Problem>> {
    let Some(edge) = request.app_data::<Data<EdgeState>>() else {
        return Box::pin(async { Err(Problem::internal()) });
    };
    let (owner, most) = match session {
        Some(session) => (body::owner(&session.principal), limits.session),
        None if guard::had_session(request) => (body::stranger(edge, request), limits.ended),
        None => (body::stranger(edge, request), limits.stranger),
    };
    let read = body::read(request, payload, most, WEIGHT);
    Box::pin(async move {
        let (bytes, held) = read(owner).await?;
        Ok((Fields::read(&bytes), held))
    })
}

/// A form that was sent by one of our own pages, by anybody.
pub(super) struct SentForm {
    pub(super) fields: Fields,
    /// Whether the browser speaks TLS.
    pub(super) is_secure: bool,
    _held: BudgetShare,
}

impl FromRequest for SentForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let origin = own_origin(request);
        // A sign-in may have a form in it whose session had ended.
        let limits = Limits {
            session: ENDED,
            ended: ENDED,
            stranger: SHORT,
        };
        let form = read(request, payload, guard::session(request).as_ref(), &limits);
        Box::pin(async move {
            let is_secure = origin?;
            let (fields, held) = form.await?;
            Ok(Self {
                fields,
                is_secure,
                _held: held,
            })
        })
    }
}

impl Session {
    /// Returns whether a page of this session sent a form.
    fn is_of(&self, fields: &Fields) -> bool {
        let token = fields.get("csrf").unwrap_or_default();
        token.as_bytes().ct_eq(self.form_token.as_bytes()).into()
    }
}

/// A form that takes long to fill in. It comes through without a session, or with the token of another one, so that it is
/// shown again and not lost; it changes nothing then.
pub(super) struct FilledForm {
    /// None: it has ended.
    pub(super) session: Option<Session>,
    /// Whether it may change something.
    pub(super) is_meant: bool,
    /// None: there is no session, and the form is too long to be kept.
    pub(super) fields: Option<Fields>,
    _held: Option<BudgetShare>,
}

impl FromRequest for FilledForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let origin = own_origin(request);
        let session = match signed_in(request) {
            Ok(session) => Ok(Some(session)),
            Err(problem) if guard::is_sign_in_first(&problem) => Ok(None),
            Err(problem) => Err(problem),
        };
        let limits = Limits {
            session: LONG,
            ended: ENDED,
            stranger: STRANGER,
        };
        let known = session.as_ref().ok().and_then(Option::as_ref);
        let form = read(request, payload, known, &limits);
        Box::pin(async move {
            origin?;
            let session = session?;
            let (fields, held) = match form.await {
                Ok((fields, held)) => (Some(fields), Some(held)),
                Err(problem) if session.is_none() && problem.code() == Code::BodyTooLarge => (None, None),
                Err(problem) => return Err(problem),
            };
            let is_of = |session: &Session| fields.as_ref().is_some_and(|fields| session.is_of(fields));
            Ok(Self {
                is_meant: session.as_ref().is_some_and(is_of),
                session,
                fields,
                _held: held,
            })
        })
    }
}

/// A form from a page of this session, which every change needs.
pub(super) struct SessionForm {
    pub(super) session: Session,
    pub(super) fields: Fields,
    _held: BudgetShare,
}

impl FromRequest for SessionForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        posted(request, payload, |_| Ok(()))
    }
}

/// The same, of the operator: others are refused before the form is read.
pub(super) struct OperatorForm(pub(super) SessionForm);

impl FromRequest for OperatorForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let posted = posted(request, payload, |session| Ok(session.principal.operator()?));
        Box::pin(async move { posted.await.map(Self) })
    }
}

fn posted(
    request: &HttpRequest,
    payload: &mut Payload,
    may: impl FnOnce(&Session) -> Result<(), Problem>,
) -> LocalBoxFuture<'static, Result<SessionForm, Problem>> {
    let allowed = own_origin(request)
        .and_then(|_| signed_in(request))
        .and_then(|session| may(&session).map(|()| session));
    let limits = Limits {
        session: SHORT,
        ended: 0,
        stranger: 0,
    };
    let form = read(request, payload, allowed.as_ref().ok(), &limits);
    Box::pin(async move {
        let session = allowed?;
        let (fields, held) = form.await?;
        if !session.is_of(&fields) {
            let detail = "the form belongs to another session: go back, reload the page, then send the form";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                Code::FormOutdated,
                "Reload the page",
                detail,
            ));
        }
        Ok(SessionForm {
            session,
            fields,
            _held: held,
        })
    })
}
