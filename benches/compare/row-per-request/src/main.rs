//! A receiver without a queue: each request is one transaction of PostgreSQL, and 200 is its commit.
//!
//! `DATABASE_URL`, `PORT`, `API_KEY`, `WEBHOOK_SECRET` and `LINK_KEY` configure it.

use std::env;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, post};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORD: &str = include_str!("../record.sql");

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

struct Shop {
    pool: PgPool,
    api_key: [u8; 32],
    webhook_secret: [u8; 32],
    link_key: Hmac<Sha256>,
}

impl Shop {
    /// Checks both credentials in constant time.
    fn admits(&self, request: &HttpRequest) -> bool {
        let digest = |name| Sha256::digest(request.headers().get(name).map_or(&b""[..], |value| value.as_bytes()));
        let key = digest("authorization")[..].ct_eq(&self.api_key);
        let secret = digest("x-webhook-secret")[..].ct_eq(&self.webhook_secret);
        (key & secret).into()
    }

    fn hash(&self, category: &str, value: &str) -> Vec<u8> {
        let mut mac = self.link_key.clone();
        mac.update(category.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn links(&self, event: &Event) -> (Vec<Vec<u8>>, Vec<&'static str>) {
        let (mut hashes, mut categories) = (Vec::new(), Vec::new());
        let mut add = |category: &'static str, value: &str| {
            hashes.push(self.hash(category, value));
            categories.push(category);
        };
        add("email", &event.email.trim().to_lowercase());
        if let Some(phone) = &event.phone {
            add("phone", &phone.replace(|c: char| c != '+' && !c.is_ascii_digit(), ""));
        }
        if let Some(name) = event.customer.as_ref().and_then(|customer| customer.name.as_deref()) {
            add("name", &name.trim().to_lowercase());
        }
        (hashes, categories)
    }
}

#[post("/events")]
async fn receive(request: HttpRequest, body: Bytes, shop: Data<Shop>) -> HttpResponse {
    if !shop.admits(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let event: Event = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => return HttpResponse::BadRequest().body(error.to_string()),
    };
    if event.event != "account_created" || !event.email.contains('@') {
        return HttpResponse::BadRequest().finish();
    }
    let id = Uuid::now_v7();
    let (hashes, categories) = shop.links(&event);
    let recorded = sqlx::query(RECORD)
        .bind(id)
        .bind(hashes)
        .bind(categories)
        .bind(Uuid::new_v4())
        .bind(event.event)
        .bind(event.triggered_at)
        .bind(&Sha256::digest(&body)[..])
        .execute(&shop.pool)
        .await;
    match recorded {
        Ok(_) => HttpResponse::Ok()
            .content_type("application/json")
            .body(format!(r#"{{"id":"{id}"}}"#)),
        Err(error) => {
            eprintln!("{error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let digest = |name| env::var(name).map(|value| Sha256::digest(value).into());
    // More or fewer were slower on two cores.
    let connections = 32;
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .test_before_acquire(false)
        .connect(&env::var("DATABASE_URL")?)
        .await?;
    let shop = Data::new(Shop {
        pool,
        api_key: digest("API_KEY")?,
        webhook_secret: digest("WEBHOOK_SECRET")?,
        link_key: Hmac::new_from_slice(env::var("LINK_KEY")?.as_bytes())?,
    });
    let server = HttpServer::new(move || App::new().app_data(shop.clone()).service(receive));
    server.bind(("127.0.0.1", env::var("PORT")?.parse()?))?.run().await?;
    Ok(())
}
