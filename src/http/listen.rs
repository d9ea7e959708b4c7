//! New connections: in clear, or over TLS with HTTP/2 or HTTP/1.1, as the client chooses (ALPN, RFC 7301).
//!
//! A handshake is a separate task among the connections of a worker, with a time limit. Slow handshakes delay no other
//! client, and count as connections.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use actix_http::body::BoxBody;
use actix_http::{Request, Response, ServiceConfig};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connections::{Connections, Floor};
use super::host::{Client, Host, Patience};
use super::problem::Problem;
use super::{h1, h2};
use crate::config::ServerConfig;

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
