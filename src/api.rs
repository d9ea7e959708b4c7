//! The JSON face: the management API, its document, probes.
//!
//! A handler reads the request, calls a use case of `app`, and writes JSON. [`openapi`] has one table of all operations, each
//! with its handler: routes, `Allow` and the OpenAPI document come from it.

mod activities;
mod controllers;
mod credentials;
mod cursor;
mod docs;
mod document;
mod draft;
mod dry_run;
mod event_list;
mod events;
mod integrations;
mod json;
mod limits;
mod listing;
pub mod openapi;
mod paging;
mod probes;
mod receipts;
mod replays;
mod sent_integration;
mod snippets;
mod stats;
mod subjects;
mod trial;

pub(crate) use integrations::spec_of;
pub(crate) use openapi::routes;
