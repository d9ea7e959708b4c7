//! The spans of requests, by OpenTelemetry's conventions for HTTP servers.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use conduit_actors::ids::EventId;
use conduit_actors::ingest::OnDurable;

use super::request_id::RequestId;
use super::state::EdgeState;
use crate::code::Code;
use crate::telemetry::{Kind, Span, SpanContext, Tracer};

/// Asked too often to be of interest.
const NOT_TRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A request that is traced.
pub(super) struct RequestSpan {
    tracer: Arc<Tracer>,
    context: SpanContext,
    parent: Option<SpanContext>,
    began: SystemTime,
    /// As it came: HEAD is answered as GET.
    method: Method,
}

/// The span of a request, for those below it.
#[derive(Clone, Copy)]
struct Current(SpanContext);

/// The event that a request brought.
#[derive(Clone, Copy)]
struct Brought(EventId);

/// Begins the span of a request, if it is to have one.
pub(super) fn begin(request: &ServiceRequest) -> Option<RequestSpan> {
    let tracer = request.app_data::<Data<EdgeState>>()?.tracer.as_ref()?;
    if NOT_TRACED.contains(&request.path()) {
        return None;
    }
    let mut values = request.headers().get_all("traceparent");
    // More than one is none.
    let traceparent = values.next().filter(|_| values.next().is_none());
    let (context, parent) = tracer.sample(traceparent.and_then(|value| value.to_str().ok()))?;
    request.extensions_mut().insert(Current(context));
    Some(RequestSpan {
        tracer: Arc::clone(tracer),
        context,
        parent,
        began: SystemTime::now(),
        method: request.method().clone(),
    })
}

impl RequestSpan {
    pub(super) fn end(self, request: &HttpRequest, status: StatusCode, problem: Option<Code>, id: &RequestId) {
        let method = match self.method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            Method::OPTIONS => "OPTIONS",
            Method::PATCH => "PATCH",
            // Any text may be a method.
            _ => "_OTHER",
        };
        // As it is declared, with {id} for an id: paths have DIDs in them.
        let route = request.match_pattern();
        let name = route
            .as_ref()
            .map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let mut attributes = vec![
            ("http.request.method", method.into()),
            ("http.response.status_code", i64::from(status.as_u16()).into()),
            ("conduit.request_id", id.to_string().into()),
        ];
        attributes.extend(route.map(|route| ("http.route", route.into())));
        attributes.extend(problem.map(|code| ("error.type", code.as_str().into())));
        let brought = request.extensions().get::<Brought>().copied();
        attributes.extend(brought.map(|Brought(event)| ("conduit.event_id", event.to_string().into())));
        self.tracer.record(Span {
            context: self.context,
            parent: self.parent.map(|parent| parent.span),
            name: name.into(),
            kind: Kind::Server,
            began: self.began,
            ended: SystemTime::now(),
            attributes,
            links: Vec::new(),
            failed: status.is_server_error(),
        });
    }
}

/// An append to the journal, if its request is traced.
pub(super) struct Append {
    tracer: Arc<Tracer>,
    request: SpanContext,
    began: SystemTime,
}

/// Begins the span of an append.
pub(super) fn append(state: &EdgeState, request: &HttpRequest) -> Option<Append> {
    let tracer = state.tracer.as_ref()?;
    let Current(context) = request.extensions().get::<Current>().copied()?;
    Some(Append {
        tracer: Arc::clone(tracer),
        request: context,
        began: SystemTime::now(),
    })
}

impl Append {
    /// Notes which request the event came by, before a batch can have it.
    pub(super) fn on_durable(&self) -> OnDurable {
        let (tracer, request) = (Arc::clone(&self.tracer), self.request);
        OnDurable(Box::new(move |event| tracer.note(event, request)))
    }

    /// Ends the span, with the event if it was accepted.
    pub(super) fn end(self, request: &HttpRequest, event: Option<EventId>) {
        let mut attributes = Vec::new();
        if let Some(event) = event {
            request.extensions_mut().insert(Brought(event));
            attributes.push(("conduit.event_id", event.to_string().into()));
        }
        self.tracer.record(Span {
            context: self.request.child(),
            parent: Some(self.request.span),
            name: "journal append".into(),
            kind: Kind::Internal,
            began: self.began,
            ended: SystemTime::now(),
            attributes,
            links: Vec::new(),
            failed: event.is_none(),
        });
    }
}
