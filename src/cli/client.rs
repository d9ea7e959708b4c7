//! The clients of the commands: for the management API, and for the webhook that accepts events.

mod api;
mod transport;
mod webhook;

pub(super) use api::{Api, call, member};
pub(super) use transport::{explained, trusting_any, with};
pub(super) use webhook::Webhook;
