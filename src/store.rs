//! The store: controllers, integrations, subjects, the audit log, and what became of every event.
//!
//! One trait, [`Store`], with an implementation for each database. It is the sum of role traits: each is in the file of its
//! noun, here and in the folder of each database. The pipeline sees the part of it that it needs,
//! `conduit_actors::ports::PipelineStore`; the rest serves management and queries. Times are milliseconds since 1970-01-01;
//! lists are newest first and paged by the last id seen.

mod activities;
mod attention;
mod ceilings;
mod chain_ends;
mod chains;
mod changes;
mod commit;
mod connections;
mod controllers;
mod conversion;
mod credentials;
mod error;
mod events;
mod heads;
mod history;
mod integrations;
mod membership;
pub mod migrations;
mod new_links;
mod page;
mod payloads;
mod postgres;
mod receipt_keys;
mod replays;
mod retention;
mod retired;
mod rows;
mod seals;
mod search;
mod settings;
mod sqlite;
mod subjects;
mod survivors;
mod values;

use conduit_actors::ports::PipelineStore;

pub use activities::{Activities, ActivityCursor, ActivityFilter, ActivityOrder};
pub use attention::{Attention, Unsettled};
pub use changes::{ChangeFeed, Changed, Changes, DirectoryVersion};
pub use connections::Connections;
pub use controllers::{ControllerRow, Controllers};
pub use conversion::Conversion;
pub use credentials::{CredentialLedger, CredentialVersion, CredentialVersions, GraceEnded, RetiredBecause};
pub use error::ChangeError;
pub use events::{EventFilter, EventRow, Events, OutcomeCounts, StoredClaim, Streams};
pub use heads::{HeadBook, INTERVAL as HEADS_INTERVAL};
pub use history::{History, HistoryRow, Resolution};
pub use integrations::{IntegrationRow, IntegrationSize, Integrations};
pub use membership::{Holder, Instance, InstanceId, Look, Membership};
pub use page::Page;
pub(crate) use postgres::check_address;
pub use postgres::{OpenError, PostgresOptions, PostgresStore};
pub use receipt_keys::{ReceiptKeyRow, ReceiptKeys};
pub use replays::{
    MAX_RUNNING, NewReplay, NextBatch, PastOutcome, REPLAYABLE, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus,
    Replays,
};
pub use retention::{ChainAnchor, Expired, Expiring, Expiry, Retained};
pub use retired::{PlaceholderPerson, RetiredLinks};
pub use seals::{ChainSeals, RecordedEnd, SealState};
pub use search::PersonSearch;
pub use settings::{ControllerSettings, LimitsRow};
pub use sqlite::SqliteStore;
pub use subjects::{SubjectLink, SubjectMerge, SubjectRow, Subjects};

/// All that a database is to Conduit: the pipeline's part, management and queries.
pub trait Store:
    PipelineStore
    + Controllers
    + Integrations
    + CredentialLedger
    + ControllerSettings
    + Events
    + Replays
    + Activities
    + ChainSeals
    + Subjects
    + PersonSearch
    + RetiredLinks
    + Attention
    + History
    + Retained
    + ReceiptKeys
    + Membership
    + Connections
    + Conversion
{
}

impl<S> Store for S where
    S: PipelineStore
        + Controllers
        + Integrations
        + CredentialLedger
        + ControllerSettings
        + Events
        + Replays
        + Activities
        + ChainSeals
        + Subjects
        + PersonSearch
        + RetiredLinks
        + Attention
        + History
        + Retained
        + ReceiptKeys
        + Membership
        + Connections
        + Conversion
{
}
