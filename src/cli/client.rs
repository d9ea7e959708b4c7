//! The clients of the commands: of the management API, and of the webhook that takes events.

mod api;
mod transport;
mod webhook;

pub(super) use api::{Api, call, member};
pub(super) use transport::{explained, trusting_any, with};
pub(super) use webhook::Webhook;
