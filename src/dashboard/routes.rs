//! The dashboard's addresses.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, get, post};

use super::{
    activities, assets, controllers, credentials, editor, event, events, frame, integration, integrations, live,
    overview, sign_in, subjects, supervision,
};
use crate::http::methods::only as page;
use crate::http::problem::Problem;

/// Adds all routes outside the API. This must be the last configuration.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let scope = web::scope("")
        .wrap(from_fn(frame::around))
        .service(page("/", &[Method::GET]).route(get().to(sign_in::front)))
        .service(page("/assets/{name}", &[Method::GET]).route(get().to(assets::get)))
        .service(
            page("/sign-in", &[Method::GET, Method::POST])
                .route(get().to(sign_in::get))
                .route(post().to(sign_in::post)),
        )
        .service(page("/sign-out", &[Method::POST]).route(post().to(sign_in::sign_out)))
        .service(page("/theme", &[Method::POST]).route(post().to(sign_in::theme)))
        .service(page("/live", &[Method::GET]).route(get().to(live::get)))
        .service(page("/overview", &[Method::GET]).route(get().to(overview::get)))
        .service(page("/events", &[Method::GET]).route(get().to(events::get)))
        .service(page("/events/{id}", &[Method::GET]).route(get().to(event::get)))
        .service(page("/events/{id}/replay", &[Method::POST]).route(post().to(event::replay)))
        .service(page("/integrations", &[Method::GET]).route(get().to(integrations::get)))
        .service(
            page("/integrations/new", &[Method::GET, Method::POST])
                .route(get().to(editor::new))
                .route(post().to(editor::post_new)),
        )
        .service(page("/integrations/{id}", &[Method::GET]).route(get().to(integration::get)))
        .service(
            page("/integrations/{id}/edit", &[Method::GET, Method::POST])
                .route(get().to(editor::edit))
                .route(post().to(editor::post_edit)),
        )
        .service(page("/integrations/{id}/rotate", &[Method::POST]).route(post().to(credentials::rotate_key)))
        .service(page("/integrations/{id}/delete", &[Method::POST]).route(post().to(integration::delete)))
        .service(
            page("/subjects", &[Method::GET, Method::POST])
                .route(get().to(subjects::get))
                .route(post().to(subjects::find)),
        )
        .service(page("/subjects/{did}", &[Method::GET]).route(get().to(subjects::one)))
        .service(page("/activities", &[Method::GET]).route(get().to(activities::get)))
        .service(page("/activities.csv", &[Method::GET]).route(get().to(activities::csv)))
        .service(page("/activities/verify", &[Method::POST]).route(post().to(activities::verify)))
        .service(page("/supervision", &[Method::GET]).route(get().to(supervision::get)))
        .service(
            page("/controllers", &[Method::GET, Method::POST])
                .route(get().to(controllers::list))
                .route(post().to(controllers::create)),
        )
        .service(page("/controllers/{did}", &[Method::GET]).route(get().to(controllers::get)))
        .service(page("/controllers/{did}/rotate", &[Method::POST]).route(post().to(credentials::rotate_secret)))
        .service(page("/controllers/{did}/token", &[Method::POST]).route(post().to(credentials::rotate_token)))
        .service(page("/controllers/{did}/delete", &[Method::POST]).route(post().to(controllers::delete)))
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::no_such_address()) }));
    config.service(scope);
}
