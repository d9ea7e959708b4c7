//! `conduit demo`: the main purpose, end to end.
//!
//! Serves with the embedded defaults in its own data directory, sends a small story to itself by the documented
//! webhook, and shows each event's outcome. Then it goes on with a stream of events until it is stopped.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use awc::Client;
use awc::http::Method;
use clap::Args;
use conduit_actors::ids::Timestamp;
use serde_json::{Value, json};

use super::client::{Api, Webhook, member};
use super::output::{self, say_line};
use super::stop::Stop;
use crate::config::Config;
use crate::serve;

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End after the story: 0 if all went as told, 1 if not.
    #[arg(long)]
    exit: bool,
}

/// How long an event may take from its 200 to its outcome.
const PATIENCE: Duration = Duration::from_secs(20);
const DID: &str = "did:web:shop.example";

/// A client of the demo's own server, with all that the story needs.
struct Story {
    client: Client,
    api: Api,
    webhook: Webhook,
}

impl Demo {
    pub(super) async fn run(&self, mut config: Config) -> Result<bool> {
        let scratch = std::env::temp_dir().join(format!("conduit-demo-{}", std::process::id()));
        config.storage.data_dir = scratch.clone();
        config.storage.database_url = String::new();
        config.storage.master_key_file = Default::default();
        config.storage.admin_token = String::new();
        config.server.public_url = String::new();
        // It talks to itself, by an address that no certificate is for.
        config.server.tls_cert = Default::default();
        config.server.tls_key = Default::default();
        let mut stop = Stop::listen()?;
        let told = self.tell(config, &mut stop);
        let result = tokio::task::LocalSet::new().run_until(told).await;
        match std::fs::remove_dir_all(&scratch) {
            // It was stopped before there was anything.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("cannot remove {}", scratch.display()))?,
        }
        result
    }

    /// Runs the demo until its end, or until it is told to stop. Its server is ended then.
    async fn tell(&self, mut config: Config, stop: &mut Stop) -> Result<bool> {
        if std::net::TcpListener::bind(config.server.listen).is_err() {
            say_line!("{} is taken: listening on a free port instead.\n", config.server.listen);
            config.server.listen.set_port(0);
        }
        let started = tokio::select! {
            started = serve::start(config) => started,
            () = stop.came() => return Ok(!self.exit),
        };
        let mut running = match started {
            Err(error) if error.is::<serve::Interrupted>() => return Ok(!self.exit),
            started => started?,
        };
        let result = tokio::select! {
            result = self.present(&mut running) => result,
            () = stop.came() => Ok(!self.exit),
        };
        running.stop().await;
        result
    }

    async fn present(&self, running: &mut serve::Running) -> Result<bool> {
        say_line!("Conduit listens on http://{}\n", running.address);
        let story = Story::begin(running).await?;
        let told = story.tell().await;
        if let Err(error) = &told {
            say_line!("\nThe demo failed: {error:#}");
        }
        // Without a reader there is nothing more to show.
        if self.exit || told.is_err() || output::is_reader_gone() {
            return Ok(told.is_ok());
        }
        story.show_what_next(running.admin_token.expose());
        tokio::select! {
            ended = running.until_signal() => ended?,
            () = story.stream() => {}
        }
        Ok(true)
    }
}

fn mapping() -> Value {
    json!({
        "name": "Web shop",
        "defaultRegion": "DE",
        "events": [
            {"name": "account_created", "purpose": "Account registration", "legalBasis": "contract", "fields": [
                {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
                {"path": "customer.name", "type": "string", "pii": "user.name"}]},
            {"name": "newsletter_subscribed", "purpose": "Newsletter", "legalBasis": "consent", "fields": [
                {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"}]},
            {"name": "support_call", "purpose": "Customer support", "legalBasis": "legitimate_interests", "fields": [
                {"path": "phone", "type": "string", "required": true, "pii": "user.contact.phone_number"},
                {"path": "email", "type": "string", "pii": "user.contact.email"}]},
            {"name": "order_placed", "purpose": "Order fulfilment", "legalBasis": "contract",
             "dedup": {"key": "mapped"}, "fields": [
                {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
                {"path": "shipTo.city", "type": "string", "pii": "user.contact.address.city"},
                {"path": "orderId", "type": "string", "required": true}]}
        ]
    })
}

impl Story {
    async fn begin(running: &serve::Running) -> Result<Self> {
        let operator = Api::new(&format!("http://{}", running.address), running.admin_token.expose());
        let controller = json!({"name": "Shop", "did": DID});
        let controller = operator
            .call(Method::POST, "/api/v1/controllers", Some(&controller))
            .await?;
        let api = operator.with_token(&member(&controller, "managementToken")?);
        let made = api
            .call(Method::POST, "/api/v1/integrations/custom", Some(&mapping()))
            .await?;
        let webhook = Webhook::new(
            &member(&made, "webhookUrl")?,
            &member(&made, "webhookAuth")?,
            &member(&controller, "webhookSecret")?,
        );
        say_line!(
            "A sample controller, {DID}, has one integration, {}.\n",
            member(&made, "name")?
        );
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).finish(),
            api,
            webhook,
        })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.api.call(Method::GET, path, None).await
    }

    async fn send(&self, event: &str, fields: Value) -> Result<String> {
        let mut body = json!({"event": event, "triggeredAt": Timestamp::now()});
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        let request = self.webhook.request(&self.client);
        let mut answer = request
            .send_json(&body)
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let body = answer.body().await?;
        ensure!(
            answer.status().is_success(),
            "{} {}",
            answer.status(),
            String::from_utf8_lossy(&body)
        );
        member(&serde_json::from_slice(&body)?, "eventId")
    }

    async fn outcome(&self, event: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.get(&format!("/api/v1/events/{event}")).await?;
            if found["status"] != "received" {
                return Ok(found);
            }
            ensure!(
                Instant::now() < deadline,
                "event {event} has no outcome after {} seconds",
                PATIENCE.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends one event, waits for its outcome, and shows it.
    async fn show(&self, what: &str, event: &str, fields: Value, expected: &str) -> Result<Value> {
        let id = self.send(event, fields).await?;
        let outcome = self.outcome(&id).await?;
        let status = member(&outcome, "status")?;
        say_line!("  {status:<10} {event:<22} {what}");
        for reason in outcome["reasons"].as_array().into_iter().flatten() {
            say_line!(
                "             {}: {}",
                reason["field"].as_str().unwrap_or(""),
                reason["message"].as_str().unwrap_or("")
            );
        }
        if let Some(first) = outcome["duplicateOf"].as_str() {
            say_line!("             a repeat of {first}");
        }
        ensure!(
            status == expected,
            "{event} should have been {expected}, but is {status}"
        );
        Ok(outcome)
    }

    async fn tell(&self) -> Result<()> {
        say_line!("Its events and their outcomes:\n");
        let ada = json!({"email": "Ada@shop.example", "customer": {"name": "Ada Lovelace"}});
        let by_email = self
            .show(
                "Ada signs up: a new data subject",
                "account_created",
                ada.clone(),
                "processed",
            )
            .await?;
        self.show("the same event again", "account_created", ada, "duplicate")
            .await?;
        self.show(
            "without the e-mail address that the mapping requires",
            "account_created",
            json!({}),
            "rejected",
        )
        .await?;
        let phone = "030 901820";
        let call = json!({"phone": phone});
        let by_phone = self
            .show(
                "somebody calls: another data subject",
                "support_call",
                call,
                "processed",
            )
            .await?;
        ensure!(
            by_email["subject"] != by_phone["subject"],
            "two strangers were taken for one"
        );
        let both = json!({"phone": "+49 30 901820", "email": "ada@shop.example"});
        let merged = self
            .show(
                "Ada calls from that number: the two data subjects are merged",
                "support_call",
                both,
                "processed",
            )
            .await?;
        ensure!(
            merged["subject"] == by_email["subject"],
            "the older subject should have survived the merge"
        );

        let subject = self
            .get(&format!("/api/v1/subjects/{}", member(&merged, "subject")?))
            .await?;
        let merge = &subject["merges"][0];
        let evidence: Vec<&str> = merge["evidence"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        say_line!("\nThe data subject {}", member(&subject, "did")?);
        say_line!(
            "  has {} activities; merged on the evidence of {}.",
            subject["activityCount"],
            evidence.join(" and ")
        );
        ensure!(subject["activityCount"] == 3 && evidence.len() == 2);

        let mut stats = self.get("/api/v1/stats").await?;
        if let Some(stats) = stats.as_object_mut() {
            // Only the totals are printed here, without the limits.
            stats.retain(|_, value| value.is_number());
        }
        say_line!("\nTotals (accepted = processed + duplicate + rejected + failed + in flight):\n  {stats}");
        ensure!(
            stats["accepted"] == 5 && stats["processed"] == 3 && stats["inFlight"] == 0,
            "the totals differ from the story"
        );
        Ok(())
    }

    fn show_what_next(&self, admin_token: &str) {
        say_line!(
            "\nTo watch it, open the dashboard, {}/, and sign in with the operator's token, which shows everything:\n\n  {}\n\n\
             or with the token of the sample controller:\n\n  {}\n\nTo send an event of your own:\n\n  curl -X POST '{}' \\\n    -H 'Authorization: {}' \\\n    -H 'x-webhook-secret: {}' \\\n    \
             -H 'Content-Type: application/json' \\\n    -d '{{\"event\": \"account_created\", \"triggeredAt\": \"{}\", \
             \"email\": \"you@shop.example\"}}'\n\nand see its outcome:\n\n  curl -H 'Authorization: Bearer {}' \
             '{}/api/v1/events?limit=1'\n\nSample events go on arriving. Ctrl-C ends the demo and removes its data.",
            self.api.base(),
            admin_token,
            self.api.token(),
            self.webhook.url(),
            self.webhook.authorization(),
            self.webhook.secret(),
            Timestamp::now(),
            self.api.token(),
            self.api.base(),
        );
    }

    /// Sends a few events a second, of people who come back.
    async fn stream(&self) {
        for number in 0u32.. {
            let person = format!("customer{}@shop.example", number.wrapping_mul(7919) % 500);
            let sent = match number % 3 {
                0 => self.send("account_created", json!({"email": person})).await,
                1 => self.send("newsletter_subscribed", json!({"email": person})).await,
                _ => {
                    let fields = json!({"email": person, "orderId": number.to_string(), "shipTo": {"city": "Berlin"}});
                    self.send("order_placed", fields).await
                }
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "a sample event was not accepted");
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}
