//! The server: routes and limits.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_http::{Request, Response};
use actix_service::IntoServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig, get, post};
use actix_web::{App as WebApp, Error, HttpResponse};

use super::connections::Connections;
use super::methods::only;
use super::problem::Problem;
use super::request_id::{EVENT_PATH, refuse, with_request_id};
use super::state::App;
use super::{
    activities, controllers, credentials, docs, dry_run, event_list, events, ingest, integrations, limits, listen,
    openapi, probes, receipts, replays, snippets, stats, subjects, trial,
};
use crate::config::{ServerConfig, or_cores};
use crate::tls::ServerCertificate;

/// As many as the server takes.
const MOST_WORKERS: usize = 512;

/// Serves until the handle of the server is told to stop: by TLS, if there is a certificate, or in clear.
///
/// # Errors
/// As the system gives them.
pub fn run(app: Arc<App>, listener: TcpListener, certificate: Option<&Arc<ServerCertificate>>) -> io::Result<Server> {
    let config = app.config.server.clone();
    let connections = Arc::clone(&app.connections);
    let data = Data::from(app);
    let refusing = data.clone();
    let refuse = move |problem: &Problem| refuse(Some(&refusing), problem);
    serve_by(
        &config,
        listener,
        certificate,
        connections,
        move || make_app(&data),
        refuse,
    )
}

/// Serves what `make` makes, one for each worker.
pub(super) fn serve_by<A, F>(
    config: &ServerConfig,
    listener: TcpListener,
    certificate: Option<&Arc<ServerCertificate>>,
    connections: Arc<Connections>,
    make: impl Fn() -> A + Clone + Send + 'static,
    refuse: impl Fn(&Problem) -> Response<BoxBody> + Clone + Send + 'static,
) -> io::Result<Server>
where
    A: IntoServiceFactory<F, Request>,
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    F::InitError: Debug,
{
    let tls = certificate.map(|certificate| certificate.config()).transpose();
    let tls = tls.map_err(io::Error::other)?;
    let server = Server::build()
        .workers(or_cores(config.workers).min(MOST_WORKERS))
        .max_concurrent_connections(connections.accepted_per_thread())
        .shutdown_timeout(config.shutdown_seconds)
        .disable_signals();
    listen::serve(server, listener, tls, config, connections, make, refuse)
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

fn routes(config: &mut ServiceConfig) {
    config
        .service(only(EVENT_PATH, &[Method::POST]).route(post().to(ingest::post_event)))
        .service(
            only("/api/v1/controllers", &[Method::GET, Method::POST])
                .route(get().to(controllers::list))
                .route(post().to(controllers::create)),
        )
        .service(
            only("/api/v1/controllers/{did}", &[Method::GET, Method::PUT, Method::DELETE])
                .route(get().to(controllers::get))
                .route(web::put().to(controllers::rename))
                .route(web::delete().to(controllers::delete)),
        )
        .service(
            only("/api/v1/controllers/{did}/limits", &[Method::GET, Method::PUT])
                .route(get().to(limits::get))
                .route(web::put().to(limits::put)),
        )
        .service(
            only("/api/v1/controllers/{did}/management-token/rotate", &[Method::POST])
                .route(post().to(credentials::rotate_token)),
        )
        .service(only("/api/v1/controllers/{did}/webhook-secret", &[Method::GET]).route(get().to(credentials::secret)))
        .service(
            only("/api/v1/controllers/{did}/webhook-secret/revoke", &[Method::POST])
                .route(post().to(credentials::revoke_secret)),
        )
        .service(
            only("/api/v1/controllers/{did}/webhook-secret/rotate", &[Method::POST])
                .route(post().to(controllers::rotate_secret)),
        )
        .service(
            only("/api/v1/integrations/custom", &[Method::GET, Method::POST])
                .route(get().to(integrations::list))
                .route(post().to(integrations::create)),
        )
        .service(
            only(
                "/api/v1/integrations/custom/{id}",
                &[Method::GET, Method::PUT, Method::DELETE],
            )
            .route(get().to(integrations::get))
            .route(web::put().to(integrations::replace))
            .route(web::delete().to(integrations::delete)),
        )
        .service(only("/api/v1/integrations/custom/{id}/api-key", &[Method::GET]).route(get().to(credentials::key)))
        .service(
            only("/api/v1/integrations/custom/{id}/api-key/revoke", &[Method::POST])
                .route(post().to(credentials::revoke_key)),
        )
        .service(
            only("/api/v1/integrations/custom/{id}/api-key/rotate", &[Method::POST])
                .route(post().to(integrations::rotate_key)),
        )
        .service(only("/api/v1/integrations/custom/{id}/snippets", &[Method::GET]).route(get().to(snippets::list)))
        .service(only("/api/v1/integrations/custom/{id}/test", &[Method::POST]).route(post().to(dry_run::test)))
        .service(only("/api/v1/integrations/custom/{id}/trial", &[Method::POST]).route(post().to(trial::run)))
        .service(only("/api/v1/events", &[Method::GET]).route(get().to(event_list::list)))
        // Before the events by id, which it would be one of.
        .service(only("/api/v1/events/search", &[Method::POST]).route(post().to(event_list::search)))
        .service(only("/api/v1/events/replay", &[Method::POST]).route(post().to(replays::create)))
        .service(only("/api/v1/events/{id}", &[Method::GET]).route(get().to(events::get)))
        .service(only("/api/v1/events/{id}/replay", &[Method::POST]).route(post().to(replays::create_for_event)))
        .service(only("/api/v1/replays", &[Method::GET]).route(get().to(replays::list)))
        .service(only("/api/v1/replays/{id}", &[Method::GET]).route(get().to(replays::get)))
        .service(only("/api/v1/replays/{id}/cancel", &[Method::POST]).route(post().to(replays::cancel)))
        .service(only("/api/v1/activities", &[Method::GET]).route(get().to(activities::list)))
        .service(only("/api/v1/subjects", &[Method::GET]).route(get().to(subjects::list)))
        .service(only("/api/v1/subjects/lookup", &[Method::POST]).route(post().to(subjects::look_up)))
        .service(only("/api/v1/subjects/{did}", &[Method::GET]).route(get().to(subjects::get)))
        .service(only("/api/v1/stats", &[Method::GET]).route(get().to(stats::stats)))
        .service(only("/api/v1/supervision", &[Method::GET]).route(get().to(stats::supervision)))
        .service(only("/api/v1/taxonomy", &[Method::GET]).route(get().to(stats::taxonomy)))
        .service(only("/api/v1/openapi.json", &[Method::GET]).route(get().to(openapi::get)))
        .service(only("/api/docs", &[Method::GET]).route(get().to(docs::get)))
        .service(only("/api/docs/style.css", &[Method::GET]).route(get().to(docs::style)))
        .service(only("/.well-known/conduit-receipt-keys.json", &[Method::GET]).route(get().to(receipts::keys)))
        .service(only("/metrics", &[Method::GET]).route(get().to(probes::metrics)))
        .service(only("/livez", &[Method::GET]).route(get().to(probes::live)))
        .service(only("/readyz", &[Method::GET]).route(get().to(probes::ready)));
}
