//! Probes: whether the process is alive, and whether it may get events.
//!
//! They answer from memory, in a millisecond or less, during every outage. An orchestrator gives a probe a second, and
//! then takes the node out of service.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::Services;
use crate::app::readiness::{Alive, readiness};
use crate::metrics::{MEDIA_TYPE, Metrics};

/// Answers `GET /livez`: the process is alive.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive::new())
}

/// Answers `GET /metrics` in the text format of Prometheus.
pub(crate) async fn metrics(metrics: Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(metrics.text())
}

/// Answers `GET /readyz`. `ready` and `degraded` (200): events are accepted. `unavailable` (503): send them elsewhere.
pub(crate) async fn ready(services: Data<Services>) -> HttpResponse {
    let readiness = readiness(&services);
    let mut response = if readiness.status == "unavailable" {
        HttpResponse::ServiceUnavailable()
    } else {
        HttpResponse::Ok()
    };
    response.json(readiness)
}
