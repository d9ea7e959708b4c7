//! The answers while the start waits for the database, or takes long.
//!
//! Orchestrators see a living process that is not ready, and senders must send again. No event is accepted, because
//! checking credentials needs the directory.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig, get, head, resource};
use actix_web::{App as WebApp, Error, HttpRequest, HttpResponse};
use parking_lot::Mutex;

use super::connections::Connections;
use super::middleware::{refuse, with_request_id};
use super::problem::Problem;
use super::request_id::EVENT_PATH;
use super::server::serve_by;
use crate::app::readiness::{Alive, Check, Readiness};
use crate::code::Code;
use crate::config::ServerConfig;
use crate::tls::ServerCertificate;

/// Why the start is not done. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cause(Arc<Mutex<String>>);

impl Cause {
    /// Sets the present cause.
    pub fn set(&self, cause: &str) {
        cause.clone_into(&mut self.0.lock());
    }

    fn get(&self) -> String {
        self.0.lock().clone()
    }
}

/// Serves until the handle of the server is told to stop.
///
/// # Errors
/// The errors of the system.
pub fn run(
    config: &ServerConfig,
    listener: TcpListener,
    certificate: Option<&Arc<ServerCertificate>>,
    cause: Cause,
) -> io::Result<Server> {
    let config = ServerConfig {
        workers: 1,
        ..config.clone()
    };
    let cause = Data::new(cause);
    let connections = Arc::new(Connections::new(&config));
    let make = move || make_app(&cause);
    serve_by(
        &config,
        listener,
        certificate,
        connections,
        make,
        |problem: &Problem| refuse(None, problem),
    )
}

fn make_app(
    cause: &Data<Cause>,
) -> WebApp<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<>,
> {
    WebApp::new()
        .app_data(cause.clone())
        .wrap(from_fn(with_request_id))
        .configure(routes)
        .default_service(web::to(not_yet))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/livez").route(get().to(live)).route(head().to(live)))
        .service(resource("/readyz").route(get().to(ready)).route(head().to(ready)));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive::new())
}

async fn ready(cause: Data<Cause>) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(Readiness {
        status: "unavailable",
        checks: vec![Check {
            name: "database",
            status: "unavailable",
            detail: cause.get(),
        }],
    })
}

async fn not_yet(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let detail = "the service has just been started and waits for its database: send it again later";
    Err(if request.path() == EVENT_PATH {
        Problem::try_again(Code::StartingUp, detail)
    } else {
        Problem::unavailable(Code::DatabaseUnavailable, detail)
    })
}
