//! The controllers of all histories and what their events mean.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId};
use conduit_actors::ingest::Head;
use conduit_actors::links::{LinkKey, MasterKey};
use conduit_actors::mapping::{DedupDefaults, Mapping};
use conduit_actors::personal::{Personal, Secret};
use conduit_actors::ports::{Controller, Credential, Directory, Integration};
use conduit_actors::shard::shard_of;
use conduit_actors::taxonomy::Taxonomy;
use serde_json::{Value, json};
use uuid::Uuid;

/// Controllers that a history can have.
pub const MOST: usize = 6;
/// The dedup window of the events that have one.
pub const WINDOW_MS: i64 = 60_000;

const API_KEY: &str = "the API key of every integration";
const WEBHOOK_SECRET: &str = "the webhook secret of every controller";

static TENANTS: LazyLock<Arc<Tenants>> = LazyLock::new(|| Arc::new(Tenants::new()));

/// The stage that a poison event brings down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    Extractor,
    Resolver,
    Logger,
    /// The store refuses it.
    Store,
}

/// The content of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names a person by an e-mail address, and perhaps by a customer number. Repeats are dropped.
    Signup { email: u8, customer: Option<u8> },
    /// Names a person by an e-mail address. Repeats are processed.
    View { email: u8 },
    /// Lacks a required field.
    Broken,
    /// Has a type that the mapping does not know.
    Unknown,
    /// Fails each time, until it is cured.
    Poison(Poison),
}

impl Kind {
    /// Returns the body of an event of this kind. `number` tells events apart.
    pub fn body(self, number: usize) -> Bytes {
        let mut body = json!({"n": number, "triggeredAt": "2020-01-01T00:00:00Z", "event": self.event_type()});
        let email = match self {
            Self::Signup { email, .. } | Self::View { email } => Some(format!("ada.lovelace{email}@kontor-nord.de")),
            Self::Poison(_) => Some(format!("grace.hopper{number}@kontor-nord.de")),
            Self::Broken | Self::Unknown => None,
        };
        body["email"] = email.map_or(Value::Null, Value::from);
        if let Self::Signup {
            customer: Some(customer),
            ..
        } = self
        {
            body["customer"] = format!("KD-48{customer}-7741").into();
        }
        Bytes::from(body.to_string())
    }

    const fn event_type(self) -> &'static str {
        match self {
            Self::Signup { .. } | Self::Broken => "signup",
            Self::View { .. } => "view",
            Self::Unknown => "unheard_of",
            // The fail point of the extractor asks for this type.
            Self::Poison(Poison::Extractor) => "poison",
            Self::Poison(_) => "bait",
        }
    }
}

/// The directory, which is the same in all histories.
pub struct Tenants {
    integrations: Vec<Arc<Integration>>,
}

impl Tenants {
    pub fn shared() -> Arc<Self> {
        Arc::clone(&TENANTS)
    }

    fn new() -> Self {
        let fields = json!([
            {"path": "email", "pii": "user.contact.email", "required": true},
            {"path": "customer", "pii": "user.unique_id"},
        ]);
        let event = |name, seconds| json!({"name": name, "fields": fields, "dedup": {"windowSeconds": seconds}});
        let window = WINDOW_MS / 1000;
        let events = [
            event("signup", window),
            event("view", 0),
            event("poison", window),
            event("bait", window),
        ];
        let spec = serde_json::from_value(json!({"name": "n", "events": events})).unwrap();
        let defaults = DedupDefaults { window_seconds: 60 };
        let mapping = Mapping::compile(&spec, &Arc::new(Taxonomy::bundled()), defaults).unwrap();
        let mapping = Arc::new(mapping);
        let integrations = (0..MOST).map(|index| integration(index, &mapping)).collect();
        Self { integrations }
    }

    pub fn id(&self, index: usize) -> ControllerId {
        self.integrations[index].controller.id
    }

    /// Returns the place of a controller, for reports.
    pub fn index(&self, controller: ControllerId) -> usize {
        let found = self.integrations.iter().position(|own| own.controller.id == controller);
        found.expect("only these controllers exist")
    }

    /// Returns the shard of a controller, of so many.
    pub fn shard(&self, controller: ControllerId, shards: usize) -> usize {
        let controller = &self.integrations[self.index(controller)].controller;
        shard_of(&controller.did, shards)
    }

    /// Returns the head of a request of this controller.
    pub fn head(&self, index: usize) -> Head {
        let integration = &self.integrations[index];
        Head {
            did: integration.controller.did.clone(),
            processor: integration.processor.clone(),
            api_key: Secret::new(API_KEY.to_owned()),
            webhook_secret: Secret::new(WEBHOOK_SECRET.to_owned()),
            client: Personal::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        }
    }
}

fn integration(index: usize, mapping: &Arc<Mapping>) -> Arc<Integration> {
    let number = index as u128;
    let id = ControllerId::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0000 + number));
    let credential = |text: &str| Credential {
        current: Secret::new(text.to_owned()).hash(),
        previous: None,
    };
    let controller = Controller {
        id,
        did: format!("did:web:shop{index}.example").parse().unwrap(),
        webhook_secret: credential(WEBHOOK_SECRET),
        link_key: LinkKey::derive(&MasterKey::new([7; 32]), id, 1),
        gate: None,
    };
    Arc::new(Integration {
        id: IntegrationId::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_1000 + number)),
        controller: Arc::new(controller),
        processor: "shop".parse().unwrap(),
        api_key: credential(API_KEY),
        mapping: Arc::clone(mapping),
        version: 1,
    })
}

impl Directory for Tenants {
    fn is_reliable(&self) -> bool {
        true
    }

    fn by_url(&self, did: &ControllerDid, processor: &ProcessorId) -> Option<Arc<Integration>> {
        let mut all = self.integrations.iter();
        all.find(|own| own.controller.did == *did && own.processor == *processor)
            .cloned()
    }

    fn by_id(&self, integration: IntegrationId) -> Option<Arc<Integration>> {
        self.integrations.iter().find(|own| own.id == integration).cloned()
    }

    fn controller(&self, controller: ControllerId) -> Option<Arc<Controller>> {
        let found = self.integrations.iter().find(|own| own.controller.id == controller)?;
        Some(Arc::clone(&found.controller))
    }
}
