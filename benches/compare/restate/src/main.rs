//! The handler service behind Restate: a virtual object for each person, with its links and events in Restate's state.
//!
//! `HANDLER_PORT`, `COUNT_PORT`, `API_KEY`, `WEBHOOK_SECRET` and `LINK_KEY` configure it. A connection to `COUNT_PORT` reads
//! how many invocations have ended.

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(rename = "triggeredAt", with = "time::serde::rfc3339")]
    triggered_at: OffsetDateTime,
    email: String,
    phone: Option<String>,
    customer: Option<Customer>,
}

#[derive(Deserialize)]
struct Customer {
    name: Option<String>,
}

/// An event's row in the state of its person.
#[derive(Serialize)]
struct Row {
    event: String,
    #[serde(with = "time::serde::rfc3339")]
    triggered_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
}

/// The hashes of a person's identifiers, with their categories.
type Links = BTreeMap<String, String>;

struct Person {
    api_key: [u8; 32],
    webhook_secret: [u8; 32],
    link_key: Hmac<Sha256>,
    ended: Arc<AtomicU64>,
}

impl Person {
    /// Checks both credentials in constant time.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let digest = |name| Sha256::digest(headers.get(name).map_or("", String::as_str));
        let key = digest("authorization")[..].ct_eq(&self.api_key);
        let secret = digest("x-webhook-secret")[..].ct_eq(&self.webhook_secret);
        (key & secret).into()
    }

    fn hash(&self, category: &str, value: &str) -> String {
        let mut mac = self.link_key.clone();
        mac.update(category.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn add_links(&self, event: &Event, links: &mut Links) {
        let mut add = |category: &str, value: &str| {
            links.insert(self.hash(category, value), category.to_owned());
        };
        add("email", &event.email.trim().to_lowercase());
        if let Some(phone) = &event.phone {
            add("phone", &phone.replace(|c: char| c != '+' && !c.is_ascii_digit(), ""));
        }
        if let Some(name) = event.customer.as_ref().and_then(|customer| customer.name.as_deref()) {
            add("name", &name.trim().to_lowercase());
        }
    }
}

#[object]
impl Person {
    #[handler]
    async fn record(&self, ctx: ObjectContext<'_>, event: Json<Event>) -> Result<(), HandlerError> {
        if !self.admits(ctx.headers()) {
            return Err(TerminalError::new_with_code(401, "wrong credentials").into());
        }
        let event = event.into_inner();
        if event.event != "account_created" || !event.email.contains('@') {
            return Err(TerminalError::new_with_code(400, "no such event").into());
        }
        let mut links = ctx
            .get::<Json<Links>>("links")
            .await?
            .map(Json::into_inner)
            .unwrap_or_default();
        self.add_links(&event, &mut links);
        ctx.set("links", Json(links));
        let row = Row {
            event: event.event,
            triggered_at: event.triggered_at,
            received_at: OffsetDateTime::now_utc(),
        };
        ctx.set(&format!("event/{}", ctx.invocation_id()), Json(row));
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn port(name: &str) -> Result<u16, Box<dyn std::error::Error>> {
    Ok(env::var(name)?.parse()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let digest = |name| env::var(name).map(|value| Sha256::digest(value).into());
    let ended = Arc::new(AtomicU64::new(0));
    let person = Person {
        api_key: digest("API_KEY")?,
        webhook_secret: digest("WEBHOOK_SECRET")?,
        link_key: Hmac::new_from_slice(env::var("LINK_KEY")?.as_bytes())?,
        ended: Arc::clone(&ended),
    };
    let counter = TcpListener::bind(("127.0.0.1", port("COUNT_PORT")?))?;
    std::thread::spawn(move || {
        for mut reader in counter.incoming().flatten() {
            let _ = writeln!(reader, "{}", ended.load(Ordering::Relaxed));
        }
    });
    let address = ([127, 0, 0, 1], port("HANDLER_PORT")?).into();
    HttpServer::new(Endpoint::builder().bind(person).build())
        .listen_and_serve(address)
        .await;
    Ok(())
}
