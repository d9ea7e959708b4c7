//! The dashboard: pages made on the server, at `/`.
//!
//! A page calls the use cases of `app`, as the management API does, with the same [`Principal`](crate::app::Principal): a
//! session shows exactly what its token would show, and nothing of another tenant. Everything works without JavaScript but what is live: the one script refreshes what is marked so, and
//! shows times in the reader's zone.
//!
//! - [`session`]: sealed cookies, which any node takes
//! - [`guard`]: who asks, the headers of every answer, errors as pages
//! - [`forms`]: what is posted, how long it may be, and whether a change is meant
//! - [`page`]: the frame around each page, and the words and pictures that they share
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
mod guard;
mod integration;
mod integrations;
mod live;
mod overview;
mod page;
mod routes;
mod session;
mod sign_in;
mod state;
mod subjects;
mod supervision;
mod words;

pub(crate) use routes::routes;
pub(crate) use state::State;
