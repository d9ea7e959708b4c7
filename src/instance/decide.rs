//! The decision, by what both sides say.

use std::path::PathBuf;

use conduit_actors::ids::ControllerId;

use crate::counts::counted;
use crate::journal::{DurableEnd, RecordContent};
use crate::store::InstanceId;

/// The known facts about a directory and a database.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) data_dir: PathBuf,
    /// The database, as it is shown.
    pub(super) database: String,
    pub(super) of_directory: Option<InstanceId>,
    pub(super) of_database: Option<InstanceId>,
    pub(super) has_controllers: bool,
    /// The database has heard of this journal before.
    pub(super) is_known_node: bool,
    /// Controllers of the journal that the database neither knows nor deleted, with their events.
    pub(super) unknown: Vec<(ControllerId, u64)>,
    /// Controllers of the journal that the database knows.
    pub(super) known_streams: usize,
    pub(super) newest: Option<u64>,
    pub(super) newest_bytes: u64,
    pub(super) noted: Option<RecordContent>,
    /// How far this directory knows the newest segment to have been acknowledged.
    pub(super) end: Option<DurableEnd>,
    /// The database has processed events of this journal.
    pub(super) has_checkpoints: bool,
    pub(super) done_elsewhere: bool,
    pub(super) never_done: bool,
}

/// Why a directory and a database are not taken together. Nothing was changed in either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The messages say it.
pub enum Refusal {
    #[error(
        "the data directory {dir} belongs to another database: it has the instance {of_directory}, and {database} is the \
         instance {of_database}. Nothing was changed. Check storage.database_url and storage.data_dir; for a new node, name \
         an empty directory; or, if the two are to belong together from now on, run `conduit adopt` with this configuration"
    )]
    OtherDatabase {
        dir: PathBuf,
        database: String,
        of_directory: InstanceId,
        of_database: InstanceId,
    },
    #[error(
        "{database} is a new or another database: the data directory {dir} belongs to the instance {of_directory}. Nothing \
         was changed. Check storage.database_url, and whether the database's disk is mounted; restore the database from a \
         backup; or, to begin anew with this one, name an empty data directory, or run `conduit adopt` with this configuration"
    )]
    NewDatabase {
        dir: PathBuf,
        database: String,
        of_directory: InstanceId,
    },
    #[error(
        "{database} has no tables of Conduit, and the data directory {dir} has a journal with events. Nothing was changed. \
         Check storage.database_url, and whether the database's disk is mounted; or restore the database from a backup. To \
         give up the journal's events and begin anew with this database, run `conduit adopt --discard-events` with this \
         configuration"
    )]
    NoTables { dir: PathBuf, database: String },
    #[error(
        "the journal in {dir} has {events} of {controllers} that {database} does not know (one is \
         {example}). Nothing was changed. Check storage.database_url and storage.data_dir, or restore a newer backup of the \
         database. If these controllers were deleted or their events are to be given up, run `conduit adopt \
         --discard-events` with this configuration"
    )]
    UnknownControllers {
        dir: PathBuf,
        database: String,
        controllers: String,
        events: String,
        example: ControllerId,
    },
    #[error(
        "segments of the journal in {dir} have vanished: {what}. Nothing was changed. Check that the disk is mounted, and put \
         the journal's files back. To go on without the events in them, run `conduit adopt --discard-events` with this \
         configuration"
    )]
    Vanished { dir: PathBuf, what: String },
    #[error(
        "the newest segment of the journal in {dir} is damaged: {what}. Nothing was changed. Check the disk, and put \
         the journal's files back from a copy, if there is one. To go on without these events, run `conduit adopt \
         --discard-events` with this configuration"
    )]
    Damaged { dir: PathBuf, what: String },
    #[error(
        "node.id in {dir} is not the id of the journal beside it: {what}. Nothing was changed. Put back the node.id that the \
         journal was written with: `conduit adopt` does so, with `--node ID` if it cannot tell the id. To go on with an empty journal, run `conduit adopt \
         --discard-events`, which sets this one aside"
    )]
    ForeignNode { dir: PathBuf, what: String },
    #[error(
        "node.id in {dir} is missing, but the journal beside it was written under one{by}. Nothing was changed. Put the file \
         back, or run `conduit adopt` with this configuration, which does so"
    )]
    LostNode { dir: PathBuf, by: String },
    #[error(
        "the master key is not the one that this database was made with. Nothing was changed. Restore the key, or name the \
         right one in CONDUIT_MASTER_KEY_FILE"
    )]
    OtherMasterKey,
}

/// Decides on a database without an id, or with the directory's id.
pub(super) fn decide(case: &Case) -> Result<(), Refusal> {
    if let (Some(of_directory), None) = (case.of_directory, case.of_database)
        // A database of an earlier version, such as a backup, has no id yet. Its content identifies it.
        && !is_recognised(case)
    {
        return Err(Refusal::NewDatabase {
            dir: case.data_dir.clone(),
            database: case.database.clone(),
            of_directory,
        });
    }
    losses(case).into_iter().next().map_or(Ok(()), Err)
}

/// Returns the losses that a start would cause, for any ids.
pub(super) fn losses(case: &Case) -> Vec<Refusal> {
    let mut losses = Vec::new();
    let dir = case.data_dir.join("journal");
    if let Some((example, _)) = case.unknown.first() {
        let events = case.unknown.iter().map(|(_, events)| events).sum();
        losses.push(Refusal::UnknownControllers {
            dir: dir.clone(),
            database: case.database.clone(),
            controllers: counted(case.unknown.len() as u64, "controller", "controllers"),
            events: counted(events, "event", "events"),
            example: *example,
        });
    }
    if let Some(what) = vanished(case) {
        losses.push(Refusal::Vanished { dir, what });
    } else if let Some(end) = case.end
        && case.newest == Some(end.segment)
        && case.newest_bytes < end.bytes
    {
        let what = cut(end, case.newest_bytes);
        losses.push(Refusal::Damaged { dir, what });
    }
    if case.done_elsewhere {
        let what = "the database has processed events under another id that by this id are still to be processed";
        losses.push(foreign(case, what));
    } else if case.never_done {
        let what = "the database has none of the events that by this id it has processed";
        losses.push(foreign(case, what));
    }
    losses
}

fn foreign(case: &Case, what: &str) -> Refusal {
    Refusal::ForeignNode {
        dir: case.data_dir.clone(),
        what: what.to_owned(),
    }
}

/// Returns whether a database without an id is still recognised as the directory's.
const fn is_recognised(case: &Case) -> bool {
    case.has_controllers && (case.is_known_node || case.known_streams > 0)
}

/// Describes a segment that now has these bytes.
pub(super) fn cut(end: DurableEnd, bytes: u64) -> String {
    let (number, had) = (end.segment, end.bytes);
    format!("number {number} had {had} bytes of events that were acknowledged, and has {bytes} now")
}

fn vanished(case: &Case) -> Option<String> {
    let has = case.newest.map_or_else(
        || "there is none now".to_owned(),
        |newest| format!("the newest is now number {newest}"),
    );
    match case.noted {
        Some(noted) if noted.has_events && case.newest.is_none_or(|newest| newest < noted.newest) => {
            Some(format!("they went up to number {}, and {has}", noted.newest))
        }
        None if case.of_directory.is_some() => {
            Some("the file journal.record, which says what there was, is gone".to_owned())
        }
        _ if case.newest.is_none() && case.has_checkpoints => {
            Some("the database has processed events of this journal, and there is no segment now".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a directory and a database that belong together.
    fn pair() -> Case {
        let id = InstanceId::generate();
        Case {
            data_dir: "/d".into(),
            database: "db".to_owned(),
            of_directory: Some(id),
            of_database: Some(id),
            has_controllers: true,
            is_known_node: true,
            unknown: Vec::new(),
            known_streams: 1,
            newest: Some(3),
            newest_bytes: 900,
            end: Some(DurableEnd { segment: 3, bytes: 900 }),
            noted: Some(RecordContent {
                newest: 3,
                has_events: true,
            }),
            has_checkpoints: true,
            done_elsewhere: false,
            never_done: false,
        }
    }

    /// Returns a directory that was never written to.
    fn empty() -> Case {
        Case {
            of_directory: None,
            of_database: None,
            has_controllers: false,
            is_known_node: false,
            known_streams: 0,
            newest: None,
            newest_bytes: 0,
            end: None,
            noted: None,
            has_checkpoints: false,
            ..pair()
        }
    }

    #[test]
    fn pairs_new_nodes_and_pairs_without_ids_are_taken() {
        let named = Some(InstanceId::generate());
        let new_node = Case {
            of_database: named,
            has_controllers: true,
            ..empty()
        };
        let before_ids = Case {
            of_directory: None,
            of_database: None,
            noted: None,
            ..pair()
        };
        let other_node_first = Case {
            of_database: named,
            ..before_ids.clone()
        };
        let older_backup = Case {
            of_database: None,
            ..pair()
        };
        let nothing_happened_yet = Case {
            newest: None,
            noted: Some(RecordContent {
                newest: 1,
                has_events: false,
            }),
            has_checkpoints: false,
            ..pair()
        };
        for case in [
            pair(),
            empty(),
            new_node,
            before_ids,
            other_node_first,
            older_backup,
            nothing_happened_yet,
        ] {
            assert_eq!(decide(&case), Ok(()), "{case:?}");
        }
    }

    #[test]
    fn strangers_are_refused_and_the_way_out_is_named() {
        let unknown = vec![(ControllerId::generate(), 974)];
        let cases = [
            (
                Case {
                    of_database: None,
                    has_controllers: false,
                    is_known_node: false,
                    known_streams: 0,
                    ..pair()
                },
                "`conduit adopt`",
            ),
            (
                Case {
                    unknown: unknown.clone(),
                    ..pair()
                },
                "974 events",
            ),
            // Ids on neither side: an earlier version's directory, and a new database.
            (
                Case {
                    of_directory: None,
                    of_database: None,
                    has_controllers: false,
                    known_streams: 0,
                    unknown,
                    ..pair()
                },
                "--discard-events",
            ),
            (Case { newest: None, ..pair() }, "there is none now"),
            (
                Case {
                    newest: Some(2),
                    ..pair()
                },
                "number 2",
            ),
            (
                Case { noted: None, ..pair() },
                "journal.record, which says what there was, is gone",
            ),
            // An earlier version's directory.
            (
                Case {
                    of_directory: None,
                    of_database: None,
                    newest: None,
                    noted: None,
                    ..pair()
                },
                "no segment now",
            ),
            (
                Case {
                    done_elsewhere: true,
                    ..pair()
                },
                "--node ID",
            ),
            (
                Case {
                    never_done: true,
                    ..pair()
                },
                "--node ID",
            ),
        ];
        for (case, words) in cases {
            let refusal = decide(&case).unwrap_err().to_string();
            assert!(
                refusal.contains(words) && refusal.contains("Nothing was changed"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn damage_at_the_end_of_what_was_acknowledged_is_refused() {
        let case = Case {
            newest_bytes: 899,
            ..pair()
        };
        let refusal = decide(&case).unwrap_err().to_string();
        assert!(
            refusal.contains("had 900 bytes of events that were acknowledged, and has 899 now"),
            "{refusal}"
        );
        assert!(refusal.contains("Nothing was changed"), "{refusal}");
    }
}
