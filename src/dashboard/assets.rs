//! The style sheet, the script and the icon: built in, each under a name that changes with it.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use aws_lc_rs::digest::{SHA256, digest};
use conduit_actors::hex::Hex;

use crate::http::problem::Problem;

/// One file, with the address that names its content.
pub(super) struct Asset {
    pub(super) address: String,
    media_type: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = digest(&SHA256, bytes);
        let short = Hex(&hash.as_ref()[..8]);
        Self {
            address: format!("/assets/{name}.{short}.{extension}"),
            media_type,
            bytes,
        }
    }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "style",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("assets/style.css"),
    )
});
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("assets/script.js");
    Asset::new("script", "js", "text/javascript; charset=utf-8", bytes)
});
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("assets/icon.svg")));

/// Answers `GET /assets/{name}`.
pub(super) async fn get(name: Path<String>) -> Result<HttpResponse, Problem> {
    let address = format!("/assets/{name}");
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let found = all.into_iter().find(|asset| asset.address == address);
    let asset = found.ok_or_else(Problem::no_such_file)?;
    Ok(HttpResponse::Ok()
        .content_type(asset.media_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.bytes))
}
