//! The sums, the shards, the taxonomy.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::Timestamp;
use conduit_actors::shard::ShardReport;
use schemars::JsonSchema;
use serde::Serialize;

use super::limits;
use super::paging::Items;
use crate::app::admission::{Admission, admission};
use crate::app::configuration::{Configuration, configuration};
use crate::app::{Principal, Services, statistics};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::jobs::retention::RetentionReport;
use crate::journal::JournalReport;

/// Events by what became of them. `accepted` is the sum of the others, at every moment.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    /// Answered 200.
    accepted: u64,
    /// In the audit log.
    processed: u64,
    /// Repeats within the dedup window.
    duplicate: u64,
    /// Events that do not fit their mapping.
    rejected: u64,
    /// Dead letters.
    failed: u64,
    /// Accepted by this node and not processed yet.
    in_flight: u64,
    /// With `did`: the limits of that controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<limits::LimitsInForce>,
    /// With `did`: events refused by these limits, by this node since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<limits::RefusalCounts>,
}

/// The state of this node's parts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Supervision {
    /// The shards and their actors.
    shards: Vec<ShardReport>,
    /// Whether events are accepted at once.
    admission: Admission,
    /// Where events are durable.
    journal: JournalReport,
    /// When the oldest event without outcome was accepted; null: none is in flight.
    oldest_in_flight_received_at: Option<Timestamp>,
    /// Where the dedup windows are.
    dedup: String,
    /// Claims on dedup windows in memory.
    dedup_claims: usize,
    /// Data controllers.
    controllers: usize,
    /// Deleted rows.
    retention: RetentionReport,
    /// The configuration, which follows its file at SIGHUP.
    configuration: Configuration,
}

/// Answers `GET /api/v1/stats`.
///
/// With `did`, the answer has that controller's limits, and how many events this node refused by them since its start.
pub(crate) async fn stats(
    principal: Principal,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let controller = principal.some(&services, query.get("did"))?.map(|(_, id)| id);
    let sums = statistics::sums(&principal, &services, controller).await?;
    let gate = controller.and_then(|id| services.directory.gate(id));
    Ok(HttpResponse::Ok().json(Stats {
        accepted: sums.accepted,
        processed: sums.processed,
        duplicate: sums.duplicate,
        rejected: sums.rejected,
        failed: sums.failed,
        in_flight: sums.in_flight,
        limits: gate.as_ref().map(|gate| gate.limits().into()),
        refused: gate.as_ref().map(|gate| gate.refused().into()),
    }))
}

/// Answers `GET /api/v1/supervision`.
pub(crate) async fn supervision(principal: Principal, services: Data<Services>) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    Ok(HttpResponse::Ok().json(Supervision {
        shards: services.shards.report(),
        admission: admission(&principal, &services)?,
        journal: services.journal.report(),
        oldest_in_flight_received_at: services.journal.oldest_in_flight(),
        dedup: services.dedup.description(),
        dedup_claims: services.dedup.report().claims,
        controllers: services.directory.len(),
        retention: services.retention.report(),
        configuration: configuration(&principal, &services)?,
    }))
}

/// Answers `GET /api/v1/taxonomy`.
pub(crate) async fn taxonomy(_: Principal, services: Data<Services>) -> HttpResponse {
    HttpResponse::Ok().json(Items::all(services.directory.taxonomy().categories().to_vec()))
}
