//! The state that the HTTP edge of a node shares: budgets, counts, and client addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use super::bodies::Bodies;
use super::client;
use super::connections::Connections;
use super::failures::Failures;
use super::refusals::Refusals;
use crate::code::Code;
use crate::config::{Config, ServerConfig};
use crate::metrics::{EdgeReport, Meters};
use crate::receipts::Issue;
use crate::telemetry::Tracer;

/// The state of the HTTP edge.
pub(crate) struct EdgeState {
    /// The configuration of the server.
    pub(crate) server: ServerConfig,
    /// Which events are answered with a receipt.
    pub(super) receipts: Issue,
    /// Request bodies in memory.
    pub(crate) bodies: Arc<Bodies>,
    /// Open connections.
    pub(crate) connections: Arc<Connections>,
    /// Failed authentications, by address.
    pub(super) failures: Failures,
    /// Refused requests, for the log.
    refusals: Refusals,
    meters: Meters,
    /// Makes spans. `None` while tracing is off.
    pub(super) tracer: Option<Arc<Tracer>>,
    /// The header that every answer over TLS has: use TLS only (RFC 6797).
    pub(super) hsts: Option<HeaderValue>,
}

impl EdgeState {
    /// Makes the state of an edge that serves nobody yet.
    pub(crate) fn new(config: &Config, meters: Meters, tracer: Option<Arc<Tracer>>) -> Self {
        let (auth, server) = (&config.auth, &config.server);
        let window = Duration::from_secs(auth.failure_window_seconds);
        let hsts = (server.certificate().is_some() && server.hsts_seconds > 0)
            .then(|| HeaderValue::from_str(&format!("max-age={}", server.hsts_seconds)).ok())
            .flatten();
        Self {
            receipts: config.receipts.issue(),
            bodies: Arc::new(Bodies::new(server.max_in_flight_bytes, server.max_body_bytes)),
            connections: Arc::new(Connections::new(server)),
            failures: Failures::new(auth.max_failures, window, auth.max_tracked_addresses),
            refusals: Refusals::default(),
            meters,
            tracer,
            hsts,
            server: server.clone(),
        }
    }

    /// Returns the address that a request comes from: the peer's, or what trusted proxies say.
    pub(crate) fn client_address(&self, request: &HttpRequest) -> IpAddr {
        let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        let server = &self.server;
        client::address(
            peer,
            request.headers(),
            &server.trusted_proxies,
            server.forwarded_header,
        )
    }

    /// Counts a refused request. Returns whether the refusal is to have a log line of its own.
    pub(crate) fn refused(&self, endpoint: &'static str, code: Code) -> bool {
        self.meters.refused(endpoint, code.as_str());
        self.refusals.count(endpoint, code)
    }

    /// Writes a log line for each code with more refusals than had lines of their own.
    pub(crate) fn sum_up_refusals(&self) {
        self.refusals.sum_up();
    }
}

impl EdgeReport for EdgeState {
    fn body_bytes(&self) -> u64 {
        self.bodies.held() as u64
    }

    fn body_bytes_limit(&self) -> u64 {
        self.bodies.most() as u64
    }

    fn connections(&self) -> u64 {
        self.connections.open() as u64
    }

    fn connections_refused(&self) -> u64 {
        self.connections.refused()
    }

    fn connections_closed(&self) -> u64 {
        self.connections.closed()
    }
}
