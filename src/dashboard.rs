//! The dashboard: pages rendered on the server, at `/`.
//!
//! A page calls the use cases of `app`, as the management API does, with the same [`Principal`](crate::app::Principal).
//! A session shows exactly the data that its token may see. Everything works without JavaScript except live updates.
//! The one script refreshes marked regions, and shows times in the reader's zone.
//!
//! - [`session`]: sealed cookies, which every node accepts
//! - [`guard`]: the session of a request, the headers of every answer, errors as pages
//! - [`forms`]: posted forms, their length, and the protection of changes
//! - [`page`]: the frame around each page, and shared words and pictures
//! - one file for each page, with its template in `templates/`

mod activities;
mod assets;
mod attention;
mod away;
mod chart;
mod confirmation;
mod controllers;
mod credentials;
mod editor;
mod ended;
mod event;
mod events;
mod fields;
mod filters;
mod forms;
mod frame;
mod guard;
mod integration;
mod integrations;
mod live;
mod overview;
mod page;
mod routes;
mod session;
mod sign_in;
mod sign_in_page;
mod state;
mod subjects;
mod supervision;
mod words;

pub(crate) use routes::routes;
pub(crate) use state::State;
