//! Receipts: who gets one, and the public keys to verify them by.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;

use super::problem::Problem;
use super::state::App;
use crate::receipts::Issue;

/// `GET /.well-known/conduit-receipt-keys.json`: every key there ever was, of all nodes.
pub(super) async fn keys(app: Data<App>) -> Result<HttpResponse, Problem> {
    let keys = app.receipt_keys.read(&*app.store).await?;
    Ok(HttpResponse::Ok().content_type("application/jwk-set+json").json(keys))
}

/// Whether the answer to this request is to carry a receipt.
pub(super) fn is_wanted(app: &App, headers: &HeaderMap) -> bool {
    match app.config.receipts.issue() {
        Issue::Never => false,
        Issue::Always => true,
        Issue::OnRequest => headers.get_all("prefer").any(|value| prefers(value.as_bytes())),
    }
}

/// Whether a value of Prefer (RFC 7240) has the token `receipt`.
fn prefers(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|preference| {
        let name = preference.split(|byte| b";=".contains(byte)).next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"receipt")
    })
}

#[cfg(test)]
mod tests {
    use super::prefers;

    #[test]
    fn the_preference_is_found_among_others() {
        for yes in ["receipt", "Receipt", "respond-async, receipt", " receipt ; x=1,wait=2"] {
            assert!(prefers(yes.as_bytes()), "{yes}");
        }
        for no in ["", "receipts", "wait=receipt", "return=minimal"] {
            assert!(!prefers(no.as_bytes()), "{no}");
        }
    }
}
