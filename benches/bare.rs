//! The ceiling that the accept path is held against: a handler that reads the same body and answers the same 200.
//! Run by `benches/load`.

#![allow(missing_docs)]

use actix_web::{App, HttpResponse, HttpServer, web};

const ANSWER: &str =
    r#"{"status":"accepted","eventId":"01a20dd9-93ef-71e8-8758-c7c087a1bdf7","receivedAt":"2026-04-06T10:30:00.123Z"}"#;

async fn accept(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(ANSWER)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| App::new().route("/api/v1/integrations/custom/event", web::post().to(accept)))
        .bind(("127.0.0.1", 18081))?
        .run()
        .await
}
