//! Lists use indexes: SQLite's plan for each.

use std::sync::Arc;

use conduit_actors::event::{LinkHash, Status};
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{ChainHead, Checkpoint};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::super::chain_ends::ChainEnd;
use super::super::{ActivityFilter, ActivityOrder, EventFilter, Page};
use super::late_index::Way;
use super::{SqliteStore, activities, effects, events, integrations, links, settings};
use crate::keys::Keyring;

async fn plan_of_events(store: &SqliteStore, filter: EventFilter) -> String {
    let after = Some(EventId::generate());
    let concerning = match &filter.subjects {
        Some(persons) => Some(store.concerning(persons).await.unwrap()),
        None => None,
    };
    plan(
        store,
        &mut events::list(&filter, concerning.as_ref(), Page { after, limit: 50 }),
    )
    .await
}

async fn plan(store: &SqliteStore, list: &mut QueryBuilder<Sqlite>) -> String {
    let sql = list.sql().as_str().to_owned();
    let explain = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let rows = explain.fetch_all(&store.readers).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    steps.join("\n")
}

#[test]
fn lists_of_events_are_read_by_indexes() {
    with_a_store(async |store| {
        let all = EventFilter::default;
        let of_one = || EventFilter {
            controller: Some(ControllerId::generate()),
            ..all()
        };
        let now = Some(Timestamp::now());
        for (filter, steps) in [
            (all(), vec!["SEARCH e USING INDEX events_by_id (id<?)"]),
            (
                EventFilter {
                    from: now,
                    to: now,
                    ..all()
                },
                vec!["SEARCH e USING INDEX events_by_id (id>? AND id<?)"],
            ),
            (
                of_one(),
                vec!["SEARCH e USING INDEX events_by_controller (controller_pk=? AND id<?)"],
            ),
            (
                EventFilter {
                    subjects: Some(vec![SubjectId::generate(); 2]),
                    ..of_one()
                },
                vec![
                    "SEARCH s USING INDEX subjects_merged (merged_into=?)",
                    "SEARCH i USING PRIMARY KEY (subject=?)",
                    "SEARCH d USING COVERING INDEX events_by_first (duplicate_of=?)",
                    "SEARCH e USING INDEX events_by_controller (controller_pk=? AND id=?)",
                ],
            ),
        ] {
            let plan = plan_of_events(store, filter).await;
            for step in steps {
                assert!(plan.contains(step), "{step}:\n{plan}");
            }
            let walks = ["SCAN e", "SCAN a", "SCAN d", "SCAN s ", "SCAN s\n"];
            assert!(!walks.iter().any(|walk| plan.contains(walk)), "{plan}");
        }
    });
}

#[test]
fn events_of_a_kind_are_read_by_its_index() {
    with_a_store(async |store| {
        for chosen in 0..16 {
            let has = |bit: u8| chosen & (1 << bit) != 0;
            let filter = EventFilter {
                controller: has(0).then(ControllerId::generate),
                status: has(1).then_some(Status::Processed),
                integration: has(2).then(IntegrationId::generate),
                event_type: has(3).then(|| "account_created".to_owned()),
                ..EventFilter::default()
            };
            let steps = match (has(3), has(1) || has(2)) {
                (true, _) => {
                    "SEARCH e USING COVERING INDEX events_by_kind_and_type \
                     (controller_pk=? AND event_type=? AND integration=? AND status=? AND id<?)"
                }
                (false, true) => {
                    "SEARCH e USING COVERING INDEX events_by_kind \
                     (controller_pk=? AND integration=? AND status=? AND id<?)"
                }
                (false, false) => "SEARCH e USING INDEX",
            };
            let plan = plan_of_events(store, filter).await;
            assert!(plan.contains(steps), "{steps}:\n{plan}");
            assert!(!plan.contains("SCAN e") && !plan.contains("SCAN t"), "{plan}");
        }
    });
}

#[test]
fn activities_of_a_kind_are_read_by_its_index() {
    with_a_store(async |store| {
        let controller = Some(ControllerId::generate());
        let integration = Some(IntegrationId::generate());
        let event_type = Some("account_created".to_owned());
        for (controller, integration, event_type) in [
            (controller, integration, event_type.clone()),
            (controller, integration, None),
            (controller, None, event_type.clone()),
            (None, integration, event_type.clone()),
            (None, None, event_type),
        ] {
            let filter = ActivityFilter {
                controller,
                integration,
                event_type,
                ..ActivityFilter::default()
            };
            let page = Page { after: None, limit: 50 };
            let plan = plan(store, &mut activities::list(&filter, None, page)).await;
            let step = "SEARCH a USING COVERING INDEX activities_by_kind \
                        (controller_pk=? AND integration=? AND event_type=?)";
            assert!(plan.contains(step), "{step}:\n{plan}");
            assert!(!plan.contains("SCAN a") && !plan.contains("SCAN t"), "{plan}");
        }
    });
}

#[test]
fn activities_of_a_controller_are_read_in_their_order() {
    with_a_store(async |store| {
        let controller = Some(ControllerId::generate());
        let page = Page { after: None, limit: 50 };
        for (order, step) in [
            (ActivityOrder::TriggeredAt, "activities_by_time (controller_pk=?)"),
            (ActivityOrder::Sequence, "activities_by_sequence (controller_pk=?)"),
        ] {
            let filter = ActivityFilter {
                controller,
                order,
                ..ActivityFilter::default()
            };
            let plan = plan(store, &mut activities::list(&filter, None, page)).await;
            assert!(plan.contains(step) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    });
}

#[test]
fn links_are_found_by_either_index() {
    with_a_store(async |store| {
        let asked = [(1, LinkHash([1; 32])), (2, LinkHash([2; 32]))];
        let late = plan(store, &mut links::joined(Way::Late, &asked, 9)).await;
        for step in [
            "SEARCH i USING PRIMARY KEY (prefix=?)",
            "SEARCH l USING INTEGER PRIMARY KEY (rowid=?)",
        ] {
            assert!(late.contains(step), "{late}");
        }
        sqlx::query("CREATE UNIQUE INDEX links_by_hash ON links (controller_pk, hash, subject)")
            .execute(&store.writer)
            .await
            .unwrap();
        let former = plan(store, &mut links::joined(Way::Former, &asked, 9)).await;
        assert!(
            former.contains("links_by_hash (controller_pk=? AND hash=?)"),
            "{former}"
        );
    });
}

#[test]
fn what_belongs_to_one_controller_is_not_looked_for_among_all() {
    with_a_store(async |store| {
        let controller = ControllerId::generate();
        let page = Page { after: None, limit: 50 };
        for mut query in [
            integrations::sizes(Some(controller), page),
            integrations::select(Some(controller), None, None),
            settings::limits(Some(controller)),
            events::outcome_sums(Some(controller)),
            events::checkpoints("node", Some(controller)),
        ] {
            let plan = plan(store, &mut query).await;
            assert!(!plan.contains("SCAN"), "{plan}");
        }
    });
}

#[test]
fn what_a_batch_moves_is_found_by_its_place() {
    with_a_store(async |store| {
        let checkpoint = Checkpoint {
            controller: ControllerId::generate(),
            from: Sequence(3),
            through: Sequence(4),
        };
        let end = ChainEnd {
            head: ChainHead::EMPTY,
            seal: None,
        };
        let moves = [(1, &checkpoint), (2, &checkpoint)];
        let ends = [(1, end, PerOutcome::default()), (2, end, PerOutcome::default())];
        for mut query in [effects::moved_checkpoints("node", &moves), effects::moved_heads(&ends)] {
            let plan = plan(store, &mut query).await;
            assert!(!plan.contains("SCAN c") && !plan.contains("SCAN k"), "{plan}");
        }
    });
}

fn with_a_store(test: impl AsyncFnOnce(&SqliteStore)) {
    let dir = tempfile::tempdir().unwrap();
    actix_web::rt::System::new().block_on(async {
        let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
        let path = dir.path().join("conduit.db");
        let store = SqliteStore::open(&path, "node", keyring).await.unwrap();
        test(&store).await;
        store.readers.close().await;
    });
}
