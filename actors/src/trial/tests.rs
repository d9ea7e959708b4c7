use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dry_run::Resolution;
use crate::event::{AcceptedEvent, MappedDigest};
use crate::event::{LinkHash, Status};
use crate::ids::{ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use crate::links::{LinkKey, MasterKey};
use crate::mapping::{DedupDefaults, Mapping};
use crate::personal::{Personal, Secret};
use crate::ports::{BatchEffects, Controller, Credential, RetiredLink};
use crate::taxonomy::Taxonomy;

/// A store that knows these links, and takes nothing.
struct Knows(Vec<KnownLink>);

#[async_trait]
impl PipelineStore for Knows {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        _: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        let mut found = Vec::new();
        for (controller, hashes) in asked {
            let known = self.0.iter().filter(|link| hashes.contains(&link.hash));
            found.extend(known.map(|link| (*controller, link.clone())));
        }
        Ok(found)
    }

    async fn strong_link_counts(
        &self,
        _: ControllerId,
        _: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        Ok(Vec::new())
    }

    async fn retire_links(&self, _: ControllerId, _: &[RetiredLink]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn mapped_digests(&self, _: ControllerId, _: &[EventId]) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        Ok(Vec::new())
    }

    async fn commit(&self, _: &mut BatchEffects) -> Result<(), StoreError> {
        panic!("a trial commits nothing")
    }

    async fn checkpoint(&self, _: ControllerId) -> Result<Sequence, StoreError> {
        Ok(Sequence(0))
    }
}

struct World {
    controller: Arc<Controller>,
    known: Vec<KnownLink>,
    events: Vec<JournaledEvent>,
}

impl World {
    fn new() -> Self {
        let id = ControllerId::generate();
        let controller = Arc::new(Controller {
            id,
            did: "did:web:shop.example".parse().unwrap(),
            webhook_secret: credential(),
            link_key: LinkKey::derive(&MasterKey::new([7; 32]), id, 1),
            gate: None,
        });
        Self {
            controller,
            known: Vec::new(),
            events: Vec::new(),
        }
    }

    fn integration(&self, events: Value) -> Arc<Integration> {
        let spec = json!({"name": "n", "defaultRegion": "DE", "events": events});
        let taxonomy = Arc::new(Taxonomy::bundled());
        let defaults = DedupDefaults { window_seconds: 60 };
        let mapping = Mapping::compile(&serde_json::from_value(spec).unwrap(), &taxonomy, defaults).unwrap();
        Arc::new(Integration {
            id: IntegrationId::generate(),
            controller: Arc::clone(&self.controller),
            processor: "p".parse().unwrap(),
            api_key: credential(),
            mapping: Arc::new(mapping),
            version: 1,
        })
    }

    /// Adds an event in its own minute.
    fn event(&mut self, event_type: &str, body: Value) -> EventId {
        let minute = self.events.len() as i64;
        self.event_at(minute * 60_000, event_type, body)
    }

    fn event_at(&mut self, millis: i64, event_type: &str, body: Value) -> EventId {
        let id = EventId::first_at(Timestamp::from_millis(1_775_471_400_000 + millis));
        self.events.push(JournaledEvent {
            sequence: Sequence(self.events.len() as u64 + 1),
            journaled_at: id.received_at(),
            event: AcceptedEvent {
                id,
                controller: self.controller.id,
                integration: IntegrationId::generate(),
                event_type: event_type.parse().unwrap(),
                triggered_at: id.received_at(),
                body: Personal::new(Bytes::from(body.to_string())),
            },
        });
        id
    }

    /// Adds a subject that is known by this identifier.
    fn subject(&mut self, category: &str, value: &str) -> SubjectId {
        let subject = SubjectId::generate();
        self.known.push(KnownLink {
            hash: self.controller.link_key.link(category, value),
            subject,
            subject_first_seen_at: Timestamp::from_millis(self.known.len() as i64),
        });
        subject
    }

    /// Runs the trial in two parts, as with many events.
    fn run(self, live: Value, draft: Value) -> Comparison {
        let mut trial = Trial::new(self.integration(live), self.integration(draft));
        let store = Knows(self.known);
        let mut events = self.events;
        events.reverse();
        let rest = events.split_off(events.len() / 2);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(trial.examine(events, &store)).unwrap();
        runtime.block_on(trial.examine(rest, &store)).unwrap();
        trial.finish()
    }
}

fn credential() -> Credential {
    Credential {
        current: Secret::new("x".to_owned()).hash(),
        previous: None,
    }
}

fn event(fields: Value) -> Value {
    json!([{"name": "e", "fields": fields}])
}

fn email() -> Value {
    json!({"path": "email", "pii": "user.contact.email"})
}

fn phone() -> Value {
    json!({"path": "phone", "pii": "user.contact.phone_number"})
}

fn required(mut field: Value) -> Value {
    field["required"] = json!(true);
    field
}

fn statuses(processed: u64, duplicate: u64, rejected: u64, failed: u64) -> Statuses {
    Statuses {
        processed,
        duplicate,
        rejected,
        failed,
    }
}

#[test]
fn nothing_differs_between_a_mapping_and_itself() {
    let mut world = World::new();
    world.subject("user.contact.email", "ada@shop.example");
    for body in [json!({"email": "ada@shop.example"}), json!({"email": "x"}), json!({})] {
        world.event("e", body);
    }
    world.event("other", json!({}));
    let mapping = event(json!([required(email())]));
    let found = world.run(mapping.clone(), mapping);
    assert_eq!(found.examined, 4);
    assert_eq!((found.live, found.draft), (statuses(1, 0, 3, 0), statuses(1, 0, 3, 0)));
    assert_eq!(found.changes.unchanged, 4);
    assert_eq!((found.subjects.same, found.subjects.nobody), (1, 3));
    assert!(found.samples.is_empty());
    assert!(found.reasons.iter().all(|row| row.live == row.draft && row.live == 1));
}

#[test]
fn events_change_sides_and_say_why() {
    let mut world = World::new();
    let without_email = world.event("e", json!({"phone": "+4930901820"}));
    let without_phone = world.event("e", json!({"email": "ada@shop.example"}));
    world.event("e", json!({"email": "bob@shop.example", "phone": "+4930901821"}));
    let live = event(json!([required(email()), phone()]));
    let draft = event(json!([email(), required(phone())]));
    let found = world.run(live, draft);
    assert_eq!((found.live, found.draft), (statuses(2, 0, 1, 0), statuses(2, 0, 1, 0)));
    let Changes {
        now_processed,
        now_rejected,
        unchanged,
        ..
    } = found.changes;
    assert_eq!((now_processed, now_rejected, unchanged), (1, 1, 1));
    let reasons: Vec<_> = found
        .reasons
        .iter()
        .map(|row| (row.field.as_str(), row.live, row.draft))
        .collect();
    assert_eq!(reasons, [("/email", 1, 0), ("/phone", 0, 1)]);
    assert!(found.reasons.iter().all(|row| row.code == "required_missing"));
    assert_eq!(
        (found.subjects.gained, found.subjects.lost, found.subjects.same),
        (1, 1, 1)
    );
    let [first, second] = found.samples.as_slice() else {
        panic!("{:?}", found.samples);
    };
    assert_eq!(
        (first.event_id, second.event_id),
        (without_phone, without_email),
        "newest first"
    );
    assert_eq!(
        (first.live.status, first.draft.status),
        (Status::Processed, Status::Rejected)
    );
    assert_eq!(first.draft.reasons[0].code, "required_missing");
    assert_eq!(second.fields_gained, ["phone".into()]);
    assert_eq!(first.fields_lost, ["email".into()]);
}

#[test]
fn fields_and_categories_are_gained_and_lost() {
    let mut world = World::new();
    let items = json!([{"owner": "a@shop.example"}, {"owner": "nonsense"}, {"owner": 3}, {"owner": "more nonsense"}]);
    world.event(
        "e",
        json!({"email": "ada@shop.example", "phone": "+4930901820", "items": items}),
    );
    world.event(
        "e",
        json!({"email": "bob@shop.example", "phone": "no number", "items": []}),
    );
    let live = event(json!([email(), {"path": "name"}]));
    let owner = json!({"path": "items[].owner", "pii": "user.contact.email"});
    let as_id = json!({"path": "email", "pii": "user.unique_id"});
    let found = world.run(live, event(json!([as_id, phone(), owner])));
    let row = |path: &str, category: &str| {
        let of = |row: &&FieldRow| &*row.path == path && row.category.as_deref() == Some(category);
        found.fields.iter().find(of).map(|row| (row.live, row.draft))
    };
    assert_eq!(row("email", "user.contact.email"), Some((2, 0)));
    assert_eq!(row("email", "user.unique_id"), Some((0, 2)));
    assert_eq!(row("phone", "user.contact.phone_number"), Some((0, 1)));
    assert_eq!(row("items[].owner", "user.contact.email"), Some((0, 1)));
    assert_eq!(
        found.fields.len(),
        4,
        "what no event has is not there: {:?}",
        found.fields
    );
    let of = |category: &str| found.categories.iter().find(|row| &*row.category == category).unwrap();
    let email = of("user.contact.email");
    assert_eq!((email.live, email.draft), (2, 1));
    // Elements count together, and an event with several faults of a kind counts once.
    let warning = |field: &str, code: &str| {
        let of = |row: &&NoticeRow| row.field == field && row.code == code;
        found.warnings.iter().find(of).map(|row| (row.live, row.draft))
    };
    assert_eq!(warning("/items/*/owner", "wrong_type"), Some((0, 1)));
    assert_eq!(warning("/items/*/owner", "invalid_email"), Some((0, 1)));
    assert_eq!(warning("/phone", "invalid_phone_number"), Some((0, 1)));
    let gained: Vec<_> = found
        .samples
        .iter()
        .map(|sample| sample.fields_gained.join(" "))
        .collect();
    assert_eq!(gained, ["email", "email items[].owner phone"]);
}

#[test]
fn subjects_change_in_every_way() {
    let mut world = World::new();
    let (ada, bob) = (
        world.subject("user.contact.email", "ada@shop.example"),
        world.subject("user.contact.phone_number", "+4930901820"),
    );
    let both = json!({"email": "ada@shop.example", "phone": "+4930901820"});
    let kept = json!([{"name": "merge", "fields": [email()]}, {"name": "other", "fields": [email()]},
        {"name": "new", "fields": [email()]}, {"name": "lost", "fields": [email()]}, {"name": "gained", "fields": []},
        {"name": "same", "fields": [email()]}, {"name": "nobody", "fields": []}]);
    let draft = json!([{"name": "merge", "fields": [email(), phone()]}, {"name": "other", "fields": [phone()]},
        {"name": "new", "fields": [{"path": "id", "pii": "user.unique_id"}]}, {"name": "lost", "fields": []},
        {"name": "gained", "fields": [phone()]}, {"name": "same", "fields": [email()]}, {"name": "nobody", "fields": []}]);
    for name in ["merge", "other", "new", "lost", "gained", "same", "nobody"] {
        let mut body = both.clone();
        body["id"] = json!("c-1");
        world.event(name, body);
    }
    let found = world.run(kept, draft);
    assert_eq!(
        found.subjects,
        Subjects {
            same: 1,
            other: 1,
            new: 1,
            gained: 1,
            lost: 1,
            would_merge: 1,
            nobody: 1
        }
    );
    let sample = |name: &str| {
        found
            .samples
            .iter()
            .find(|sample| sample.event.as_str() == name)
            .unwrap()
    };
    let merged = Resolution::Merged {
        into: ada,
        from: vec![bob],
    };
    assert_eq!(sample("merge").draft.subject, Some(merged));
    assert_eq!(sample("other").live.subject, Some(Resolution::Known(ada)));
    assert_eq!(sample("other").draft.subject, Some(Resolution::Known(bob)));
    assert_eq!(sample("new").draft.subject, Some(Resolution::New));
    assert_eq!(found.samples.len(), 5);
}

#[test]
fn repeats_are_told_by_receive_times_under_each_key_and_window() {
    let mut world = World::new();
    let body = |order: u32| json!({"email": "ada@shop.example", "order": order.to_string()});
    let first = world.event_at(0, "e", body(1));
    let second = world.event_at(59_999, "e", body(2));
    world.event_at(60_000, "e", body(3));
    world.event_at(60_500, "e", body(3));
    let live = event(json!([email(), {"path": "order"}]));
    let mut draft = live.clone();
    draft[0]["dedup"] = json!({"key": "mapped", "windowSeconds": 60});
    let found = world.run(live, draft);
    assert_eq!(
        found.live,
        statuses(2, 2, 0, 0),
        "the window is fixed by its first event"
    );
    assert_eq!(found.draft, statuses(3, 1, 0, 0));
    assert_eq!((found.changes.now_processed, found.changes.now_duplicate), (1, 0));
    let sample = &found.samples[0];
    assert_eq!((sample.event_id, sample.live.duplicate_of), (second, Some(first)));
    assert_eq!(
        (sample.live.status, sample.draft.status),
        (Status::Duplicate, Status::Processed)
    );
}

#[test]
fn types_that_a_mapping_does_not_know_are_shown_as_such_unless_they_look_like_a_value() {
    let mut world = World::new();
    for name in ["known", "added", "acount_created", "ada@shop.example"] {
        world.event(name, json!({}));
    }
    let live = json!([{"name": "known"}]);
    let found = world.run(live, json!([{"name": "known"}, {"name": "added"}]));
    let mut rows: Vec<_> = found
        .events
        .iter()
        .map(|row| (row.event.as_str(), row.live_knows, row.draft_knows, row.live, row.draft))
        .collect();
    rows.sort_unstable_by_key(|row| row.0);
    let (fits, not) = (statuses(1, 0, 0, 0), statuses(0, 0, 1, 0));
    assert_eq!(
        rows,
        [
            ("(withheld)", false, false, not, not),
            ("acount_created", false, false, not, not),
            ("added", false, true, not, fits),
            ("known", true, true, fits, fits),
        ]
    );
    assert!(
        found
            .reasons
            .iter()
            .all(|row| row.code == "event_unknown" && row.field == "/event")
    );
    assert!(!serde_json::to_string(&found).unwrap().contains("ada@"));
}

#[test]
fn samples_are_bounded_and_those_with_another_status_come_first() {
    let mut world = World::new();
    for number in 0..80 {
        world.event("e", json!({"email": format!("c{number}@shop.example")}));
        world.event(
            "f",
            json!({"email": format!("c{number}@shop.example"), "phone": "+4930901820"}),
        );
    }
    let live = json!([{"name": "e", "fields": [email()]}, {"name": "f", "fields": [email()]}]);
    let mut draft = json!([{"name": "e", "fields": [email(), required(phone())]}, {"name": "f", "fields": [phone()]}]);
    let found = world.run(live.clone(), draft.clone());
    assert_eq!((found.examined, found.changes.now_rejected), (160, 80));
    assert_eq!(found.samples.len(), 50);
    assert!(
        found
            .samples
            .iter()
            .all(|sample| sample.draft.status == Status::Rejected)
    );
    assert!(found.samples.windows(2).all(|pair| pair[0].event_id > pair[1].event_id));
    assert!(found.samples.iter().all(|sample| !sample.draft.reasons.is_empty()));

    let mut world = World::new();
    world.event("e", json!({"email": "ada@shop.example"}));
    world.event("f", json!({"email": "ada@shop.example", "phone": "+4930901820"}));
    draft[1] = live[1].clone();
    draft[1]["fields"] = json!([phone()]);
    let found = world.run(live, draft);
    let names: Vec<_> = found.samples.iter().map(|sample| sample.event.as_str()).collect();
    assert_eq!(names, ["e", "f"]);
}
