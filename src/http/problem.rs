//! Errors as they are shown: RFC 9457 problem details with a stable `code`.

mod causes;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use conduit_actors::event::Notice;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Noun;
use crate::code::Code;

/// Seconds after which a refused request is worth another try.
const RETRY_AFTER: u64 = 2;

/// Whether a credential was revoked on another node is not known.
const UNCONFIRMED: &str =
    "credentials cannot be confirmed, since the database is away for too long: send it again later";

/// An error, ready to be shown. Holds nothing of a payload and no credential.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    title: &'static str,
    detail: String,
    errors: Vec<Notice>,
    retry_after: Option<u64>,
    allow: Option<Box<str>>,
}

/// A fault of a request, as problem details (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemView<'a> {
    /// `urn:conduit:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of the problem, for people.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// Stable, for programs.
    code: &'a str,
    /// The fault and how to fix it, for people.
    detail: &'a str,
    /// The faults of parts of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemPart<'a>>,
    /// This request's id, as in the header `x-request-id` and in the log.
    request_id: &'a str,
}

/// The fault of one part of the request.
#[derive(Serialize, JsonSchema)]
struct ProblemPart<'a> {
    /// JSON Pointer (RFC 6901) into the body; empty for the whole body, and for other parts of the request.
    pointer: &'a str,
    /// Stable, for programs.
    code: &'a str,
    /// The fault and how to fix it, for people.
    message: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, title: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(code.at(status.as_u16()).is_some(), "{code} is not a code of {status}");
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
        }
    }

    pub(crate) fn bad_request(code: Code, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request is invalid", detail)
    }

    pub(crate) fn unauthorized(code: Code, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, "Authentication failed", detail)
    }

    /// Returns the one answer to all kinds of wrong credentials.
    pub(crate) fn authentication_failed() -> Self {
        Self::unauthorized(
            Code::AuthenticationFailed,
            "did, dpid, the API key in Authorization and the webhook secret in x-webhook-secret must belong together: \
             compare all four with what was shown when the integration was made, or rotate the credentials",
        )
    }

    pub(crate) fn forbidden() -> Self {
        let detail = "this call needs the operator's token";
        Self::new(StatusCode::FORBIDDEN, Code::OperatorOnly, "Not allowed", detail)
    }

    pub(crate) fn not_found(noun: Noun) -> Self {
        Self::missing(&noun.to_string())
    }

    /// Returns the answer for an address without a resource.
    pub(crate) fn no_such_address() -> Self {
        Self::missing("address")
    }

    /// Returns the answer for an unknown file.
    pub(crate) fn no_such_file() -> Self {
        Self::missing("file")
    }

    fn missing(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            "Not found",
            format!("there is no such {what}"),
        )
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this address takes {allow} only");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self {
            allow: Some(allow.into()),
            ..Self::new(status, Code::MethodNotAllowed, "Wrong method", detail)
        }
    }

    pub(crate) fn conflict(code: Code, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflict", detail)
    }

    /// Returns the answer to a change of an outdated version.
    pub(super) fn changed_meanwhile() -> Self {
        Self::conflict(
            Code::VersionMismatch,
            "it was changed meanwhile: read it again, then change that",
        )
    }

    /// Returns the answer of management calls to [`BodyFault::TooLarge`].
    pub(crate) fn too_large(most: usize) -> Self {
        let detail =
            format!("the body is longer than {most} bytes, which is the most that this address takes: send less");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, "Too large", detail)
    }

    /// Returns the answer of management calls to [`BodyFault::TimedOut`].
    pub(super) fn too_slow() -> Self {
        let detail = "the body did not arrive in time: send it at once";
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::BodyTimeout, "Too slow", detail)
    }

    /// Returns the answer to a request whose head is late.
    pub(super) fn head_too_slow() -> Self {
        let detail = "the request's head did not arrive in time: send it at once";
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::HeadTimeout, "Too slow", detail)
    }

    /// Returns the answer to a request with an unreasonably long head, or too many fields.
    pub(super) fn head_too_large() -> Self {
        let detail = "the request's head is longer than 64 KiB, or has more than 96 fields: send less";
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self::new(status, Code::HeadTooLarge, "Too large", detail)
    }

    pub(super) fn uri_too_long() -> Self {
        let detail = "the request's first line is longer than 64 KiB: send less";
        Self::new(StatusCode::URI_TOO_LONG, Code::UriTooLong, "Too large", detail)
    }

    pub(super) fn version_unsupported() -> Self {
        let detail = "this server takes HTTP/1.0 and HTTP/1.1 here, and HTTP/2 over TLS where the client negotiates it";
        let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        Self::new(status, Code::HttpVersionUnsupported, "Wrong version", detail)
    }

    pub(crate) fn too_many_failures(retry_after: u64) -> Self {
        let detail = "too many failed authentications from this address: mend the credentials, then wait";
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Self::new(status, Code::TooManyFailures, "Too many failed authentications", detail);
        Self {
            retry_after: Some(retry_after),
            ..problem
        }
    }

    /// Returns a refusal that kept nothing and is worth another try.
    pub(crate) fn try_again(code: Code, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, "Try again", detail);
        Self {
            retry_after: Some(RETRY_AFTER),
            ..problem
        }
    }

    pub(crate) fn unavailable(code: Code, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "Unavailable", detail);
        Self {
            retry_after: Some(RETRY_AFTER),
            ..problem
        }
    }

    pub(crate) fn internal() -> Self {
        let detail = "something is wrong inside; the log has more under this request's id";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::InternalError,
            "Internal error",
            detail,
        )
    }

    pub(crate) fn with_errors(self, errors: Vec<Notice>) -> Self {
        Self { errors, ..self }
    }

    pub(crate) fn with_error(self, pointer: &str, message: impl Into<String>) -> Self {
        let code = self.code;
        self.with_errors(vec![Notice::of_request(pointer, code, message)])
    }

    /// Returns the problem with this JSON Pointer into the body.
    pub(crate) fn at(self, pointer: &str) -> Self {
        let detail = self.detail.clone();
        self.with_error(pointer, detail)
    }

    /// Returns the problem with its pointers moved below `place` in the request's body.
    pub(crate) fn below(mut self, place: &str) -> Self {
        for error in &mut self.errors {
            error.field.insert_str(0, place);
        }
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the faults of fields.
    pub(crate) fn errors(&self) -> &[Notice] {
        &self.errors
    }

    /// Returns the body, as JSON.
    pub(crate) fn body(&self, request_id: &str) -> String {
        let errors = self.errors.iter().map(|e| ProblemPart {
            pointer: &e.field,
            code: &e.code,
            message: &e.message,
        });
        let view = ProblemView {
            kind: format!("urn:conduit:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            errors: errors.collect(),
            request_id,
        };
        serde_json::to_string(&view).unwrap_or_default()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Returns the head. The body needs the request's id, so the middleware of [`super::middleware`] writes it.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type("application/problem+json");
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body may come or not (RFC 9110, 15.5.9).
            response.force_close();
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, &**allow));
        }
        response.extensions_mut().insert(self.clone());
        response.finish()
    }
}
