//! Which database this is, which data directories belong to it, and which process serves each of them.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::StoreError;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

use super::rows::{self, Columns};

/// Names a database: its data directories have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceId(Uuid);

impl InstanceId {
    /// Makes a new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    pub(super) const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for InstanceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The database's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// The id.
    pub id: InstanceId,
    /// Derived from the master key: tells another key from the right one.
    pub key_check: [u8; 32],
}

/// The result of a look at a database that is not opened yet: nothing in it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether it has Conduit's tables, in any version.
    pub has_tables: bool,
    /// Its name. Databases of earlier versions have none.
    pub instance: Option<Instance>,
}

/// A process that serves a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id of the data directory's journal.
    pub node: String,
    /// Names the process.
    pub process: Uuid,
    /// The machine's name.
    pub host: String,
    /// The process's number there.
    pub pid: u32,
    /// A run of one system, and a file there: a later holder of that file's lock knows that this process is gone.
    pub place: String,
    /// Counts while the process lives.
    pub beats: u64,
}

/// See the module's docs. Every method that changes something is one transaction.
#[async_trait]
pub trait Membership: Send + Sync {
    /// Returns the database's name, if it has one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn instance(&self) -> Result<Option<Instance>, StoreError>;

    /// Names the database unless it has a name; returns the name that it has then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn name_instance(&self, instance: &Instance) -> Result<Instance, StoreError>;

    /// Returns the nodes that the database knows: those that joined, and those whose journals it has checkpoints of.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn nodes(&self) -> Result<Vec<String>, StoreError>;

    /// Returns the ids of deleted controllers.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn deleted_controllers(&self) -> Result<Vec<ControllerId>, StoreError>;

    /// Takes these controllers for deleted from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_deleted(&self, controllers: &[ControllerId], now: Timestamp) -> Result<(), StoreError>;

    /// Returns the processes that would conflict with one of this node: any on SQLite, and those of the same node on
    /// PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn holders(&self) -> Result<Vec<Holder>, StoreError>;

    /// Makes this node join, held by this process. Processes in `gone` give way. Returns `false` if another process is
    /// in the way.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take_hold(&self, holder: &Holder, gone: &[Uuid], now: Timestamp) -> Result<bool, StoreError>;

    /// Counts a beat of this process. `false` if the node is held by another one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn beat(&self, holder: &Holder, now: Timestamp) -> Result<bool, StoreError>;

    /// Gives the node up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn let_go(&self, holder: &Holder) -> Result<(), StoreError>;
}

pub(super) fn instance_row(row: &impl Columns) -> Result<Instance, StoreError> {
    Ok(Instance {
        id: InstanceId(rows::uuid(row, "id")?),
        key_check: rows::bytes(row, "key_check")?,
    })
}

pub(super) fn holder_row(row: &impl Columns) -> Result<Holder, StoreError> {
    Ok(Holder {
        node: rows::text(row, "node")?,
        process: rows::uuid(row, "process")?,
        host: rows::optional_text(row, "host")?.unwrap_or_default(),
        pid: rows::optional_count(row, "pid")?.unwrap_or_default(),
        place: rows::optional_text(row, "place")?.unwrap_or_default(),
        beats: rows::count(row, "beats")?,
    })
}

pub(super) fn deleted_row(row: &impl Columns) -> Result<ControllerId, StoreError> {
    rows::uuid(row, "id").map(ControllerId::from_uuid)
}
