//! The sums, the shards, the taxonomy.

use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerId, Sequence, Timestamp};
use conduit_actors::shard::ShardReport;
use schemars::JsonSchema;
use serde::Serialize;

use super::guard::Principal;
use super::limits;
use super::paging::{Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::journal::JournalReport;
use crate::retention::RetentionReport;

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
    /// That the mapping does not fit.
    rejected: u64,
    /// Dead letters.
    failed: u64,
    /// Accepted by this node and not processed yet.
    in_flight: u64,
    /// With `did`: what that controller may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<limits::InForce>,
    /// With `did`: events refused by these limits, by this node since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<limits::Refused>,
}

/// The state of this node's parts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Supervision {
    /// The shards and their actors.
    shards: Vec<ShardReport>,
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
    /// What old rows were deleted.
    retention: RetentionReport,
}

/// `GET /api/v1/stats`
///
/// One reading of the store gives the four outcomes and the checkpoints that go with them; the journal, read after it,
/// can only be ahead. What lies between is in flight, so the sum is true at every moment. With `did`, what that controller
/// may send, and what this node refused of it by these limits since it was started.
pub(crate) async fn stats(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let sums = sums(&app, controller).await?;
    let gate = controller.and_then(|id| app.directory.gate(id));
    Ok(HttpResponse::Ok().json(Stats {
        accepted: sums.accepted,
        processed: sums.processed,
        duplicate: sums.duplicate,
        rejected: sums.rejected,
        failed: sums.failed,
        in_flight: sums.in_flight,
        limits: gate.as_ref().map(|gate| gate.limits().into()),
        refused: gate.as_ref().map(|gate| (&**gate.refused()).into()),
    }))
}

/// The sums of one controller's events, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) accepted: u64,
    pub(crate) processed: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    pub(crate) in_flight: u64,
}

/// Reads them so that they are true at every moment, see [`stats`].
pub(crate) async fn sums(app: &App, controller: Option<ControllerId>) -> Result<Sums, Problem> {
    // A controller's first events have no checkpoint yet. Those that are released while the store is read are in flight at that
    // reading, so their streams must be known before it.
    let waiting = app.journal.backlog();
    let counts = app.store.outcome_counts(controller).await?;
    let mut checkpoints: HashMap<ControllerId, Sequence> = counts.checkpoints.iter().copied().collect();
    for (id, _) in waiting {
        if controller.is_none_or(|wanted| wanted == id) {
            checkpoints.entry(id).or_default();
        }
    }
    let mut in_flight = 0;
    for (id, position) in app.journal.backlog() {
        if controller.is_none_or(|wanted| wanted == id) {
            let checkpoint = checkpoints.remove(&id).unwrap_or_default();
            in_flight += position.last.0.saturating_sub(checkpoint.0);
        }
    }
    // Streams that were released since the store was read have no backlog, but were in flight at that reading.
    for (id, checkpoint) in checkpoints {
        in_flight += app.journal.position(id).last.0.saturating_sub(checkpoint.0);
    }
    let done = counts.processed + counts.duplicate + counts.rejected + counts.failed;
    Ok(Sums {
        accepted: done + in_flight,
        processed: counts.processed,
        duplicate: counts.duplicate,
        rejected: counts.rejected,
        failed: counts.failed,
        in_flight,
    })
}

/// `GET /api/v1/supervision`
pub(crate) async fn supervision(principal: Principal, app: Data<App>) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    Ok(HttpResponse::Ok().json(Supervision {
        shards: app.shards.report(),
        journal: app.journal.report(),
        oldest_in_flight_received_at: app.journal.oldest_in_flight(),
        dedup: app.dedup.description(),
        dedup_claims: app.dedup.report().claims,
        controllers: app.directory.len(),
        retention: app.retention.report(),
    }))
}

/// `GET /api/v1/taxonomy`
pub(crate) async fn taxonomy(_: Principal, app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(Items::all(app.directory.taxonomy().categories().to_vec()))
}
