//! The sign-in page, and what a form keeps whose session has ended.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::fields::Fields;
use super::filters;
use super::page::{self, Shell};
use super::words::Icon;
use crate::http::problem::Problem;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignIn {
    pub(super) shell: Shell,
    pub(super) next: String,
    /// The message about the reason for coming here.
    pub(super) said: Option<&'static str>,
    pub(super) kept: Vec<(String, String)>,
    pub(super) fault: Option<String>,
}

/// The most bytes of a kept form: its values, with their names.
const MAX_KEPT_BYTES: usize = 256 << 10;
const MAX_KEPT_FIELDS: usize = 5_000;
/// The sign-in page's own fields, and those that a page makes anew.
const NOT_KEPT: [&str; 5] = ["token", "next", "kept", "csrf", "do"];

pub(super) const NOTHING_DONE: &str = "Your session had ended, so nothing was changed. Sign in, then try again.";
pub(super) const KEPT: &str = "Your session ended before this was saved. Sign in to continue: your input is kept.";
const TOO_LONG: &str =
    "Your session ended before this was saved, and your input is too long to be kept. Sign in, then try again.";

/// Returns the fields of a form to keep. Returns `None` if they are too many or too long.
pub(super) fn keep(fields: &Fields) -> Option<Vec<(String, String)>> {
    let kept = || fields.iter().filter(|(name, _)| !NOT_KEPT.contains(name));
    let bytes: usize = kept().map(|(name, value)| name.len() + value.len()).sum();
    let is_short = bytes <= MAX_KEPT_BYTES && kept().count() <= MAX_KEPT_FIELDS;
    is_short.then(|| {
        kept()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
}

/// Returns the sign-in page for a form whose session has ended. `None`: the form was too long to read.
pub(super) fn interrupted(request: &HttpRequest, fields: Option<&Fields>) -> Result<HttpResponse, Problem> {
    let kept = fields.and_then(keep);
    let page = SignIn {
        shell: Shell::bare(request, "Sign in"),
        next: request.path().to_owned(),
        said: Some(if kept.is_some() { KEPT } else { TOO_LONG }),
        kept: kept.unwrap_or_default(),
        fault: None,
    };
    page::render_as(HttpResponse::Unauthorized(), &page)
}
