use std::collections::HashMap;

use super::*;
use crate::ids::EventId;

#[derive(Clone)]
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

/// Returns a taxonomy with the same limits as those of the candidates.
fn taxonomy() -> Arc<Taxonomy> {
    let keys = [
        "user.contact.email",
        "user.contact.phone_number",
        "user.unique_id",
        "user.financial.bank_account",
    ];
    let line = |key| {
        format!("{{ key = {key:?}, label = \"x\", class = \"strong\", normalise = \"opaque\", max_distinct = 2 }}")
    };
    let lines = keys.map(line).join(", ");
    Arc::new(Taxonomy::parse(&format!("categories = [{lines}]")).unwrap())
}

fn email(value: u8) -> LinkCandidate {
    link("user.contact.email", value, true)
}

fn phone(value: u8) -> LinkCandidate {
    link("user.contact.phone_number", 100 + value, true)
}

fn unique(value: u8) -> LinkCandidate {
    link("user.unique_id", 50 + value, true)
}

fn weak(category: &str, value: u8) -> LinkCandidate {
    link(category, 200 + value, false)
}

impl World {
    fn new() -> Self {
        Self {
            graph: IdentityGraph::new(ControllerId::generate(), 1, &[]).limited_by(Some(&taxonomy())),
            warnings: Vec::new(),
            clock: 0,
        }
    }

    fn see(&mut self, links: &[LinkCandidate]) -> Option<SubjectId> {
        self.see_apart(links, &[])
    }

    fn see_apart(&mut self, links: &[LinkCandidate], apart: &[SubjectId]) -> Option<SubjectId> {
        self.clock += 1;
        let sighting = Sighting {
            event: EventId::generate(),
            triggered_at: Timestamp::from_millis(self.clock),
            links,
        };
        self.graph.resolve_apart(sighting, apart, &mut self.warnings)
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

fn birth(value: u8) -> LinkCandidate {
    weak("user.demographic.date_of_birth", value)
}

fn postcode(value: u8) -> LinkCandidate {
    weak("user.contact.address.postal_code", value)
}

#[test]
fn weak_evidence_attaches_only_if_three_kinds_with_a_name_agree_on_one_subject() {
    let mut world = World::new();
    let (name, first) = (weak("user.name.last", 1), weak("user.name.first", 2));
    let (born, lives, device) = (birth(3), postcode(4), weak("user.device.device_id", 5));
    let street = weak("user.contact.address.street", 6);
    let everything = [&name, &first, &born, &lives, &device, &street].map(Clone::clone);
    let subject = world.see(&[&[email(1)][..], &everything].concat());
    assert_eq!(world.codes(), [""; 0]);
    for too_little in [
        vec![&name, &lives],
        vec![&name, &born],
        vec![&name, &first, &born],
        vec![&name, &lives, &street],
        vec![&born, &lives, &device],
    ] {
        let mut world = world.clone();
        let links: Vec<_> = too_little.into_iter().cloned().collect();
        assert_ne!(world.see(&links), subject, "{links:?}");
        assert_eq!((world.codes(), world.graph.merges.len()), (vec![], 0));
    }
    assert_eq!(world.see(&[name.clone(), born.clone(), lives.clone()]), subject);
    assert_eq!(world.codes(), ["weak_evidence"]);
    world.warnings.clear();

    world.see(&[email(2), name.clone(), born.clone(), lives.clone()]);
    let third = world.see(&[name, born, lives]);
    assert_ne!(third, subject, "two subjects share all three: no verdict");
    assert_eq!((world.codes(), world.graph.new_subjects.len()), (vec![], 3));
}

#[test]
fn weak_evidence_that_contradicts_a_subject_is_of_somebody_else() {
    let family = || {
        [
            weak("user.name.last", 1),
            weak("user.contact.address.street", 2),
            weak("user.device.ip_address", 3),
        ]
        .to_vec()
    };
    let with = |more: &[LinkCandidate]| [&family()[..], more].concat();
    let anna = [weak("user.name.first", 4), birth(5), weak("user.account.username", 6)];
    let mut world = World::new();
    let known = world.see(&[&[email(1)][..], &with(&anna)].concat());
    for other in [
        vec![weak("user.name.first", 7)],
        vec![weak("user.name.first", 4), birth(8)],
        vec![birth(8)],
        vec![weak("user.account.username", 9)],
        vec![weak("user.name", 10)],
    ] {
        let mut world = world.clone();
        assert_ne!(world.see(&with(&other)), known, "{other:?}");
        assert_eq!(world.codes(), [""; 0]);
    }
    let moved = [weak("user.contact.address.postal_code", 11)];
    assert_eq!(world.see(&with(&moved)), known, "an address is no contradiction");

    let mut world = World::new();
    let device = weak("user.device.user_agent", 12);
    let shared = [weak("user.name", 13), postcode(14), device];
    let first = world.see(&[&[email(1)][..], &shared].concat());
    assert_ne!(world.see(&shared), first, "a user agent is no evidence");
    let mut world = World::new();
    let shared = [weak("user.name.first", 15), postcode(16), birth(17)];
    let first = world.see(&[&[email(1)][..], &shared].concat());
    assert_ne!(world.see(&shared), first, "a first name alone is no name");
}

#[test]
fn weak_evidence_never_leads_to_another_person_of_the_same_event() {
    let shared = [
        weak("user.name.last", 1),
        weak("user.contact.address.street", 2),
        weak("user.device.ip_address", 3),
    ];
    let mut world = World::new();
    let anna = world.see(&[&[email(1)][..], &shared].concat()).unwrap();
    let bernd = world.see_apart(&shared, &[anna]);
    assert!(bernd.is_some_and(|bernd| bernd != anna));
    assert_eq!(world.codes(), [""; 0]);
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
fn a_used_up_identifier_counts_for_nothing_and_the_others_find_their_person() {
    let mut world = World::new();
    let shared = world.see(&[phone(1), email(1)]);
    assert_eq!(world.see(&[phone(1), email(2)]), shared, "below the limit they are one");
    let third = world.see(&[phone(1), email(3), unique(3)]);
    assert_ne!(third, shared);
    assert_eq!(world.codes(), ["identifier_shared"]);
    assert!(world.warnings[0].message.contains("user.contact.phone_number"));
    // Returning people stay the same subjects, with any other identifiers.
    assert_eq!(world.see(&[phone(1), email(3)]), third);
    assert_eq!(world.see(&[unique(3), phone(1), phone(9)]), third);
    assert_eq!(world.see(&[email(3)]), third);
    assert_eq!(world.see(&[unique(3)]), third);
    assert_eq!(world.see(&[phone(9)]), third);
    assert_eq!(world.see(&[email(2), phone(1)]), shared);
    assert_eq!(world.see(&[phone(1)]), shared);
    assert!(world.graph.merges.is_empty());
    assert_ne!(
        world.see(&[phone(1), email(4)]),
        third,
        "the next one is somebody else again"
    );
}

#[test]
fn several_identifiers_may_be_used_up_at_once() {
    let mut world = World::new();
    world.see(&[phone(1), email(1), email(2)]);
    world.see(&[unique(1), email(3), email(4)]);
    let own = world.see(&[phone(1), unique(1), email(5)]);
    assert_eq!(world.codes(), ["identifier_shared", "identifier_shared"]);
    assert_eq!((world.see(&[email(5)]), world.graph.new_subjects.len()), (own, 3));

    // If two exclude each other, the fuller one is left out.
    let mut world = World::new();
    world.see(&[phone(1), email(1), email(2), unique(8)]);
    let own = world.see(&[email(3), phone(3), phone(4)]);
    assert_eq!(world.see(&[phone(1), email(3)]), own);
    assert_eq!(world.see(&[email(3), phone(1)]), own);
    assert!(world.graph.merges.is_empty());
}

#[test]
fn a_merge_that_would_break_a_limit_is_refused_whichever_category_it_is() {
    let mut world = World::new();
    world.see(&[phone(1), unique(1), unique(2)]);
    let own = world.see(&[email(3), unique(3)]);
    assert_eq!(world.see(&[phone(1), email(3), phone(7)]), own);
    assert_eq!(world.codes(), ["merge_refused"]);
    assert!(world.warnings[0].message.contains("user.unique_id"));
    assert_eq!(world.see(&[phone(7)]), own, "what is new is found");

    // The others are one person all the same.
    let mut world = World::new();
    world.see(&[phone(1), unique(1), unique(2)]);
    let own = world.see(&[email(3), unique(3)]);
    world.see(&[link("user.financial.bank_account", 60, true)]);
    let account = link("user.financial.bank_account", 60, true);
    assert_eq!(world.see(&[phone(1), email(3), account.clone()]), own);
    assert_eq!((world.see(&[account]), world.graph.merges.len()), (own, 1));
}

#[test]
fn of_several_people_in_one_event_none_becomes_another() {
    let mut world = World::new();
    let buyer = world.see(&[email(1), phone(1)]).unwrap();
    let holder = world.see_apart(&[email(2), phone(1)], &[buyer]).unwrap();
    assert_ne!(holder, buyer);
    assert_eq!(world.codes(), ["identifier_shared"]);
    assert_eq!(world.see(&[email(2)]), Some(holder));
    assert_eq!(
        world.see_apart(&[phone(1)], &[buyer]),
        Some(buyer),
        "the same person, named twice"
    );
    // Not even where they were merged but for that.
    assert_eq!(world.see_apart(&[email(2), email(1)], &[buyer]), Some(holder));
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

/// The store's state after a batch's effects, and its answers.
#[derive(Default)]
struct Stored {
    subjects: HashMap<SubjectId, (Timestamp, Option<SubjectId>)>,
    links: HashMap<LinkHash, (SubjectId, Arc<str>)>,
}

impl Stored {
    fn root(&self, mut subject: SubjectId) -> SubjectId {
        while let Some(into) = self.subjects[&subject].1 {
            subject = into;
        }
        subject
    }

    fn counts(&self) -> HashMap<SubjectId, BTreeMap<Arc<str>, u32>> {
        let mut counts: HashMap<SubjectId, BTreeMap<Arc<str>, u32>> = HashMap::new();
        for (subject, category) in self.links.values() {
            let held = counts.entry(self.root(*subject)).or_default();
            *held.entry(Arc::clone(category)).or_default() += 1;
        }
        counts
    }

    /// Resolves these events as one batch, and commits it.
    fn run(&mut self, first: usize, events: &[Vec<LinkCandidate>]) {
        let asked: BTreeSet<_> = events.iter().flatten().map(|link| link.hash).collect();
        let known: Vec<_> = asked
            .iter()
            .filter_map(|hash| {
                let subject = self.root(self.links.get(hash)?.0);
                Some(KnownLink {
                    hash: *hash,
                    subject,
                    subject_first_seen_at: self.subjects[&subject].0,
                })
            })
            .collect();
        let mut graph = IdentityGraph::new(ControllerId::generate(), 1, &known).limited_by(Some(&taxonomy()));
        let sightings = || {
            let numbered = events.iter().zip(first..);
            numbered.map(|(links, at)| Sighting {
                event: EventId::generate(),
                triggered_at: Timestamp::from_millis(at as i64),
                links,
            })
        };
        let growing = graph.growing(sightings());
        let mut counts = self.counts();
        let held = growing.into_iter().flat_map(|subject| {
            let held = counts.remove(&subject).unwrap_or_default();
            held.into_iter()
                .map(move |(category, count)| (subject, category, count))
        });
        graph.set_counts(held.collect());
        for sighting in sightings() {
            graph.resolve(sighting, &mut Vec::new()).unwrap();
        }
        for subject in &graph.new_subjects {
            self.subjects.insert(subject.id, (subject.first_seen_at, None));
        }
        for link in &graph.new_links {
            let taken = self.links.insert(link.hash, (link.subject, Arc::clone(&link.category)));
            assert!(taken.is_none(), "a strong link leads to one subject");
        }
        for merge in &graph.merges {
            self.subjects.get_mut(&merge.from).unwrap().1 = Some(merge.into);
        }
        let counts = self.counts();
        for ceiling in graph.ceilings() {
            let held = counts
                .get(&ceiling.subject)
                .and_then(|held| held.get(&ceiling.category));
            assert!(held.copied().unwrap_or(0) <= ceiling.max, "{ceiling:?} {held:?}");
        }
    }

    /// Returns which identifiers lead to the same subject.
    fn people(&self) -> BTreeSet<BTreeSet<[u8; 32]>> {
        let mut people: HashMap<SubjectId, BTreeSet<[u8; 32]>> = HashMap::new();
        for (hash, (subject, _)) in &self.links {
            people.entry(self.root(*subject)).or_default().insert(hash.0);
        }
        people.into_values().collect()
    }
}

proptest::proptest! {
    /// Checks people with identifiers of their own, and some shared ones. Each event is of one person, and has an
    /// identifier of their own. The result is the same for any order, and any division into batches.
    #[test]
    fn everybody_is_found_by_what_is_theirs_and_nobody_holds_too_much(
        events in proptest::collection::vec((0..9_u8, 1..16_u8, 0..8_u8), 1..40),
        cuts in proptest::collection::vec(1..6_usize, 40),
    ) {
        let events: Vec<Vec<LinkCandidate>> = events
            .into_iter()
            .map(|(person, own, shared)| {
                let account = |value: u8| link("user.financial.bank_account", 80 + value, true);
                let mine = [email(2 * person), email(2 * person + 1), unique(person), phone(20 + person)];
                let ours = [phone(1), unique(30), account(1)];
                let of = |links: &[LinkCandidate], bits: u8| -> Vec<LinkCandidate> {
                    let chosen = links.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
                    chosen.map(|(_, link)| link.clone()).collect()
                };
                [of(&mine, own), of(&ours, shared)].concat()
            })
            .collect();
        let (mut one_by_one, mut batched) = (Stored::default(), Stored::default());
        for (at, event) in events.iter().enumerate() {
            one_by_one.run(at, std::slice::from_ref(event));
        }
        let (mut at, mut cuts) = (0, cuts.into_iter());
        while at < events.len() {
            let end = (at + cuts.next().unwrap_or(1)).min(events.len());
            batched.run(at, &events[at..end]);
            at = end;
        }
        proptest::prop_assert_eq!(one_by_one.people(), batched.people());
        for held in one_by_one.counts().values().flat_map(BTreeMap::values) {
            proptest::prop_assert!(*held <= 2);
        }
        let own = |hash: &LinkHash| hash.0[0] < 80 || hash.0[0] >= 120;
        for link in events.iter().flatten().filter(|link| own(&link.hash)) {
            proptest::prop_assert!(one_by_one.links.contains_key(&link.hash), "{:?} finds nobody", link);
        }
    }
}
