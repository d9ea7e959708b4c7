//! HTTP over TLS: HTTP/2 or HTTP/1.1, as the client chooses (ALPN, RFC 7301).
//!
//! A handshake is a task of its own among the connections of a worker, with a time limit: those of slow clients keep
//! nobody waiting, and count as connections.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{HttpService, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt as _, fn_factory, fn_service, map_config,
};
use actix_web::dev::{AppConfig, ServiceResponse};
use futures_util::future::ready;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::h2::{self, Patience};
use crate::config::ServerConfig;

/// A client that does not end its side.
const DISCONNECT: Duration = Duration::from_secs(5);

/// Serves what `app` makes, one for each worker.
pub(super) fn listen<A, F>(
    server: ServerBuilder,
    listener: TcpListener,
    tls: rustls::ServerConfig,
    config: &ServerConfig,
    app: impl Fn() -> A + Clone + Send + 'static,
) -> io::Result<Server>
where
    A: IntoServiceFactory<F, Request>,
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
        + 'static,
    F::InitError: Debug,
{
    let address = listener.local_addr()?;
    let stop = server.graceful_shutdown_signal();
    let tls = Arc::new(tls);
    let handshake = Duration::from_secs(config.tls_handshake_seconds);
    let (request, idle) = (
        Duration::from_secs(config.request_timeout_seconds),
        Duration::from_secs(config.keep_alive_seconds),
    );
    let patience = Patience {
        handshake: request,
        idle,
        answer: request,
    };
    let server = server.listen("https", listener, move || {
        let (app, stop, acceptor) = (app.clone(), stop.clone(), TlsAcceptor::from(Arc::clone(&tls)));
        fn_factory(move || {
            let app = app()
                .into_factory()
                .map_err(|error| Response::from(error.error_response()));
            // Nothing here asks by what name it is called: URLs are made from `server.public_url`.
            let app = map_config(app, |()| AppConfig::default());
            let (stop, acceptor) = (stop.clone(), acceptor.clone());
            async move {
                let app = Rc::new(
                    app.new_service(())
                        .await
                        .map_err(|error| tracing::error!(?error, "no service"))?,
                );
                let (shared, heard) = (Rc::clone(&app), stop.clone());
                let http1 = HttpService::<TlsStream<TcpStream>, _, BoxBody>::build()
                    .graceful_shutdown_signal(move || {
                        let heard = heard.clone();
                        async move { heard.notified().await }
                    })
                    .secure()
                    .local_addr(address)
                    .keep_alive(idle)
                    .client_request_timeout(request)
                    .client_disconnect_timeout(DISCONNECT)
                    .h1(fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&shared)))));
                let http1 = Rc::new(http1.new_service(()).await?);
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    let (app, http1) = (Rc::clone(&app), Rc::clone(&http1));
                    let (accept, stop) = (acceptor.accept(io), stop.clone());
                    async move {
                        let peer = accept.get_ref().and_then(|io| io.peer_addr().ok());
                        // Strangers that speak no TLS, or break it off, are none of an operator's concern.
                        let Ok(Ok(io)) = timeout(handshake, accept).await else {
                            return Ok::<_, ()>(());
                        };
                        if io.get_ref().1.alpn_protocol() == Some(b"h2") {
                            if let Err(error) = h2::serve(io, peer, app, patience, stop).await {
                                tracing::debug!(%error, "an HTTP/2 connection broke off");
                            }
                        } else if let Err(error) = http1.call((io, peer)).await {
                            tracing::debug!(%error, "an HTTP/1.1 connection over TLS broke off");
                        }
                        Ok(())
                    }
                }))
            }
        })
    })?;
    Ok(server.run())
}
