//! Credentials: shown once, when they are made, with a request that is ready to be sent.

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use conduit_actors::hex::Hex;
use conduit_actors::ids::{ControllerDid, Timestamp};
use conduit_actors::mapping::{FieldSpec, FieldType, IntegrationSpec, Path, PathStep};
use conduit_actors::personal::CredentialHash;
use conduit_actors::personal::Secret;
use conduit_actors::ports::Credential;
use conduit_actors::taxonomy::Taxonomy;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use super::filters::{self, Phrase};
use super::forms::{OperatorForm, SessionForm};
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Icon, Time};
use crate::app::Services;
use crate::app::controllers::{self, GracePeriod, NewController};
use crate::app::integrations;
use crate::code::Code;
use crate::http::problem::Problem;
use crate::snippets::event_text;
use crate::store::IntegrationRow;

struct NewSecret {
    id: &'static str,
    word: &'static str,
    value: String,
    hint: &'static str,
}

#[derive(Template)]
#[template(path = "credentials.html")]
struct Page {
    shell: Shell,
    heading: Phrase,
    said: String,
    secrets: Vec<NewSecret>,
    until: Option<Time>,
    /// The webhook URL and a request to it.
    curl: Option<String>,
    next: String,
    next_word: &'static str,
}

/// Shows the credentials of a new integration.
pub(super) fn onboarded(
    services: &Services,
    request: &HttpRequest,
    session: &Session,
    did: &ControllerDid,
    row: &IntegrationRow,
    key: &Secret,
) -> Result<HttpResponse, Problem> {
    page::render(&Page {
        shell: Shell::new(request, session, Section::Integrations, "Credentials"),
        heading: Phrase::default().name(&row.spec.name).words(" is ready"),
        said: "It accepts events from now on.".to_owned(),
        secrets: vec![
            NewSecret {
                id: "url",
                word: "Webhook URL",
                value: integrations::webhook_url(services, did, row),
                hint: "Send events to this address.",
            },
            NewSecret {
                id: "api-key",
                word: "Authorization header",
                value: format!("Bearer {}", key.expose()),
                hint: "The API key of this integration. It is shown only now.",
            },
        ],
        until: None,
        curl: Some(curl(services, did, row, &format!("Bearer {}", key.expose()))),
        next: format!("/integrations/{}", row.id),
        next_word: "Go to the integration",
    })
}

/// Shows the credentials of a new controller, this once.
pub(super) fn controller_created(
    request: &HttpRequest,
    session: &Session,
    new: &NewController,
) -> Result<HttpResponse, Problem> {
    page::render(&Page {
        shell: Shell::new(request, session, Section::Controllers, "Credentials"),
        heading: Phrase::default().name(&new.row.name).words(" is ready"),
        said: "Give these credentials to the people who manage the controller. Every event of its integrations carries the webhook secret."
            .to_owned(),
        secrets: vec![
            NewSecret {
                id: "did",
                word: "DID",
                value: new.row.did.to_string(),
                hint: "The worldwide identifier of the controller.",
            },
            NewSecret {
                id: "webhook-secret",
                word: "Webhook secret",
                value: new.webhook_secret.expose().to_owned(),
                hint: "For the header x-webhook-secret. It is shown only now.",
            },
            NewSecret {
                id: "management-token",
                word: "Management token",
                value: new.management_token.expose().to_owned(),
                hint: "For signing in here, and for managing this controller through the API. It is shown only now.",
            },
        ],
        until: None,
        curl: None,
        next: format!("/integrations/new?did={}", new.row.did),
        next_word: "Add the first integration",
    })
}

/// Returns a request that is ready to send, except for the secrets.
pub(super) fn curl(services: &Services, did: &ControllerDid, row: &IntegrationRow, authorization: &str) -> String {
    let body = sample(&row.spec, services.directory.taxonomy()).replace('\'', "'\\''");
    format!(
        "curl '{}' \\\n  -H 'Authorization: {authorization}' \\\n  -H \"x-webhook-secret: $WEBHOOK_SECRET\" \\\n  \
         -H 'Content-Type: application/json' \\\n  -d '{body}'",
        integrations::webhook_url(services, did, row).replace('\'', "%27"),
    )
}

/// Returns an event of the mapping's first type, with values of nobody.
pub(super) fn sample(spec: &IntegrationSpec, taxonomy: &Taxonomy) -> String {
    let event = spec.events.first();
    let mut root = Value::Object(Map::new());
    for field in event.into_iter().flat_map(|event| &event.fields) {
        if let Ok(path) = Path::parse(&field.path) {
            put(&mut root, path.steps(), example(field, taxonomy));
        }
    }
    root["event"] = json!(event.map_or("", |event| event.name.as_str()));
    root["triggeredAt"] = json!(Timestamp::now());
    // Written so that nothing in it hides, or turns what stands around it.
    event_text(&root)
}

fn example(field: &FieldSpec, taxonomy: &Taxonomy) -> Value {
    let category = field.pii.as_deref().and_then(|key| taxonomy.get(key));
    match field.field_type {
        FieldType::String => json!(category.map_or("text", |category| category.normalise.example())),
        FieldType::Integer => json!(12_345),
        FieldType::Number => json!(12.5),
        FieldType::Boolean => json!(true),
        FieldType::Timestamp => json!("1990-12-10T00:00:00Z"),
    }
}

/// Puts a value at the end of a path, and creates missing objects on the way.
fn put(at: &mut Value, steps: &[PathStep], value: Value) {
    match steps {
        [] if at.is_null() => *at = value,
        [] => {}
        [PathStep::Name(name), rest @ ..] => {
            if at.is_null() {
                *at = json!({});
            }
            if let Value::Object(members) = at {
                put(members.entry(&**name).or_insert(Value::Null), rest, value);
            }
        }
        [PathStep::Each, rest @ ..] => {
            if at.is_null() {
                *at = json!([null]);
            }
            if let Some(first) = at.get_mut(0) {
                put(first, rest, value);
            }
        }
    }
}

/// Names the state of a credential, so that a form that is sent twice rotates it once.
pub(super) fn state(current: &CredentialHash) -> String {
    let hash = digest(&SHA256, current.as_bytes());
    Hex(&hash.as_ref()[..8]).to_string()
}

/// Fails if the form was made for another credential than the present one.
fn still(posted: &SessionForm, current: &CredentialHash) -> Result<(), Problem> {
    let is_current = state(current)
        .as_bytes()
        .ct_eq(posted.fields.get("state").unwrap_or_default().as_bytes());
    if !bool::from(is_current) {
        let detail = "it was rotated meanwhile, perhaps by this form itself: the credential before it is not touched again. \
                      Go back and load the page again if you want another one";
        return Err(Problem::conflict(Code::RotatedMeanwhile, detail));
    }
    Ok(())
}

fn grace(posted: &SessionForm, credential: &Credential) -> Result<GracePeriod, Problem> {
    still(posted, &credential.current)?;
    let grace = posted.fields.text("grace").and_then(|text| text.parse().ok());
    let invalid = || Problem::bad_request(Code::GracePeriodInvalid, "choose how long the old one stays valid");
    Ok(GracePeriod::of(Some(grace.ok_or_else(invalid)?))?)
}

/// Answers `POST /integrations/{id}/rotate`.
pub(super) async fn rotate_key(
    posted: SessionForm,
    services: Data<Services>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&posted.session.principal, &services, &id).await?;
    let grace = grace(&posted, &row.api_key)?;
    let (key, until) = integrations::rotate_key(&posted.session.principal, &services, (&did, &row), grace).await?;
    let value = format!("Bearer {}", key.expose());
    page::render(&Page {
        shell: Shell::new(&request, &posted.session, Section::Integrations, "New API key"),
        heading: Phrase::new("A new API key for ").name(&row.spec.name),
        said: "Move the senders to the new key.".to_owned(),
        curl: Some(curl(&services, &did, &row, &value)),
        secrets: vec![NewSecret {
            id: "api-key",
            word: "Authorization header",
            value,
            hint: "It is shown only now.",
        }],
        until: Some(Time(until)),
        next: format!("/integrations/{}", row.id),
        next_word: "Back to the integration",
    })
}

/// Answers `POST /controllers/{did}/rotate`.
pub(super) async fn rotate_secret(
    posted: SessionForm,
    services: Data<Services>,
    did: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&posted.session.principal, &services, &did).await?;
    let grace = grace(&posted, &row.webhook_secret)?;
    let (secret, until) = controllers::rotate_secret(&posted.session.principal, &services, &row, grace).await?;
    page::render(&Page {
        shell: Shell::new(&request, &posted.session, Section::Controllers, "New webhook secret"),
        heading: Phrase::new("A new webhook secret for ").name(&row.name),
        said: "Every integration of this controller sends it. Move all of them to the new secret.".to_owned(),
        secrets: vec![NewSecret {
            id: "webhook-secret",
            word: "Webhook secret",
            value: secret.expose().to_owned(),
            hint: "For the header x-webhook-secret. It is shown only now.",
        }],
        until: Some(Time(until)),
        curl: None,
        next: format!("/controllers/{}", page::segment(row.did.as_str())),
        next_word: "Back to the controller",
    })
}

/// Answers `POST /controllers/{did}/token`, for the operator.
pub(super) async fn rotate_token(
    OperatorForm(posted): OperatorForm,
    services: Data<Services>,
    did: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = controllers::load(&posted.session.principal, &services, &did).await?;
    still(&posted, &row.management_token)?;
    let token = controllers::rotate_token(&posted.session.principal, &services, &row).await?;
    page::render(&Page {
        shell: Shell::new(&request, &posted.session, Section::Controllers, "New management token"),
        heading: Phrase::new("A new management token for ").name(&row.name),
        said: "The old token and its sessions have ended.".to_owned(),
        secrets: vec![NewSecret {
            id: "management-token",
            word: "Management token",
            value: token.expose().to_owned(),
            hint: "For signing in here, and for managing this controller through the API. It is shown only now.",
        }],
        until: None,
        curl: None,
        next: format!("/controllers/{}", page::segment(row.did.as_str())),
        next_word: "Back to the controller",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_every_mapped_field_at_its_place() {
        let spec: IntegrationSpec = serde_json::from_value(json!({"name": "n", "events": [{"name": "order", "fields": [
            {"path": "customer.email", "pii": "user.contact.email"}, {"path": "customer.age", "type": "integer"},
            {"path": "items[].sku"}, {"path": "items[].price", "type": "number"}, {"path": "grid[][].x", "type": "boolean"},
            {"path": "customer"}, {"path": "customer.email.deeper"}, {"path": "[\"user.email\"][]"}]}]}))
        .unwrap();
        let sample: Value = serde_json::from_str(&sample(&spec, &Taxonomy::bundled())).unwrap();
        assert_eq!(sample["event"], "order");
        assert_eq!(sample["customer"], json!({"email": "ada@shop.example", "age": 12_345}));
        assert_eq!(sample["items"], json!([{"sku": "text", "price": 12.5}]));
        assert_eq!(sample["grid"], json!([[{"x": true}]]));
        assert_eq!(sample["user.email"], json!(["text"]));
    }
}
