//! Conditional requests (RFC 9110, section 13): a change is made only to what its sender has seen, and what a reader has
//! already is not sent again.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use aws_lc_rs::digest::{SHA256, digest};
use conduit_actors::hex::Hex;
use conduit_actors::ids::Timestamp;

use super::problem::Problem;
use crate::code::Code;
use crate::store::ChangeError;

/// Returns the ETag of a version.
pub(crate) fn etag(version: u64) -> (&'static str, String) {
    ("etag", format!("\"{version}\""))
}

/// Returns the ETag of a version that also shows until when a credential serves, which changes without the version.
pub(crate) fn etag_until(version: u64, until: Option<Timestamp>) -> (&'static str, String) {
    match until {
        Some(until) => ("etag", format!("\"{version}-{}\"", until.as_millis())),
        None => etag(version),
    }
}

/// Returns an ETag of content that has no version of its own.
pub(crate) fn tag_of_content(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    format!("\"{}\"", Hex(&hash.as_ref()[..8]))
}

/// Entity tags of a header, which may go over several lines.
#[derive(Debug, PartialEq, Eq)]
enum Tags<'a> {
    /// `*`
    Any,
    Listed(Vec<Tag<'a>>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    /// With its quotation marks.
    text: &'a str,
}

impl<'a> Tags<'a> {
    /// Reads a header. Returns `None` if it is not there.
    ///
    /// # Errors
    /// It is no list of entity tags.
    fn read(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        let (mut is_there, mut is_any) = (false, false);
        for line in headers.get_all(name) {
            is_there = true;
            let mut rest = line.to_str().map_err(|_| malformed(name))?.trim();
            while !rest.is_empty() {
                if let Some(after) = rest.strip_prefix(',') {
                    rest = after.trim_start();
                    continue;
                }
                let (tag, after) = one(rest).ok_or_else(|| malformed(name))?;
                rest = after.trim_start();
                // Tags stand apart by commas.
                if !rest.is_empty() && !rest.starts_with(',') {
                    return Err(malformed(name));
                }
                match tag {
                    Some(tag) => tags.push(tag),
                    None => is_any = true,
                }
            }
        }
        match (is_there, is_any, tags.is_empty()) {
            (false, ..) => Ok(None),
            // An empty list of tags excludes nothing.
            (true, false, true) if *name == IF_NONE_MATCH => Ok(None),
            (true, true, true) => Ok(Some(Self::Any)),
            (true, false, false) => Ok(Some(Self::Listed(tags))),
            _ => Err(malformed(name)),
        }
    }

    /// Returns whether one of them is right. A weak one never is, where tags must be the same (RFC 9110, section 8.8.3.2).
    fn has_strong(&self, is_right: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|one| !one.is_weak && is_right(one.text)),
        }
    }

    /// Returns whether one of them is right, weak or not.
    fn has(&self, is_right: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|one| is_right(one.text)),
        }
    }
}

/// Takes one entity tag off the beginning of a text, or `*`, which is `None`.
fn one(text: &str) -> Option<(Option<Tag<'_>>, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some((None, rest));
    }
    let (is_weak, text) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = text.strip_prefix('"')?.find('"')? + 2;
    let (text, rest) = text.split_at(end);
    Some((Some(Tag { is_weak, text }), rest))
}

fn malformed(name: &HeaderName) -> Problem {
    if *name == IF_MATCH {
        Problem::bad_request(
            Code::IfMatchInvalid,
            "If-Match takes the ETag of a GET, in quotation marks",
        )
    } else {
        let detail = "If-None-Match takes ETags of a GET, in quotation marks";
        Problem::bad_request(Code::IfNoneMatchInvalid, detail)
    }
}

/// Returns the version that a change is meant for: by `If-Match`, the body, or both. `None`: any. `tag` is the ETag of the
/// current version.
///
/// # Errors
/// The change is meant for another version than the current one, or for none.
pub(crate) fn expected_version(
    request: &HttpRequest,
    (current, tag): (u64, &str),
    sent: Option<u64>,
) -> Result<Option<u64>, Problem> {
    let is_expected = expect_tag(request, tag).map_err(|problem| match problem.code() {
        Code::VersionMismatch => ChangeError::VersionMismatch { current }.into(),
        _ => problem,
    })?;
    match sent {
        Some(sent) if is_expected && sent != current => Err(ChangeError::VersionMismatch { current }.into()),
        _ => Ok(sent.or(is_expected.then_some(current))),
    }
}

/// Refuses an action with `If-Match`: its address has no state that could be compared (RFC 9110, section 13.1.1).
///
/// # Errors
/// The header is there.
pub(crate) fn refuse_if_match(request: &HttpRequest) -> Result<(), Problem> {
    match Tags::read(request.headers(), &IF_MATCH)? {
        None => Ok(()),
        Some(_) => {
            let detail = "the address of this action has no ETag, so nothing matches If-Match: send it without";
            Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                Code::PreconditionFailed,
                "Precondition failed",
                detail,
            ))
        }
    }
}

/// Checks that a change is meant for a resource with this tag, which has no version. Returns whether the request says
/// so.
///
/// # Errors
/// It is meant for another state.
pub(crate) fn expect_tag(request: &HttpRequest, tag: &str) -> Result<bool, Problem> {
    refuse_if_seen(request, |one| one == tag)?;
    match Tags::read(request.headers(), &IF_MATCH)? {
        None | Some(Tags::Any) => Ok(false),
        Some(tags) if tags.has_strong(|one| one == tag) => Ok(true),
        Some(_) => Err(Problem::changed_meanwhile()),
    }
}

/// Checks `If-None-Match` at a change: refuses it if the resource exists or has one of these tags.
fn refuse_if_seen(request: &HttpRequest, is_current: impl Fn(&str) -> bool) -> Result<(), Problem> {
    match Tags::read(request.headers(), &IF_NONE_MATCH)? {
        Some(tags) if tags.has(is_current) => Err(precondition_failed()),
        _ => Ok(()),
    }
}

fn precondition_failed() -> Problem {
    let detail = "the resource is as the request says that it must not be: read it again, then decide";
    let status = StatusCode::PRECONDITION_FAILED;
    Problem::new(status, Code::PreconditionFailed, "Precondition failed", detail)
}

/// The form of an answer to a GET.
#[derive(Debug)]
pub(super) enum Reading {
    /// It is sent.
    Whole,
    /// The reader has it (304).
    Unchanged,
    Refused(Problem),
}

/// Decides about the answer to a GET that has this ETag (RFC 9110, section 13.2.2).
pub(super) fn reading(headers: &HeaderMap, tag: &str) -> Reading {
    match Tags::read(headers, &IF_MATCH) {
        Err(problem) => return Reading::Refused(problem),
        Ok(Some(tags)) if !tags.has_strong(|one| one == tag) => return Reading::Refused(precondition_failed()),
        Ok(_) => {}
    }
    match Tags::read(headers, &IF_NONE_MATCH) {
        Err(problem) => Reading::Refused(problem),
        Ok(Some(tags)) if tags.has(|one| one == tag) => Reading::Unchanged,
        Ok(_) => Reading::Whole,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(fields: &[(&str, &str)]) -> HttpRequest {
        let start = TestRequest::default();
        let request = fields
            .iter()
            .fold(start, |request, field| request.append_header(*field));
        request.to_http_request()
    }

    /// Returns the version that a change is meant for, or the code of its refusal.
    fn expected(fields: &[(&str, &str)], sent: Option<u64>) -> Result<Option<u64>, Code> {
        expected_version(&request(fields), (3, "\"3\""), sent).map_err(|problem| problem.code())
    }

    #[test]
    fn a_change_is_meant_for_a_version() {
        for (fields, sent, version) in [
            (&[][..], None, Ok(None)),
            (&[], Some(2), Ok(Some(2))),
            (&[("if-match", "\"3\"")], None, Ok(Some(3))),
            (&[("if-match", "\"1\" ,, \"3\"")], None, Ok(Some(3))),
            (&[("if-match", "\"1\""), ("if-match", "\"3\"")], None, Ok(Some(3))),
            (&[("if-match", "\"3\"")], Some(2), Err(Code::VersionMismatch)),
            (&[("if-match", "\"3-1775471400123\"")], None, Err(Code::VersionMismatch)),
            (&[("if-match", "\"2\"")], None, Err(Code::VersionMismatch)),
            (&[("if-match", "\"2-3\"")], None, Err(Code::VersionMismatch)),
            (&[("if-match", "W/\"3\"")], None, Err(Code::VersionMismatch)),
            (&[("if-match", "W/\"3\", \"3\"")], None, Ok(Some(3))),
            (&[("if-match", "\"a,b\", \"\"")], None, Err(Code::VersionMismatch)),
            // Any version, as far as the header is concerned.
            (&[("if-match", "*")], None, Ok(None)),
            (&[("if-match", "*")], Some(2), Ok(Some(2))),
            (&[("if-match", "3")], None, Err(Code::IfMatchInvalid)),
            (&[("if-match", "\"3")], None, Err(Code::IfMatchInvalid)),
            (&[("if-match", "\"3\" \"4\"")], None, Err(Code::IfMatchInvalid)),
            (&[("if-match", "*, \"3\"")], None, Err(Code::IfMatchInvalid)),
            (&[("if-match", "")], None, Err(Code::IfMatchInvalid)),
            (&[("if-match", "w/\"3\"")], None, Err(Code::IfMatchInvalid)),
            (&[("if-none-match", "*")], None, Err(Code::PreconditionFailed)),
            (&[("if-none-match", "W/\"3\"")], None, Err(Code::PreconditionFailed)),
            (&[("if-none-match", "\"2\"")], None, Ok(None)),
            (&[("if-none-match", "3")], None, Err(Code::IfNoneMatchInvalid)),
        ] {
            assert_eq!(expected(fields, sent), version, "{fields:?}");
        }
    }

    #[test]
    fn a_reader_gets_what_it_does_not_have() {
        let what = |fields: &[(&str, &str)]| match reading(request(fields).headers(), "\"3\"") {
            Reading::Whole => 200,
            Reading::Unchanged => 304,
            Reading::Refused(problem) => problem.status().as_u16(),
        };
        for (fields, status) in [
            (&[][..], 200),
            (&[("if-none-match", "\"3\"")], 304),
            (&[("if-none-match", "W/\"3\"")], 304),
            (&[("if-none-match", "\"1\", \"3\"")], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"2\"")], 200),
            (&[("if-none-match", "nonsense")], 400),
            (&[("if-match", "\"3\"")], 200),
            (&[("if-match", "\"2\"")], 412),
            (&[("if-match", "\"2\""), ("if-none-match", "\"3\"")], 412),
        ] {
            assert_eq!(what(fields), status, "{fields:?}");
        }
    }
}
