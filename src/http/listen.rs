//! Connections as they come: in clear, or over TLS with HTTP/2 or HTTP/1.1, as the client chooses (ALPN, RFC 7301).
//!
//! A handshake is a task of its own among the connections of a worker, with a time limit: those of slow clients keep
//! nobody waiting, and count as connections.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{Request, Response, ServiceConfig};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connections::{Connections, Floor, Presence};
use super::problem::Problem;
use super::{h1, h2};
use crate::config::ServerConfig;

/// Turns what is wrong with a request, which no handler sees, into its answer.
pub(super) type Refuse = Rc<dyn Fn(&Problem) -> Response<BoxBody>>;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A TLS handshake.
    pub(super) handshake: Duration,
    /// The head of a request, and a client that takes nothing of its answer.
    pub(super) request: Duration,
    /// A connection without a request.
    pub(super) idle: Duration,
    /// A client that sends nothing behind its answer, and does not end its side.
    pub(super) close: Duration,
}

/// What a client still sends behind its answer is thrown away up to so many bytes. Many clients look for an answer only when
/// they have sent all. It costs no memory.
pub(super) const REMAINDER: usize = 64 << 20;
/// The same, for so long in all.
pub(super) const REMAINDER_TIME: Duration = Duration::from_secs(30);

impl Patience {
    /// How long a connection may be open before its first request.
    pub(super) fn first(&self) -> Duration {
        self.request.max(self.idle)
    }

    fn of(config: &ServerConfig) -> Self {
        Self {
            handshake: Duration::from_secs(config.tls_handshake_seconds),
            request: Duration::from_secs(config.request_timeout_seconds),
            idle: Duration::from_secs(config.keep_alive_seconds),
            close: Duration::from_secs(5),
        }
    }
}

/// What the connections of a worker are served with.
pub(super) struct Host<S> {
    pub(super) service: S,
    pub(super) refuse: Refuse,
    pub(super) patience: Patience,
    /// Knows the date.
    pub(super) clock: ServiceConfig,
    pub(super) stop: GracefulShutdownSignal,
    /// Who else is connected.
    floor: Rc<Floor>,
}

/// Takes the address, so that it is known before anything is served.
///
/// # Errors
/// As the system gives them.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Connections have it from here. Without it, the end of an answer may wait for the client's delayed acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Serves what `app` makes, one for each worker: by TLS, if there is a configuration of it, or in clear.
pub(super) fn serve<A, F>(
    server: ServerBuilder,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    config: &ServerConfig,
    connections: Arc<Connections>,
    app: impl Fn() -> A + Clone + Send + 'static,
    refuse: impl Fn(&Problem) -> Response<BoxBody> + Clone + Send + 'static,
) -> io::Result<Server>
where
    A: IntoServiceFactory<F, Request>,
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
        + 'static,
    F::InitError: Debug,
{
    let stop = server.graceful_shutdown_signal();
    let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
    let patience = Patience::of(config);
    let server = server.listen("http", listener, move || {
        let (app, refuse, acceptor, stop) = (app.clone(), refuse.clone(), acceptor.clone(), stop.clone());
        let connections = Arc::clone(&connections);
        fn_factory(move || {
            // Nothing here asks by what name it is called: URLs are made from `server.public_url`.
            let app = map_config(app().into_factory(), |()| AppConfig::default());
            let (refuse, acceptor, stop) = (refuse.clone(), acceptor.clone(), stop.clone());
            let connections = Arc::clone(&connections);
            async move {
                let service = app
                    .new_service(())
                    .await
                    .map_err(|error| tracing::error!(?error, "no service"))?;
                let host = Rc::new(Host {
                    service,
                    refuse: Rc::new(refuse),
                    patience,
                    clock: ServiceConfig::default(),
                    stop,
                    floor: Floor::new(connections),
                });
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    connection(io, acceptor.clone(), Rc::clone(&host))
                }))
            }
        })
    })?;
    Ok(server.run())
}

async fn connection<S>(io: TcpStream, acceptor: Option<TlsAcceptor>, host: Rc<Host<S>>) -> Result<(), ()>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> + 'static,
{
    let peer = io.peer_addr().ok();
    let Some(place) = host.floor.enter(peer) else {
        return Ok(());
    };
    let client = Client {
        peer,
        presence: place.presence().clone(),
    };
    match place.hold(serve_one(io, client, acceptor, host)).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a connection broke off"),
        None => tracing::debug!("a connection made room for another"),
    }
    Ok(())
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) peer: Option<SocketAddr>,
    /// Where requests under way are noted.
    pub(super) presence: Presence,
}

async fn serve_one<S>(io: TcpStream, client: Client, acceptor: Option<TlsAcceptor>, host: Rc<Host<S>>) -> io::Result<()>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> + 'static,
{
    let Some(acceptor) = acceptor else {
        return h1::serve(io, client, &host).await;
    };
    // Strangers that speak no TLS, or break it off, are none of an operator's concern.
    let Ok(Ok(io)) = timeout(host.patience.handshake, acceptor.accept(io)).await else {
        return Ok(());
    };
    if io.get_ref().1.alpn_protocol() == Some(b"h2") {
        h2::serve(io, client, host).await
    } else {
        h1::serve(io, client, &host).await
    }
}
