//! The server: routes, request ids, limits.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, PayloadConfig, ServiceConfig, get, post, resource};
use actix_web::{App as WebApp, Error, HttpResponse, HttpServer, Resource, ResponseError as _};
use tracing::Instrument as _;
use uuid::Uuid;

use super::problem::Problem;
use super::state::App;
use super::{activities, controllers, events, ingest, integrations, probes, stats, subjects};
use crate::config::or_cores;

/// Longest body of a management call: a large mapping fits.
const MAX_MANAGEMENT_BYTES: usize = 4 << 20;

/// Takes the address, so that it is known before anything is served.
///
/// # Errors
/// As the system gives them.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Serves until the handle of the server is told to stop.
///
/// # Errors
/// As the system gives them.
pub fn run(app: Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let config = app.config.server.clone();
    let data = Data::from(app);
    let server = HttpServer::new(move || {
        WebApp::new()
            .app_data(data.clone())
            .app_data(PayloadConfig::new(MAX_MANAGEMENT_BYTES))
            .wrap(from_fn(with_request_id))
            .configure(routes)
            .default_service(web::to(|| async {
                Err::<HttpResponse, _>(Problem::not_found("address"))
            }))
    })
    .workers(or_cores(config.workers))
    .keep_alive(Duration::from_secs(config.keep_alive_seconds))
    .client_request_timeout(Duration::from_secs(config.request_timeout_seconds))
    .client_disconnect_timeout(Duration::from_secs(5))
    .max_connections(config.max_connections)
    .shutdown_timeout(config.shutdown_seconds)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// A resource that answers other methods with what it allows.
fn only(path: &str, allow: &'static str) -> Resource {
    resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(allow))
    }))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(only("/api/v1/integrations/custom/event", "POST").route(post().to(ingest::post_event)))
        .service(
            only("/api/v1/controllers", "GET, POST")
                .route(get().to(controllers::list))
                .route(post().to(controllers::create)),
        )
        .service(
            only("/api/v1/controllers/{did}", "GET, DELETE")
                .route(get().to(controllers::get))
                .route(web::delete().to(controllers::delete)),
        )
        .service(
            only("/api/v1/controllers/{did}/webhook-secret/rotate", "POST")
                .route(post().to(controllers::rotate_secret)),
        )
        .service(
            only("/api/v1/integrations/custom", "GET, POST")
                .route(get().to(integrations::list))
                .route(post().to(integrations::create)),
        )
        .service(
            only("/api/v1/integrations/custom/{id}", "GET, PUT, DELETE")
                .route(get().to(integrations::get))
                .route(web::put().to(integrations::replace))
                .route(web::delete().to(integrations::delete)),
        )
        .service(
            only("/api/v1/integrations/custom/{id}/api-key/rotate", "POST").route(post().to(integrations::rotate_key)),
        )
        .service(only("/api/v1/events", "GET").route(get().to(events::list)))
        .service(only("/api/v1/events/{id}", "GET").route(get().to(events::get)))
        .service(only("/api/v1/activities", "GET").route(get().to(activities::list)))
        .service(only("/api/v1/subjects", "GET").route(get().to(subjects::list)))
        .service(only("/api/v1/subjects/lookup", "POST").route(post().to(subjects::look_up)))
        .service(only("/api/v1/subjects/{did}", "GET").route(get().to(subjects::get)))
        .service(only("/api/v1/stats", "GET").route(get().to(stats::stats)))
        .service(only("/api/v1/supervision", "GET").route(get().to(stats::supervision)))
        .service(only("/api/v1/taxonomy", "GET").route(get().to(stats::taxonomy)))
        .service(
            only("/livez", "GET, HEAD")
                .route(get().to(probes::live))
                .route(web::head().to(probes::live)),
        )
        .service(
            only("/readyz", "GET, HEAD")
                .route(get().to(probes::ready))
                .route(web::head().to(probes::ready)),
        );
}

/// Gives each request an id, which its log lines, its answer's head and its problem carry.
async fn with_request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = Uuid::now_v7().hyphenated().to_string();
    let span = tracing::info_span!("request", request_id = id.as_str());
    let response = next.call(request).instrument(span.clone()).await?;
    let mut response = match response.response().error().and_then(foreign_problem) {
        Some(problem) => response.into_response(problem.error_response()),
        None => response.map_into_boxed_body(),
    };
    let problem = response.response().extensions().get::<Problem>().cloned();
    if let Some(problem) = problem {
        let _entered = span.enter();
        tracing::info!(code = problem.code(), status = response.status().as_u16(), "refused");
        let body = problem.body(&id);
        response = response.map_body(|_, _| BoxBody::new(body));
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What the framework itself refuses, in our form.
fn foreign_problem(error: &Error) -> Option<Problem> {
    if error.as_error::<Problem>().is_some() {
        return None;
    }
    Some(if error.as_response_error().status_code().is_client_error() {
        Problem::bad_request("request_invalid", "the request is malformed, or its body is too long")
    } else {
        Problem::try_again(
            "internal_error",
            "something is wrong inside; the log has more under this request's id",
        )
    })
}
