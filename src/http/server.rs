//! The server: the event endpoint, the faces, and limits.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_http::{Request, Response};
use actix_service::IntoServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App as WebApp, Error, HttpResponse};

use super::connections::Connections;
use super::listen;
use super::middleware::{refuse, with_request_id};
use super::problem::Problem;
use super::state::EdgeState;
use crate::config::{ServerConfig, or_cores};
use crate::tls::ServerCertificate;

/// As many as the server takes.
const MOST_WORKERS: usize = 512;

/// Serves the faces that `configure` adds, one set for each worker, until the handle of the server is told to stop.
/// Uses TLS if there is a certificate.
///
/// # Errors
/// The errors of the system.
pub(crate) fn run(
    state: Arc<EdgeState>,
    listener: TcpListener,
    certificate: Option<&Arc<ServerCertificate>>,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let config = state.server.clone();
    let connections = Arc::clone(&state.connections);
    let data = Data::from(state);
    let refusing = data.clone();
    let refuse = move |problem: &Problem| refuse(Some(&refusing), problem);
    let make = move || make_app(&data, configure.clone());
    serve_by(&config, listener, certificate, connections, make, refuse)
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

/// Creates all routes, for one worker.
fn make_app<C: FnOnce(&mut ServiceConfig)>(
    state: &Data<EdgeState>,
    configure: C,
) -> WebApp<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<C>,
> {
    WebApp::new()
        .app_data(state.clone())
        .wrap(from_fn(with_request_id))
        .configure(configure)
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::no_such_address()) }))
}
