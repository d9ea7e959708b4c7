//! Subjects, links and merges.

use conduit::store::{ActivityFilter, EventFilter, Page, Store};
use conduit_actors::event::{Outcome, Status};
use conduit_actors::ids::{EventId, SubjectId};
use conduit_actors::ports::StoreError;

use super::world::{Batch, World, at, hash};

pub async fn a_taken_strong_link_is_a_conflict(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1], 1);
    batch.commit(store).await;

    let mut late = Batch::of(shop.id);
    let bob = late.subject(&[2, 1], 2);
    let mut late = late.ready(store).await;
    assert_eq!(store.commit(&mut late).await, Err(StoreError::Conflict));
    assert!(store.subject(&bob.did()).await.unwrap().is_none());
    assert_eq!(store.links(shop.id, &[hash(2)], 9).await.unwrap(), []);
    // The holder's own again is none, nor is another controller's.
    let mut again = Batch::of(shop.id);
    again.link(ada, 1, true, 3);
    again.commit(store).await;
    let mut elsewhere = Batch::of(rival.id);
    elsewhere.subject(&[1], 1);
    elsewhere.commit(store).await;
    assert_eq!(store.links(shop.id, &[hash(1)], 9).await.unwrap().len(), 1);
}

pub async fn of_two_nodes_with_one_new_link_one_is_first(world: World) {
    let shop = world.controller("did:web:shop.example").await;
    let node = world.node("node-2").await;
    for link in 1..=20 {
        let prepared = async |store: &dyn Store| {
            let mut batch = Batch::of(shop.id);
            batch.subject(&[link], 1);
            batch.ready(store).await
        };
        let (mut by_one, mut by_two) = (prepared(&*world.store).await, prepared(&*node).await);
        let (one, two) = tokio::join!(world.store.commit(&mut by_one), node.commit(&mut by_two));
        assert!(
            matches!(
                (&one, &two),
                (Ok(()), Err(StoreError::Conflict)) | (Err(StoreError::Conflict), Ok(()))
            ),
            "{one:?} {two:?}"
        );
        assert_eq!(node.links(shop.id, &[hash(link)], 9).await.unwrap().len(), 1);
    }
    node.close().await;
}

pub async fn merges_are_followed_to_their_end(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let (one, two, three) = (batch.subject(&[1], 9), batch.subject(&[2], 7), batch.subject(&[3], 8));
    let by_three = batch.processed(three, 5);
    batch.processed(two, 40);
    // Two steps, in one batch.
    batch.merge(three, two);
    batch.merge(two, one);
    batch.commit(store).await;

    for link in 1..=3 {
        let known = store.links(shop.id, &[hash(link)], 9).await.unwrap();
        assert_eq!((known.len(), known[0].hash, known[0].subject), (1, hash(link), one));
        assert_eq!(known[0].subject_first_seen_at, at(9));
    }
    assert_eq!(store.event(by_three).await.unwrap().unwrap().subject, Some(one));
    for subject in [one, two, three] {
        let found = store.subject(&subject.did()).await.unwrap().unwrap();
        assert_eq!((found.id, found.activity_count), (one, 2));
        assert_eq!((found.links.len(), found.merges.len()), (3, 2));
        assert_eq!((found.first_seen_at, found.last_seen_at), (at(5), at(40)));
    }
    let newest = &store.subject(&one.did()).await.unwrap().unwrap().merges[0];
    assert_eq!((newest.from, newest.at), (two, at(50)));
    assert_eq!(newest.evidence, ["user.contact.email", "user.unique_id"]);
    let page = Page { after: None, limit: 9 };
    let listed = store.subjects(Some(shop.id), page).await.unwrap();
    assert_eq!(listed.iter().map(|subject| subject.id).collect::<Vec<_>>(), [one]);
    let by_link = store.subjects_by_link(shop.id, &[hash(2), hash(3)], 9).await.unwrap();
    assert_eq!(by_link.iter().map(|subject| subject.id).collect::<Vec<_>>(), [one]);
    let filter = ActivityFilter {
        subject: Some(one),
        ..ActivityFilter::default()
    };
    let page = Page { after: None, limit: 9 };
    assert_eq!(store.activities(&filter, page).await.unwrap().len(), 2);
    let counts = store.strong_link_counts(shop.id, &[one]).await.unwrap();
    assert_eq!(counts, [(one, "user.contact.email".into(), 3)]);
}

pub async fn a_merge_of_what_is_merged_is_a_conflict(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let (one, two, three) = (batch.subject(&[], 1), batch.subject(&[], 2), batch.subject(&[], 3));
    batch.merge(two, one);
    batch.commit(store).await;
    let nobody = SubjectId::generate();
    for (from, into) in [(two, three), (three, two), (nobody, one), (three, nobody)] {
        let mut stale = Batch::of(shop.id);
        stale.merge(from, into);
        let mut stale = stale.ready(store).await;
        assert_eq!(store.commit(&mut stale).await, Err(StoreError::Conflict));
    }
    // Within one batch as well.
    let mut twice = Batch::of(shop.id);
    twice.merge(three, one);
    twice.merge(three, one);
    let mut twice = twice.ready(store).await;
    assert_eq!(store.commit(&mut twice).await, Err(StoreError::Conflict));
    let mut good = Batch::of(shop.id);
    good.merge(three, one);
    good.commit(store).await;
}

pub async fn the_earliest_sight_of_a_link_is_kept(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let ada = batch.subject(&[1], 20);
    // Twice in one batch, the later one last.
    batch.link(ada, 2, false, 30);
    batch.link(ada, 2, false, 40);
    batch.commit(store).await;
    for seconds in [10, 25] {
        let mut batch = Batch::of(shop.id);
        batch.link(ada, 1, true, seconds);
        batch.commit(store).await;
    }
    let links = store.subject(&ada.did()).await.unwrap().unwrap().links;
    let shown: Vec<_> = links
        .iter()
        .map(|link| (link.category.as_str(), link.first_seen_at))
        .collect();
    assert_eq!(shown, [("user.contact.email", at(10)), ("user.name", at(30))]);
}

pub async fn weak_links_lead_to_many_within_the_limit(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let mut subjects = Vec::new();
    for strong in 1..=5 {
        let subject = batch.subject(&[strong], 1);
        batch.link(subject, 100, false, 1);
        batch.link(subject, 101, false, 1);
        subjects.push(subject);
    }
    batch.commit(store).await;

    let asked = [hash(100), hash(101), hash(3), hash(250)];
    let known = store.links(shop.id, &asked, 3).await.unwrap();
    let count = |byte| known.iter().filter(|link| link.hash == hash(byte)).count();
    assert_eq!((count(100), count(101), count(3), known.len()), (3, 3, 1, 7));
    assert_eq!(store.links(shop.id, &asked, 100).await.unwrap().len(), 11);
    assert_eq!(store.links(shop.id, &[], 100).await.unwrap(), []);
    assert_eq!(store.links(rival.id, &asked, 100).await.unwrap(), []);
    let found = store.subjects_by_link(shop.id, &[hash(100)], 2).await.unwrap();
    assert_eq!(found.len(), 2);
    // Weak links are not counted.
    let mut counts = store.strong_link_counts(shop.id, &subjects[..2]).await.unwrap();
    counts.sort();
    let expected: Vec<_> = subjects[..2]
        .iter()
        .map(|id| (*id, "user.contact.email".into(), 1))
        .collect();
    assert_eq!(counts, expected);
    assert_eq!(store.strong_link_counts(rival.id, &subjects).await.unwrap(), []);
}

pub async fn subjects_are_paged_and_belong_to_one_controller(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let own = [batch.subject(&[1], 1), batch.subject(&[2], 2), batch.subject(&[3], 3)];
    batch.commit(store).await;
    let mut batch = Batch::of(rival.id);
    let foreign = batch.subject(&[1], 1);
    batch.commit(store).await;

    let list = async |controller, after, limit| {
        let found = store.subjects(controller, Page { after, limit }).await.unwrap();
        found.iter().map(|subject| subject.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Some(shop.id), None, 2).await, [own[2], own[1]]);
    assert_eq!(list(Some(shop.id), Some(own[1]), 2).await, [own[0]]);
    assert_eq!(list(None, None, 9).await, [foreign, own[2], own[1], own[0]]);
    let unknown = SubjectId::generate().did();
    assert!(store.subject(&unknown).await.unwrap().is_none());
}

pub async fn events_are_found_by_their_persons_with_their_repeats(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let rival = world.controller("did:web:rival.example").await;
    let mut batch = Batch::of(shop.id);
    let (ada, other, bob) = (batch.subject(&[1], 1), batch.subject(&[2], 1), batch.subject(&[3], 1));
    let late = batch.processed(ada, 30);
    let early = batch.processed(other, 10);
    batch.processed(bob, 20);
    batch.merge(other, ada);
    batch.commit(store).await;
    let mut batch = Batch::of(shop.id);
    let repeat = batch.event(Outcome::Duplicate { of: early }, 11);
    batch.event(
        Outcome::Duplicate {
            of: EventId::generate(),
        },
        12,
    );
    batch.event(Outcome::Rejected { reasons: Vec::new() }, 13);
    let last = batch.processed(other, 14);
    batch.commit(store).await;
    let mut batch = Batch::of(rival.id);
    let theirs = batch.subject(&[1], 1);
    batch.processed(theirs, 1);
    batch.commit(store).await;

    assert_eq!(store.subjects_of(shop.id, &[hash(2), hash(9)], 5).await.unwrap(), [ada]);
    let both = store
        .subjects_of(shop.id, &[hash(1), hash(2), hash(3)], 5)
        .await
        .unwrap();
    assert_eq!(both, [bob, ada]);
    assert_eq!(store.subjects_of(shop.id, &[], 5).await.unwrap(), []);
    let found = async |change: &dyn Fn(&mut EventFilter), after, limit| {
        let mut filter = EventFilter {
            controller: Some(shop.id),
            subjects: Some(vec![ada]),
            ..EventFilter::default()
        };
        change(&mut filter);
        let found = store.events(&filter, Page { after, limit }).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(found(&|_| (), None, 9).await, [last, repeat, early, late]);
    assert_eq!(found(&|_| (), None, 2).await, [last, repeat]);
    assert_eq!(found(&|_| (), Some(repeat), 9).await, [early, late]);
    assert_eq!(found(&|f| f.status = Some(Status::Duplicate), None, 9).await, [repeat]);
    assert_eq!(found(&|f| f.event_type = Some("other".to_owned()), None, 9).await, []);
    assert_eq!(found(&|f| f.controller = Some(rival.id), None, 9).await, []);
    assert_eq!(found(&|f| f.subjects = Some(vec![theirs, ada]), None, 9).await.len(), 4);
    assert_eq!(found(&|f| f.subjects = Some(Vec::new()), None, 9).await, []);

    // Events of all controllers, by a status that few have.
    let of_all = async |status, after, limit| {
        let filter = EventFilter {
            status: Some(status),
            ..EventFilter::default()
        };
        let found = store.events(&filter, Page { after, limit }).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let mut batch = Batch::of(rival.id);
    let newest = batch.event(Outcome::Duplicate { of: early }, 20);
    batch.commit(store).await;
    let duplicates = of_all(Status::Duplicate, None, 9).await;
    assert_eq!((duplicates.len(), duplicates[0], duplicates[2]), (3, newest, repeat));
    assert_eq!(of_all(Status::Duplicate, Some(newest), 1).await, duplicates[1..2]);
    assert_eq!(of_all(Status::Failed, None, 9).await, []);
    assert_eq!(of_all(Status::Processed, None, 9).await.len(), 5);
}

pub async fn a_subject_that_holds_too_much_by_then_is_a_conflict(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let (ada, eve) = (batch.subject(&[1], 1), batch.subject(&[9], 2));
    batch.commit(store).await;
    let attach = async |link: u8| {
        let mut batch = Batch::of(shop.id);
        batch.link(ada, link, true, 2);
        batch.ceiling(ada, 2);
        batch.ready(store).await
    };
    // Both were resolved when there was one.
    let (mut one, mut two) = (attach(2).await, attach(3).await);
    store.commit(&mut one).await.unwrap();
    two.checkpoints = attach(3).await.checkpoints;
    assert_eq!(store.commit(&mut two).await, Err(StoreError::Conflict));
    assert_eq!(store.links(shop.id, &[hash(3)], 9).await.unwrap(), []);
    let held = store.strong_link_counts(shop.id, &[ada]).await.unwrap();
    assert_eq!(held, [(ada, "user.contact.email".into(), 2)]);

    // Subjects merged into it count, and so does the fact that it is merged itself.
    let mut batch = Batch::of(shop.id);
    batch.merge(eve, ada);
    batch.ceiling(ada, 2);
    let mut merging = batch.ready(store).await;
    assert_eq!(store.commit(&mut merging).await, Err(StoreError::Conflict));
    let mut batch = Batch::of(shop.id);
    batch.merge(ada, eve);
    batch.ceiling(eve, 3);
    batch.commit(store).await;
    let mut batch = Batch::of(shop.id);
    batch.link(ada, 4, true, 2);
    batch.ceiling(ada, 9);
    let mut late = batch.ready(store).await;
    assert_eq!(store.commit(&mut late).await, Err(StoreError::Conflict));
}

pub async fn other_people_of_an_event_are_found_by_it(world: World) {
    let store = &*world.store;
    let shop = world.controller("did:web:shop.example").await;
    let mut batch = Batch::of(shop.id);
    let [buyer, bob, cy, late] = [1, 2, 3, 4].map(|link| batch.subject(&[link], 9));
    let first = batch.naming(buyer, &[bob, cy], 10);
    let second = batch.processed(bob, 5);
    let third = batch.naming(cy, &[buyer], 7);
    batch.commit(store).await;
    let activities = async |subject| -> Vec<EventId> {
        let filter = ActivityFilter {
            subject: Some(subject),
            ..ActivityFilter::default()
        };
        let page = Page { after: None, limit: 9 };
        let found = store.activities(&filter, page).await.unwrap();
        found.into_iter().map(|activity| activity.event).collect()
    };
    let events = async |subject| -> Vec<EventId> {
        let filter = EventFilter {
            subjects: Some(vec![subject]),
            ..EventFilter::default()
        };
        let found = store.events(&filter, Page { after: None, limit: 9 }).await.unwrap();
        found.into_iter().map(|event| event.id).collect()
    };
    assert_eq!(
        (activities(bob).await, events(bob).await),
        (vec![first, second], vec![second, first])
    );
    assert_eq!(
        (activities(buyer).await, events(buyer).await),
        (vec![first, third], vec![third, first])
    );
    let shown = store.event(first).await.unwrap().unwrap();
    assert_eq!((shown.subject, shown.other_subjects), (Some(buyer), vec![bob, cy]));
    let found = store.subject(&bob.did()).await.unwrap().unwrap();
    assert_eq!(
        (found.activity_count, found.first_seen_at, found.last_seen_at),
        (2, at(5), at(10))
    );
    let chain = store.chain(shop.id, conduit_actors::ids::Sequence(0), 9).await.unwrap();
    assert_eq!(chain[0].other_subjects, [bob, cy]);
    assert!(
        conduit::audit::verify(store, None)
            .await
            .unwrap()
            .iter()
            .all(|report| report.fault.is_none())
    );

    // Merged ones are read as who they are, and each event counts once.
    let mut batch = Batch::of(shop.id);
    batch.merge(bob, cy);
    batch.merge(late, buyer);
    batch.commit(store).await;
    let shown = store.event(first).await.unwrap().unwrap();
    assert_eq!((shown.subject, shown.other_subjects), (Some(buyer), vec![cy]));
    assert_eq!(store.subject(&bob.did()).await.unwrap().unwrap().activity_count, 3);
    assert_eq!(activities(cy).await, [first, third, second]);
    let mut batch = Batch::of(shop.id);
    batch.merge(cy, buyer);
    batch.commit(store).await;
    assert_eq!(store.subject(&cy.did()).await.unwrap().unwrap().activity_count, 3);
    assert_eq!(activities(buyer).await.len(), 3);
    assert_eq!(store.event(first).await.unwrap().unwrap().other_subjects, []);
    assert_eq!(store.event(second).await.unwrap().unwrap().subject, Some(buyer));
}
