//! A tenant with one integration, and the requests that it makes.

use serde_json::{Value, json};

use super::{Answer, Conduit, request, wait_for};

/// A controller with an integration and all its credentials.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub did: String,
    pub webhook_secret: String,
    pub token: String,
    pub integration: String,
    pub processor: String,
    pub webhook_auth: String,
}

/// Returns the integration that most tests use.
pub fn shop() -> Value {
    json!({
        "name": "Web shop",
        "defaultRegion": "DE",
        "events": [
            {"name": "account_created", "purpose": "Account registration", "legalBasis": "contract", "fields": [
                {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
                {"path": "phone", "type": "string", "pii": "user.contact.phone_number"},
                {"path": "customer.name", "type": "string", "pii": "user.name"},
                {"path": "items[].sku", "type": "string"}]},
            {"name": "contact", "purpose": "Support", "legalBasis": "legitimate_interests", "fields": [
                {"path": "email", "type": "string", "pii": "user.contact.email"},
                {"path": "phone", "type": "string", "pii": "user.contact.phone_number"},
                {"path": "customerId", "type": "string", "pii": "user.unique_id"},
                {"path": "name", "type": "string", "pii": "user.name"}]},
            {"name": "poison", "fields": [
                {"path": "email", "type": "string", "pii": "user.contact.email"}]},
            {"name": "heartbeat", "fields": [{"path": "host", "type": "string"}]},
            {"name": "unwatched", "dedup": {"windowSeconds": 0}, "fields": [
                {"path": "email", "type": "string", "pii": "user.contact.email"}]},
            {"name": "brief", "dedup": {"windowSeconds": 2}, "fields": [
                {"path": "email", "type": "string", "pii": "user.contact.email"}]}
        ]
    })
}

impl Tenant {
    /// Makes a controller and the shop integration.
    pub fn create(conduit: &Conduit, did: &str) -> Self {
        Self::with(conduit, did, shop())
    }

    /// Makes a controller and this integration.
    pub fn with(conduit: &Conduit, did: &str, integration: Value) -> Self {
        let made = conduit
            .admin("POST", "/api/v1/controllers", Some(json!({"name": did, "did": did})))
            .expect(201);
        let controller = made.json();
        let text = |value: &Value, key: &str| {
            value[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key}: {value}"))
                .to_owned()
        };
        let token = text(&controller, "managementToken");
        let made = conduit
            .call(&token, "POST", "/api/v1/integrations/custom", Some(integration))
            .expect(201)
            .json();
        Self {
            did: did.to_owned(),
            webhook_secret: text(&controller, "webhookSecret"),
            token,
            integration: text(&made, "id"),
            processor: text(&made, "dataProcessorId"),
            webhook_auth: text(&made, "webhookAuth"),
        }
    }

    pub fn webhook_url(&self, conduit: &Conduit) -> String {
        self.webhook_url_at(&conduit.url)
    }

    /// Returns the webhook URL at the address of any node.
    pub fn webhook_url_at(&self, base: &str) -> String {
        format!(
            "{base}/api/v1/integrations/custom/event?did={}&dpid={}",
            self.did, self.processor
        )
    }

    /// Sends a body as it is.
    pub fn try_send(&self, conduit: &Conduit, body: &[u8]) -> Result<Answer, ureq::Error> {
        self.try_send_by(&conduit.client, &self.webhook_url(conduit), body)
    }

    /// Sends an event by another client.
    pub fn try_send_by(&self, client: &ureq::Agent, url: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        let headers = [
            ("authorization", self.webhook_auth.as_str()),
            ("x-webhook-secret", self.webhook_secret.as_str()),
            ("content-type", "application/json"),
        ];
        request(client, "POST", url, &headers, body)
    }

    /// Sends an event that must be accepted; its id.
    pub fn send(&self, conduit: &Conduit, event: &str, fields: Value) -> String {
        let answer = self
            .try_send(conduit, body(event, fields).as_bytes())
            .expect("an answer")
            .expect(200);
        answer.json()["eventId"].as_str().expect("an event id").to_owned()
    }

    /// Sends a request with the controller's token.
    pub fn call(&self, conduit: &Conduit, method: &str, path: &str, body: Option<Value>) -> Answer {
        conduit.call(&self.token, method, path, body)
    }

    /// Waits for an event's outcome; the event.
    pub fn outcome(&self, conduit: &Conduit, event: &str) -> Value {
        wait_for("an event's outcome", || {
            let found = self
                .call(conduit, "GET", &format!("/api/v1/events/{event}"), None)
                .expect(200)
                .json();
            (found["status"] != "received").then_some(found)
        })
    }
}

/// Returns the body of an event.
pub fn body(event: &str, fields: Value) -> String {
    let mut body = json!({"event": event, "triggeredAt": "2026-04-06T10:30:00Z"});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body.to_string()
}

/// Returns the body of an event with this length in bytes.
pub fn body_of(event: &str, length: usize) -> String {
    let filled = |filler: &str| body(event, json!({"filler": filler}));
    filled(&"x".repeat(length - filled("").len()))
}
