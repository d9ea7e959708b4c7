//! The server: routes and limits.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PayloadConfig, ServiceConfig, get, post, resource};
use actix_web::{App as WebApp, Error, HttpResponse, HttpServer, Resource};

use super::problem::Problem;
use super::request_id::{EVENT_PATH, with_request_id};
use super::state::App;
use super::{
    activities, controllers, credentials, docs, dry_run, event_list, events, ingest, integrations, limits, openapi,
    probes, receipts, replays, secure, snippets, stats, subjects, trial,
};
use crate::config::{ServerConfig, or_cores};
use crate::tls::ServerCertificate;

/// Longest body of a management call: a large mapping fits.
const MAX_MANAGEMENT_BYTES: usize = 4 << 20;

/// As many as the server takes.
const MOST_WORKERS: usize = 512;

/// Takes the address, so that it is known before anything is served.
///
/// # Errors
/// As the system gives them.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Serves until the handle of the server is told to stop: by TLS, if there is a certificate, or in clear.
///
/// # Errors
/// As the system gives them.
pub fn run(app: Arc<App>, listener: TcpListener, certificate: Option<&Arc<ServerCertificate>>) -> io::Result<Server> {
    let config = app.config.server.clone();
    let data = Data::from(app);
    serve_by(&config, listener, certificate, move || make_app(&data))
}

/// Serves what `make` makes, one for each worker.
pub(super) fn serve_by<A, F>(
    config: &ServerConfig,
    listener: TcpListener,
    certificate: Option<&Arc<ServerCertificate>>,
    make: impl Fn() -> A + Clone + Send + 'static,
) -> io::Result<Server>
where
    A: IntoServiceFactory<F, Request> + 'static,
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    F::InitError: Debug,
{
    if let Some(certificate) = certificate {
        let tls = certificate.config().map_err(io::Error::other)?;
        let server = Server::build()
            .workers(or_cores(config.workers).min(MOST_WORKERS))
            .max_concurrent_connections(config.max_connections)
            .shutdown_timeout(config.shutdown_seconds)
            .disable_signals();
        return secure::listen(server, listener, tls, config, make);
    }
    let server = HttpServer::new(make)
        .workers(or_cores(config.workers).min(MOST_WORKERS))
        .keep_alive(Duration::from_secs(config.keep_alive_seconds))
        .client_request_timeout(Duration::from_secs(config.request_timeout_seconds))
        .client_disconnect_timeout(Duration::from_secs(5))
        .max_connections(config.max_connections)
        .shutdown_timeout(config.shutdown_seconds)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// All routes, for one worker.
fn make_app(
    data: &Data<App>,
) -> WebApp<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<>,
> {
    WebApp::new()
        .app_data(data.clone())
        .app_data(Data::new(data.shards.start_edge()))
        .app_data(PayloadConfig::new(MAX_MANAGEMENT_BYTES))
        .wrap(from_fn(with_request_id))
        .configure(routes)
        .configure(|pages| {
            if data.config.dashboard.enabled {
                crate::dashboard::routes(pages);
            }
        })
        .default_service(web::to(|| async {
            Err::<HttpResponse, _>(Problem::not_found("address"))
        }))
}

/// A resource that answers other methods with what it allows.
fn only(path: &str, allow: &'static str) -> Resource {
    resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(allow))
    }))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(only(EVENT_PATH, "POST").route(post().to(ingest::post_event)))
        .service(
            only("/api/v1/controllers", "GET, POST")
                .route(get().to(controllers::list))
                .route(post().to(controllers::create)),
        )
        .service(
            only("/api/v1/controllers/{did}", "GET, PUT, DELETE")
                .route(get().to(controllers::get))
                .route(web::put().to(controllers::rename))
                .route(web::delete().to(controllers::delete)),
        )
        .service(
            only("/api/v1/controllers/{did}/limits", "GET, PUT")
                .route(get().to(limits::get))
                .route(web::put().to(limits::put)),
        )
        .service(
            only("/api/v1/controllers/{did}/management-token/rotate", "POST")
                .route(post().to(credentials::rotate_token)),
        )
        .service(only("/api/v1/controllers/{did}/webhook-secret", "GET").route(get().to(credentials::secret)))
        .service(
            only("/api/v1/controllers/{did}/webhook-secret/revoke", "POST")
                .route(post().to(credentials::revoke_secret)),
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
        .service(only("/api/v1/integrations/custom/{id}/api-key", "GET").route(get().to(credentials::key)))
        .service(
            only("/api/v1/integrations/custom/{id}/api-key/revoke", "POST").route(post().to(credentials::revoke_key)),
        )
        .service(
            only("/api/v1/integrations/custom/{id}/api-key/rotate", "POST").route(post().to(integrations::rotate_key)),
        )
        .service(only("/api/v1/integrations/custom/{id}/snippets", "GET").route(get().to(snippets::list)))
        .service(only("/api/v1/integrations/custom/{id}/test", "POST").route(post().to(dry_run::test)))
        .service(only("/api/v1/integrations/custom/{id}/trial", "POST").route(post().to(trial::run)))
        .service(only("/api/v1/events", "GET").route(get().to(event_list::list)))
        // Before the events by id, which it would be one of.
        .service(only("/api/v1/events/search", "POST").route(post().to(event_list::search)))
        .service(only("/api/v1/events/replay", "POST").route(post().to(replays::create)))
        .service(only("/api/v1/events/{id}", "GET").route(get().to(events::get)))
        .service(only("/api/v1/events/{id}/replay", "POST").route(post().to(replays::create_for_event)))
        .service(only("/api/v1/replays", "GET").route(get().to(replays::list)))
        .service(only("/api/v1/replays/{id}", "GET").route(get().to(replays::get)))
        .service(only("/api/v1/replays/{id}/cancel", "POST").route(post().to(replays::cancel)))
        .service(only("/api/v1/activities", "GET").route(get().to(activities::list)))
        .service(only("/api/v1/subjects", "GET").route(get().to(subjects::list)))
        .service(only("/api/v1/subjects/lookup", "POST").route(post().to(subjects::look_up)))
        .service(only("/api/v1/subjects/{did}", "GET").route(get().to(subjects::get)))
        .service(only("/api/v1/stats", "GET").route(get().to(stats::stats)))
        .service(only("/api/v1/supervision", "GET").route(get().to(stats::supervision)))
        .service(only("/api/v1/taxonomy", "GET").route(get().to(stats::taxonomy)))
        .service(only("/api/v1/openapi.json", "GET").route(get().to(openapi::get)))
        .service(only("/api/docs", "GET").route(get().to(docs::get)))
        .service(only("/api/docs/style.css", "GET").route(get().to(docs::style)))
        .service(only("/.well-known/conduit-receipt-keys.json", "GET").route(get().to(receipts::keys)))
        .service(only("/metrics", "GET").route(get().to(probes::metrics)))
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
