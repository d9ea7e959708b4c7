//! The public keys of receipts.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::Services;
use crate::http::problem::Problem;

/// Answers `GET /.well-known/conduit-receipt-keys.json`: all present and former keys, of all nodes.
pub(super) async fn keys(services: Data<Services>) -> Result<HttpResponse, Problem> {
    let keys = services.receipt_keys.read(&*services.store).await?;
    Ok(HttpResponse::Ok().content_type("application/jwk-set+json").json(keys))
}
