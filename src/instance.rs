//! Whether a data directory and a database belong together. Both have the database's id. The directory's own id
//! (`node.id`) belongs to its journal. A start with a stranger would lose the events of the journal: their controllers
//! are unknown to that database, and unknown controllers otherwise count as deleted.
//! ```text
//!  instance.id          the database's id
//!  node.id              the journal's id, by which the database has its checkpoints
//!  journal/node.id      the same, so that a foreign node.id is noticed
//!  journal.record       which segments the journal had, so that vanished ones are noticed
//! ```
//!
//! A start has this order. The files are read ([`Home::open`]). [`judge`] looks at the database, before it gets tables.
//! The database opens. The journal is read, and stays unchanged. [`admit`] decides. The files are written. Only then segments are released and events numbered. Each
//! refusal names its way out. `conduit adopt` is the last way: it makes directory and database belong together.

mod decide;
mod files;
pub(crate) mod hold;
mod presence;

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use conduit_actors::ids::{ControllerId, Timestamp};

use crate::config::Config;
use crate::journal::{Findings, JournalRecord, RecordContent};
use crate::keys::Keyring;
use crate::store::{EventFilter, Instance, InstanceId, Look, Page, Store};
pub use decide::Refusal;
use decide::{Case, decide};
pub(crate) use files::{DirectoryFiles, Home, new_node};
pub(crate) use presence::Presence;

/// How many streams are compared with the database's events.
const COMPARED: usize = 256;

/// Refuses a database by a look at it, before it gets tables or other versions of them.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn judge(home: &Home, config: &Config, look: &Look, keyring: &Keyring) -> Result<(), Refusal> {
    if !look.has_tables {
        let dir = config.storage.data_dir.clone();
        let database = config.database().to_string();
        return match home.instance {
            Some(of_directory) => Err(Refusal::NewDatabase {
                dir,
                database,
                of_directory,
            }),
            None if home.has_segments => Err(Refusal::NoTables { dir, database }),
            None => Ok(()),
        };
    }
    compare(home, config, look.instance, keyring)
}

/// Refuses another database and another master key by their ids, before anything is read.
///
/// # Errors
/// [`Refusal`], or that the database cannot be read.
pub(crate) async fn compare_ids(home: &Home, config: &Config, store: &dyn Store, keyring: &Keyring) -> Result<()> {
    Ok(compare(home, config, store.instance().await?, keyring)?)
}

fn compare(home: &Home, config: &Config, named: Option<Instance>, keyring: &Keyring) -> Result<(), Refusal> {
    let Some(named) = named else {
        return Ok(());
    };
    if let Some(of_directory) = home.instance.filter(|id| *id != named.id) {
        return Err(Refusal::OtherDatabase {
            dir: config.storage.data_dir.clone(),
            database: config.database().to_string(),
            of_directory,
            of_database: named.id,
        });
    }
    if named.key_check != keyring.key_check() {
        return Err(Refusal::OtherMasterKey);
    }
    Ok(())
}

/// Decides whether the directory with this journal belongs to the database, and if it does, writes that down on both sides.
///
/// # Errors
/// [`Refusal`], or that one of the two cannot be read or written.
pub(crate) async fn admit(
    home: &Home,
    config: &Config,
    store: &dyn Store,
    keyring: &Keyring,
    findings: &Findings,
) -> Result<JournalRecord> {
    let named = store.instance().await?;
    let case = case(home, config, store, findings, named.map(|named| named.id)).await?;
    decide(&case)?;
    bind(home, store, keyring, findings, named.map(|named| named.id)).await
}

/// Returns the losses if the two were used together, for any ids.
pub(crate) async fn losses(
    home: &Home,
    config: &Config,
    store: &dyn Store,
    findings: &Findings,
) -> Result<Vec<Refusal>> {
    let named = store.instance().await?;
    Ok(decide::losses(
        &case(home, config, store, findings, named.map(|named| named.id)).await?,
    ))
}

/// Writes down that the two belong together.
pub(crate) async fn bind(
    home: &Home,
    store: &dyn Store,
    keyring: &Keyring,
    findings: &Findings,
    named: Option<InstanceId>,
) -> Result<JournalRecord> {
    let instance = Instance {
        id: named.or(home.instance).unwrap_or_else(InstanceId::generate),
        key_check: keyring.key_check(),
    };
    let instance = store.name_instance(&instance).await?;
    if instance.key_check != keyring.key_check() {
        return Err(Refusal::OtherMasterKey.into());
    }
    let noted = RecordContent {
        newest: findings.newest.unwrap_or(1),
        has_events: findings.events > 0,
    };
    home.forget_end()?;
    // The row that says that all are there comes last.
    let record = JournalRecord::begin(home.record_path(), noted)
        .with_context(|| format!("cannot write {}", home.record_path().display()))?;
    home.write_node()?;
    home.write_instance(instance.id)?;
    Ok(record)
}

async fn case(
    home: &Home,
    config: &Config,
    store: &dyn Store,
    findings: &Findings,
    database: Option<InstanceId>,
) -> Result<Case> {
    let deleted: HashSet<ControllerId> = store.deleted_controllers().await?.into_iter().collect();
    let nodes = store.nodes().await?;
    let checkpoints = store.checkpoints().await?;
    let has_controllers = !store.controllers().await?.is_empty();
    let is_known_node = nodes.iter().any(|node| node == home.node());
    let mut unknown: Vec<(ControllerId, u64)> = findings
        .unknown
        .iter()
        .filter(|(controller, _)| !deleted.contains(controller))
        .map(|(controller, events)| (*controller, *events))
        .collect();
    let is_upgrade = home.instance.is_none() && is_known_node && store.change_feed().is_none();
    if is_upgrade && !unknown.is_empty() {
        // Before this version, nothing was noted of deleted controllers. A database that is newer than the controller knew it.
        let newest = store
            .events(&EventFilter::default(), Page { after: None, limit: 1 })
            .await?;
        if let Some(newest) = newest.first() {
            let newest = newest.id.received_at();
            unknown.retain(|(controller, _)| !is_older(*controller, newest));
        }
    }
    Ok(Case {
        data_dir: config.storage.data_dir.clone(),
        database: config.database().to_string(),
        of_directory: home.instance,
        of_database: database,
        has_controllers,
        is_known_node,
        unknown,
        known_streams: findings.streams.len(),
        newest: findings.newest,
        newest_bytes: findings.newest_bytes,
        noted: home.noted,
        end: home.end,
        has_checkpoints: checkpoints.iter().any(|(_, sequence)| sequence.0 > 0),
        done_elsewhere: is_done_elsewhere(store, findings).await?,
        never_done: home.is_unsigned() && is_never_done(store, findings, kept_since(config)).await?,
    })
}

/// Returns whether the database has had an event well after the creation of the controller.
fn is_older(controller: ControllerId, newest_event: Timestamp) -> bool {
    /// Longer than it takes to store a controller under the id that it was given.
    const MARGIN_MS: i64 = 60_000;
    made_at(controller) + MARGIN_MS < newest_event.as_millis()
}

/// Returns the time at which an id was made.
fn made_at(controller: ControllerId) -> i64 {
    let mut wide = [0_u8; 8];
    wide[2..].copy_from_slice(&controller.as_bytes()[..6]);
    i64::from_be_bytes(wide)
}

/// Returns the time since which no received event can have been deleted by its age.
fn kept_since(config: &Config) -> Timestamp {
    const DAY_MS: i64 = 86_400_000;
    match i64::from(config.retention.event_days) {
        0 => Timestamp::from_millis(0),
        days => Timestamp::from_millis(Timestamp::now().as_millis() - days * DAY_MS / 2),
    }
}

/// Returns whether the database already has events that are unprocessed by its checkpoint for this journal. It then
/// processed them under another id of the journal.
async fn is_done_elsewhere(store: &dyn Store, findings: &Findings) -> Result<bool> {
    for sides in findings.streams.values().take(COMPARED) {
        if let Some(event) = sides.behind
            && store.event(event).await?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether the database lacks all events that are processed by its checkpoint for this journal. The checkpoint
/// then belongs to another journal.
async fn is_never_done(store: &dyn Store, findings: &Findings, kept_since: Timestamp) -> Result<bool> {
    let before = findings.streams.values().filter_map(|sides| sides.before);
    let before: Vec<_> = before.filter(|event| event.received_at() >= kept_since).collect();
    for event in before.iter().take(COMPARED) {
        if store.event(*event).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(!before.is_empty())
}
