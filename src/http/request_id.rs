//! Request ids: in the head of every answer, in the body of every problem, in every log line about the request.

use std::fmt;

use actix_web::{HttpMessage as _, HttpRequest};
use uuid::Uuid;

/// The address of the event endpoint.
pub(crate) const EVENT_PATH: &str = "/api/v1/integrations/custom/event";

/// The id of one request (UUIDv7).
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(pub(super) Uuid);

impl RequestId {
    /// Returns the request's id. All requests have one.
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.extensions().get().copied().unwrap_or(Self(Uuid::nil()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
