use super::*;

struct World {
    graph: IdentityGraph,
    warnings: Vec<Notice>,
    clock: i64,
}

fn link(category: &str, value: u8, strong: bool) -> LinkCandidate {
    LinkCandidate {
        earlier: None,
        hash: LinkHash([value; 32]),
        category: category.into(),
        strong,
        max_distinct: 2,
    }
}

fn email(value: u8) -> LinkCandidate {
    link("user.contact.email", value, true)
}

fn phone(value: u8) -> LinkCandidate {
    link("user.contact.phone_number", 100 + value, true)
}

fn weak(category: &str, value: u8) -> LinkCandidate {
    link(category, 200 + value, false)
}

impl World {
    fn new() -> Self {
        Self {
            graph: IdentityGraph::new(ControllerId::generate(), 1, &[]),
            warnings: Vec::new(),
            clock: 0,
        }
    }

    fn see(&mut self, links: &[LinkCandidate]) -> Option<SubjectId> {
        self.clock += 1;
        let sighting = Sighting {
            event: EventId::generate(),
            triggered_at: Timestamp::from_millis(self.clock),
            links,
        };
        self.graph.resolve(sighting, &mut self.warnings)
    }

    fn codes(&self) -> Vec<&str> {
        self.warnings.iter().map(|warning| warning.code.as_str()).collect()
    }
}

#[test]
fn the_same_identifier_is_the_same_subject_and_another_is_another() {
    let mut world = World::new();
    let first = world.see(&[email(1)]);
    assert_eq!(world.see(&[email(1)]), first);
    assert_ne!(world.see(&[email(2)]), first);
    assert_eq!((world.graph.new_subjects.len(), world.graph.new_links.len()), (2, 2));
}

#[test]
fn an_event_without_identifiers_concerns_nobody() {
    let mut world = World::new();
    assert_eq!(world.see(&[]), None);
    assert!(world.graph.new_subjects.is_empty());
}

#[test]
fn an_identifier_learnt_beside_a_known_one_leads_to_the_same_subject() {
    let mut world = World::new();
    let subject = world.see(&[email(1)]);
    assert_eq!(world.see(&[email(1), phone(1)]), subject);
    assert_eq!(world.see(&[phone(1)]), subject);
    assert!(world.graph.merges.is_empty());
}

#[test]
fn two_subjects_shown_to_be_one_are_merged_into_the_older_with_evidence() {
    let mut world = World::new();
    let by_email = world.see(&[email(1)]).unwrap();
    let by_phone = world.see(&[phone(1)]).unwrap();
    assert_eq!(world.see(&[phone(1), email(1)]), Some(by_email));
    let merge = &world.graph.merges[0];
    assert_eq!((merge.from, merge.into), (by_phone, by_email));
    assert_eq!(merge.evidence.len(), 2);
    assert_eq!(
        world.see(&[phone(1)]),
        Some(by_email),
        "the merged one is read as the survivor"
    );
    assert_eq!(world.graph.merges.len(), 1);
}

#[test]
fn a_merge_chain_leads_to_its_end() {
    let mut world = World::new();
    let oldest = world.see(&[email(1)]).unwrap();
    world.see(&[phone(1)]);
    world.see(&[link("user.unique_id", 50, true)]);
    world.see(&[phone(1), link("user.unique_id", 50, true)]);
    assert_eq!(world.see(&[email(1), link("user.unique_id", 50, true)]), Some(oldest));
    assert_eq!(world.see(&[phone(1)]), Some(oldest));
}

#[test]
fn weak_identifiers_never_merge_and_never_link_alone() {
    let mut world = World::new();
    let name = weak("user.name", 1);
    let one = world.see(&[email(1), name.clone()]);
    let two = world.see(&[email(2), name.clone()]);
    assert_ne!(one, two);
    assert!(world.graph.merges.is_empty());
    let unknown = world.see(&[name]);
    assert!(unknown != one && unknown != two);
}

#[test]
fn two_weak_kinds_that_agree_on_one_subject_resolve_an_event_without_strong_ones() {
    let mut world = World::new();
    let (name, birth) = (weak("user.name.last", 1), weak("user.demographic.date_of_birth", 2));
    let first_name = weak("user.name.first", 3);
    let subject = world.see(&[email(1), name.clone(), birth.clone(), first_name.clone()]);
    assert_eq!(world.see(&[name.clone(), birth.clone()]), subject);
    assert_ne!(
        world.see(&[name.clone(), first_name]),
        subject,
        "first and last name are one kind"
    );
    world.see(&[email(2), name.clone(), birth.clone()]);
    assert_ne!(
        world.see(&[name, birth]),
        subject,
        "two subjects share both: no verdict"
    );
}

#[test]
fn a_list_of_people_in_one_event_links_nobody() {
    let mut world = World::new();
    let one = world.see(&[email(1)]);
    let listed = world.see(&[email(1), email(2), email(3)]);
    assert_eq!(listed, None);
    assert_eq!(world.codes(), ["too_many_identifiers"]);
    assert_eq!(world.see(&[email(1)]), one);
}

#[test]
fn a_limit_refuses_the_value_and_the_merge_that_would_break_it() {
    let mut world = World::new();
    let one = world.see(&[phone(1), email(1), email(2)]).unwrap();
    assert_eq!(world.see(&[phone(1), email(3)]), Some(one));
    assert_eq!(world.codes(), ["identifier_limit_reached"]);
    assert_ne!(world.see(&[email(3)]), Some(one), "the refused value was not attached");

    let mut world = World::new();
    let one = world.see(&[email(1), phone(1)]).unwrap();
    world.see(&[phone(1), email(2)]);
    let two = world.see(&[email(3), phone(2)]).unwrap();
    let both = world.see(&[email(1), email(3)]);
    assert_eq!(world.codes(), ["merge_refused"]);
    assert!(both == Some(one) || both == Some(two));
    assert!(world.graph.merges.is_empty());
}

#[test]
fn subjects_that_cannot_grow_need_no_counts() {
    let (controller, subject) = (ControllerId::generate(), SubjectId::generate());
    let known = [KnownLink {
        hash: email(1).hash,
        subject,
        subject_first_seen_at: Timestamp::from_millis(1),
    }];
    let graph = IdentityGraph::new(controller, 1, &known);
    let growing = |links: &[LinkCandidate]| {
        let sighting = Sighting {
            event: EventId::generate(),
            triggered_at: Timestamp::from_millis(2),
            links,
        };
        graph.growing(std::iter::once(sighting))
    };
    assert_eq!(growing(&[email(1)]), []);
    assert_eq!(growing(&[email(1), phone(1)]), [subject]);
}
