//! The use cases: the actions of Conduit for a principal, for every face.
//!
//! A use case takes the [`Principal`] first and checks it itself; no face decides who may do what. Use cases know the
//! [`Services`] of a running node, and nothing of HTTP: both faces (`api`, `dashboard`) import this module, and this
//! module imports neither. An [`Error`] says why a use case failed; each face words it once.

pub(crate) mod activities;
pub(crate) mod admission;
pub(crate) mod attention;
pub(crate) mod configuration;
pub(crate) mod controllers;
pub(crate) mod credentials;
pub(crate) mod drafts;
pub(crate) mod dry_runs;
mod error;
pub(crate) mod events;
pub(crate) mod identifier;
pub(crate) mod integrations;
pub(crate) mod limits;
mod list;
mod principal;
mod quota;
pub(crate) mod readiness;
pub(crate) mod replays;
mod services;
pub(crate) mod statistics;
pub(crate) mod subjects;
pub(crate) mod trials;

pub(crate) use configuration::ConfigurationState;
pub(crate) use error::{Error, Noun, Refusal};
pub(crate) use list::{List, Record};
pub(crate) use principal::Principal;
pub(crate) use quota::Turns;
pub(crate) use readiness::DatabaseState;
pub(crate) use services::Services;
