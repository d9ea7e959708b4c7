//! The dashboard's addresses.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, get, post, resource};
use actix_web::{HttpResponse, Resource};

use super::{assets, event, events, guard, live, overview, sign_in};
use crate::http::problem::Problem;

/// A page that answers other methods with what it allows.
fn page(path: &str, allow: &'static str) -> Resource {
    resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(allow))
    }))
}

/// Everything that is not the API's: to be configured last.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let scope = web::scope("")
        .wrap(from_fn(guard::around))
        .service(page("/", "GET").route(get().to(sign_in::front)))
        .service(page("/assets/{name}", "GET").route(get().to(assets::get)))
        .service(
            page("/sign-in", "GET, POST")
                .route(get().to(sign_in::get))
                .route(post().to(sign_in::post)),
        )
        .service(page("/sign-out", "POST").route(post().to(sign_in::sign_out)))
        .service(page("/theme", "POST").route(post().to(sign_in::theme)))
        .service(page("/live", "GET").route(get().to(live::get)))
        .service(page("/overview", "GET").route(get().to(overview::get)))
        .service(page("/events", "GET").route(get().to(events::get)))
        .service(page("/events/{id}", "GET").route(get().to(event::get)))
        .default_service(web::to(|| async {
            Err::<HttpResponse, _>(Problem::not_found("address"))
        }));
    config.service(scope);
}
