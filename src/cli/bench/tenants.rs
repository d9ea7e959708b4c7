//! The controllers that events are sent to, each with one integration, created before anything is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use awc::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::client::{Api, Webhook, member};
use super::super::output::complain;
use super::interrupt;

/// Calls under way at a time.
const AT_A_TIME: usize = 32;

/// The path of webhook URLs.
pub(super) const MARKER: &str = "/api/v1/integrations/custom/event";

/// From this number on, the creation takes long enough to say so.
const MANY: usize = 1_000;

/// Creates controllers at a server with the operator's token. Returns their webhooks.
///
/// # Errors
/// The server refuses one, or an interrupt came.
pub(super) fn create(base: &str, operator: &str, count: usize, tell: bool) -> Result<Arc<[Webhook]>> {
    if tell && count >= MANY {
        complain!("creating {count} controllers");
    }
    let (next, tell) = (AtomicUsize::new(0), tell && count >= MANY);
    let webhooks = actix_web::rt::System::new().block_on(async {
        let api = Api::new(base, operator);
        let parts = join_all((0..AT_A_TIME.min(count)).map(|_| some(&api, &next, count, tell))).await;
        parts.into_iter().collect::<Result<Vec<_>>>()
    })?;
    anyhow::ensure!(!interrupt::came(), "interrupted");
    Ok(webhooks.into_iter().flatten().collect())
}

async fn some(api: &Api, next: &AtomicUsize, count: usize, tell: bool) -> Result<Vec<Webhook>> {
    let mut made = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count || interrupt::came() {
            return Ok(made);
        }
        if tell && number > 0 && number.is_multiple_of(10_000) {
            complain!("{number} of {count} controllers are there");
        }
        made.push(one(api).await?);
    }
}

async fn one(api: &Api) -> Result<Webhook> {
    let did = format!("did:web:bench-{}.example", Uuid::now_v7());
    let body = json!({"name": "Bench", "did": did});
    let controller = api.call(Method::POST, "/api/v1/controllers", Some(&body)).await?;
    let owner = api.with_token(&member(&controller, "managementToken")?);
    let path = "/api/v1/integrations/custom";
    let integration = owner.call(Method::POST, path, Some(&mapping())).await?;
    Ok(Webhook::new(
        &at(api.base(), &member(&integration, "webhookUrl")?)?,
        &member(&integration, "webhookAuth")?,
        &member(&controller, "webhookSecret")?,
    ))
}

/// Returns a webhook URL at the address that the load is for, which may differ from the public one.
fn at(base: &str, webhook_url: &str) -> Result<String> {
    let place = webhook_url
        .find(MARKER)
        .context("the answer has no webhookUrl of an event endpoint")?;
    Ok(format!("{base}{}", &webhook_url[place..]))
}

/// Returns a mapping of two strong identifiers and a name. The order number is part of the dedup key, so that each
/// event claims a window.
fn mapping() -> Value {
    json!({"name": "Bench", "events": [{
        "name": "account_created", "purpose": "Load", "legalBasis": "contract", "dedup": {"key": "mapped"}, "fields": [
            {"path": "email", "required": true, "pii": "user.contact.email"},
            {"path": "phone", "pii": "user.contact.phone_number"},
            {"path": "customer.name", "pii": "user.name"},
            {"path": "order"}]}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_to_the_address_of_the_load() {
        let public = format!("https://public.example/base{MARKER}?did=d&dpid=p");
        let url = at("http://127.0.0.1:8080", &public).unwrap();
        assert_eq!(url, format!("http://127.0.0.1:8080{MARKER}?did=d&dpid=p"));
        assert!(at("http://h", "http://h/other").is_err());
    }
}
