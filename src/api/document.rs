//! The OpenAPI document, and the page that it is read by.

use actix_web::HttpResponse;
use actix_web::web::Data;

/// The page's own style, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document as it is served. Its table of operations has the handlers below, so they take it as data. Both texts are
/// made when the first reader asks.
pub(super) struct Document {
    pub(super) text: fn() -> &'static str,
    pub(super) page: fn() -> &'static str,
}

/// Answers `GET /api/v1/openapi.json`.
pub(super) async fn openapi(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body((document.text)())
}

/// Answers `GET /api/docs`.
pub(super) async fn page(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .body((document.page)())
}

/// Answers `GET /api/docs/style.css`.
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("docs/style.css"))
}
