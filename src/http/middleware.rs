//! Around every request: its id, the headers that all answers have, conditions, and the body of a problem.

use actix_http::Response;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use tracing::Instrument as _;
use uuid::Uuid;

use super::conditional::{self, Reading};
use super::methods;
use super::problem::Problem;
use super::request_id::{EVENT_PATH, RequestId};
use super::state::EdgeState;
use super::traced;
use crate::code::Code;

/// Gives each request its id, and each answer the headers that all answers have.
pub(super) async fn with_request_id(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId(Uuid::now_v7());
    request.extensions_mut().insert(id);
    let hsts = request
        .app_data::<Data<EdgeState>>()
        .and_then(|state| state.hsts.clone());
    let traced = traced::begin(&request);
    // HEAD is GET without the body, which the connection leaves out (RFC 9110, section 9.3.2).
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    // A span costs more than all else here. The event endpoint has one place that logs, and names the id itself.
    let span = if request.path() == EVENT_PATH {
        tracing::Span::none()
    } else {
        tracing::info_span!("request", request_id = %id)
    };
    let mut response = if request.method() == Method::OPTIONS && request.path() == "*" {
        let answer = HttpResponse::NoContent().insert_header((ALLOW, methods::ALL)).finish();
        request.into_response(answer)
    } else {
        problem_if_foreign(next.call(request).instrument(span).await?)
    };
    if response.headers().contains_key(ETAG) && response.request().method() == Method::GET {
        response = conditional(response);
    }
    if !response.status().is_success() {
        response = explain(response, id);
    }
    if let Some(traced) = traced {
        let problem = response.response().extensions().get::<Problem>().map(Problem::code);
        traced.end(response.request(), response.status(), problem, &id);
    }
    let status = response.status();
    finish(response.headers_mut(), status, id, hsts.as_ref());
    Ok(response)
}

/// Writes the headers that all answers have.
fn finish(headers: &mut HeaderMap, status: StatusCode, id: RequestId, hsts: Option<&HeaderValue>) {
    let mut buffer = Uuid::encode_buffer();
    if let Ok(value) = HeaderValue::from_str(id.0.hyphenated().encode_lower(&mut buffer)) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Only files named after their content have another header.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // RFC 9110, section 15.5.2: every 401 has one.
    if status == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(hsts) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}

/// Returns the answer to a request that is too malformed for any handler.
pub(super) fn refuse(state: Option<&EdgeState>, problem: &Problem) -> Response<BoxBody> {
    let id = RequestId(Uuid::now_v7());
    let mut response = problem.error_response();
    let is_logged = state.is_none_or(|state| state.refused("api", problem.code()));
    if is_logged {
        tracing::info!(request_id = %id, code = problem.code().as_str(), status = problem.status().as_u16(), "refused");
    }
    let status = response.status();
    let hsts = state.and_then(|state| state.hsts.as_ref());
    finish(response.headers_mut(), status, id, hsts);
    response.set_body(BoxBody::new(problem.body(&id.to_string()))).into()
}

/// Answers a GET as its conditions say.
fn conditional(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let (StatusCode::OK, Some(tag)) = (response.status(), tag) else {
        return response;
    };
    match conditional::reading(response.request().headers(), tag) {
        Reading::Whole => response,
        Reading::Unchanged => {
            let mut response = response.map_body(|head, _| {
                head.status = StatusCode::NOT_MODIFIED;
                BoxBody::new(())
            });
            response.headers_mut().remove(CONTENT_TYPE);
            response
        }
        Reading::Refused(problem) => response.into_response(problem.error_response()),
    }
}

/// Writes the body of a problem, which needs the request's id, and its log line.
fn explain(response: ServiceResponse<BoxBody>, id: RequestId) -> ServiceResponse<BoxBody> {
    let Some(problem) = response.response().extensions().get::<Problem>().cloned() else {
        return response;
    };
    let status = response.status().as_u16();
    let request = response.request();
    let is_logged = request.app_data::<Data<EdgeState>>().is_none_or(|state| {
        let endpoint = if request.path() == EVENT_PATH { "event" } else { "api" };
        state.refused(endpoint, problem.code())
    });
    if is_logged {
        tracing::info!(request_id = %id, code = problem.code().as_str(), status, "refused");
    }
    response.map_body(|_, _| BoxBody::new(problem.body(&id.to_string())))
}

/// Puts what the framework itself refuses into our form.
fn problem_if_foreign(response: ServiceResponse<impl MessageBody + 'static>) -> ServiceResponse<BoxBody> {
    let foreign = |error: &Error| error.as_error::<Problem>().is_none();
    match response.response().error().filter(|error| foreign(error)) {
        None => response.map_into_boxed_body(),
        Some(error) => {
            let status = error.as_response_error().status_code();
            let problem = if status.is_client_error() {
                Problem::bad_request(Code::RequestInvalid, "the request is malformed")
            } else {
                let detail = "something is wrong inside; the log has more under this request's id";
                Problem::try_again(Code::InternalError, detail)
            };
            response.into_response(problem.error_response())
        }
    }
}
