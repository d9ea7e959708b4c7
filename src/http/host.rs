//! The service of a worker's connections, and the time limits of each step of a connection.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{Response, ServiceConfig};
use actix_server::GracefulShutdownSignal;

use super::connections::{Floor, Presence};
use super::problem::Problem;
use crate::config::ServerConfig;

/// Turns the fault of a request, which no handler sees, into its answer.
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

/// The most bytes behind an answer that are discarded. Many clients look for an answer only when they have sent all.
/// Discarding costs no memory.
pub(super) const REMAINDER: usize = 64 << 20;
/// The same, for so long in all.
pub(super) const REMAINDER_TIME: Duration = Duration::from_secs(30);

impl Patience {
    /// Returns how long a connection may be open before its first request.
    pub(super) fn first(&self) -> Duration {
        self.request.max(self.idle)
    }

    pub(super) fn of(config: &ServerConfig) -> Self {
        Self {
            handshake: Duration::from_secs(config.tls_handshake_seconds),
            request: Duration::from_secs(config.request_timeout_seconds),
            idle: Duration::from_secs(config.keep_alive_seconds),
            close: Duration::from_secs(5),
        }
    }
}

/// The service of a worker's connections.
pub(super) struct Host<S> {
    pub(super) service: S,
    pub(super) refuse: Refuse,
    pub(super) patience: Patience,
    /// Knows the date.
    pub(super) clock: ServiceConfig,
    pub(super) stop: GracefulShutdownSignal,
    /// The other connections.
    pub(super) floor: Rc<Floor>,
}

/// The other end of a connection.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) peer: Option<SocketAddr>,
    /// Where requests under way are noted.
    pub(super) presence: Presence,
}
