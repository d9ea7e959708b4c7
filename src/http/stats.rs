//! The sums, the shards, the taxonomy.

use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::Journal as _;
use serde::Serialize;
use serde_json::json;

use super::guard::Principal;
use super::paging::{Items, Query};
use super::problem::Problem;
use super::state::App;

/// The sums of one controller's events, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sums {
    pub(crate) accepted: u64,
    pub(crate) processed: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    pub(crate) in_flight: u64,
}

/// `GET /api/v1/stats`
pub(super) async fn stats(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    Ok(HttpResponse::Ok().json(sums(&app, controller).await?))
}

/// One reading of the store gives the four outcomes and the checkpoints that go with them; the journal, read after it,
/// can only be ahead. What lies between is in flight, so the sum is true at every moment.
pub(crate) async fn sums(app: &App, controller: Option<ControllerId>) -> Result<Sums, Problem> {
    let counts = app.store.outcome_counts(controller).await?;
    let mut checkpoints: HashMap<ControllerId, Sequence> = counts.checkpoints.iter().copied().collect();
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
pub(super) async fn supervision(principal: Principal, app: Data<App>) -> Result<HttpResponse, Problem> {
    principal.operator()?;
    Ok(HttpResponse::Ok().json(json!({
        "shards": app.shards.report(),
        "journal": app.journal.report(),
        "oldestInFlightReceivedAt": app.journal.oldest_in_flight(),
        "dedup": app.dedup.place().to_string(),
        "dedupClaims": app.dedup.report().claims,
        "controllers": app.directory.len(),
    })))
}

/// `GET /api/v1/taxonomy`
pub(super) async fn taxonomy(_: Principal, app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(Items::all(app.directory.taxonomy().categories().to_vec()))
}
