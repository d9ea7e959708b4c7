//! The dashboard's addresses.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, get, post, resource};
use actix_web::{HttpResponse, Resource};

use super::{
    activities, assets, controllers, credentials, editor, event, events, guard, integration, integrations, live,
    overview, sign_in, subjects, supervision,
};
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
        .service(page("/events/{id}/replay", "POST").route(post().to(event::replay)))
        .service(page("/integrations", "GET").route(get().to(integrations::get)))
        .service(
            page("/integrations/new", "GET, POST")
                .route(get().to(editor::new))
                .route(post().to(editor::post_new)),
        )
        .service(page("/integrations/{id}", "GET").route(get().to(integration::get)))
        .service(
            page("/integrations/{id}/edit", "GET, POST")
                .route(get().to(editor::edit))
                .route(post().to(editor::post_edit)),
        )
        .service(page("/integrations/{id}/rotate", "POST").route(post().to(credentials::rotate_key)))
        .service(page("/integrations/{id}/delete", "POST").route(post().to(integration::delete)))
        .service(
            page("/subjects", "GET, POST")
                .route(get().to(subjects::get))
                .route(post().to(subjects::find)),
        )
        .service(page("/subjects/{did}", "GET").route(get().to(subjects::one)))
        .service(page("/activities", "GET").route(get().to(activities::get)))
        .service(page("/activities.csv", "GET").route(get().to(activities::csv)))
        .service(page("/activities/verify", "POST").route(post().to(activities::verify)))
        .service(page("/supervision", "GET").route(get().to(supervision::get)))
        .service(
            page("/controllers", "GET, POST")
                .route(get().to(controllers::list))
                .route(post().to(controllers::create)),
        )
        .service(page("/controllers/{did}", "GET").route(get().to(controllers::get)))
        .service(page("/controllers/{did}/rotate", "POST").route(post().to(credentials::rotate_secret)))
        .service(page("/controllers/{did}/token", "POST").route(post().to(credentials::rotate_token)))
        .service(page("/controllers/{did}/delete", "POST").route(post().to(controllers::delete)))
        .default_service(web::to(|| async {
            Err::<HttpResponse, _>(Problem::not_found("address"))
        }));
    config.service(scope);
}
