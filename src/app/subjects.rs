//! Data subjects.

use std::sync::Arc;

use conduit_actors::ids::{ControllerId, EventId, SubjectDid, SubjectId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::identifier::Identifier;
use super::list::json_cell;
use super::{Error, List, Noun, Principal, Record, Services};
use crate::store::{Page, SubjectRow};

const MAX_FOUND: usize = 50;

/// A data subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subject {
    /// Its DID, pseudonymous.
    pub(crate) did: SubjectDid,
    /// `triggeredAt` of its earliest event.
    pub(crate) first_seen_at: Timestamp,
    /// `triggeredAt` of its latest event.
    pub(crate) last_seen_at: Timestamp,
    /// Activities that concern or name it, including those of merged subjects.
    pub(crate) activity_count: u64,
    /// The identifiers that are linked to it, as keyed hashes; these are not shown.
    pub(crate) links: Vec<Link>,
    /// The subjects that were merged into it, and why.
    pub(crate) merges: Vec<Merge>,
    #[serde(skip)]
    pub(crate) id: SubjectId,
}

/// A keyed hash of one identifier of a data subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    /// The category of the identifier.
    pub(crate) category: String,
    /// The version of the key that it is hashed with.
    pub(crate) key_version: u32,
    /// When it was seen first.
    pub(crate) first_seen_at: Timestamp,
}

/// A data subject that turned out to be another one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Merge {
    /// The one that was merged.
    pub(crate) from: SubjectDid,
    /// When.
    pub(crate) at: Timestamp,
    /// The event that showed that they are one.
    pub(crate) event_id: EventId,
    /// The categories of the identifiers that they share.
    pub(crate) evidence: Vec<String>,
}

impl From<SubjectRow> for Subject {
    fn from(row: SubjectRow) -> Self {
        let links = row.links.into_iter().map(|link| Link {
            category: link.category,
            key_version: link.key_version,
            first_seen_at: link.first_seen_at,
        });
        let merges = row.merges.into_iter().map(|merge| Merge {
            from: merge.from.did(),
            at: merge.at,
            event_id: merge.event,
            evidence: merge.evidence,
        });
        Self {
            did: row.id.did(),
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            activity_count: row.activity_count,
            links: links.collect(),
            merges: merges.collect(),
            id: row.id,
        }
    }
}

/// Subjects of a controller, or of all, newest first.
pub(crate) struct Subjects {
    services: Arc<Services>,
    controller: Option<ControllerId>,
}

impl List for Subjects {
    type Item = Subject;
    type Place = SubjectId;

    async fn page(&self, after: Option<SubjectId>, limit: usize) -> Result<Vec<Subject>, Error> {
        // Deleted in the middle of an export: the rest must not look complete.
        if let Some(controller) = self.controller
            && self.services.directory.did(controller).is_none()
        {
            return Err(Error::NotFound(Noun::Controller));
        }
        let found = self
            .services
            .store
            .subjects(self.controller, Page { after, limit })
            .await?;
        Ok(found.into_iter().map(Subject::from).collect())
    }

    fn place(&self, item: &Subject) -> SubjectId {
        item.id
    }
}

impl Subjects {
    /// Makes the list.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the list reaches further than the principal may see.
    pub(crate) fn new(
        principal: &Principal,
        services: Arc<Services>,
        controller: Option<ControllerId>,
    ) -> Result<Self, Error> {
        principal.check_filter(&services, controller)?;
        Ok(Self { services, controller })
    }
}

/// Returns a page of the subjects of one controller, or of all, newest first.
///
/// # Errors
/// [`Error::NotFound`] if the list reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn list(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    page: Page<SubjectId>,
) -> Result<Vec<SubjectRow>, Error> {
    principal.check_filter(services, controller)?;
    Ok(services.store.subjects(controller, page).await?)
}

/// Returns a subject. A merged subject answers as the subject that it was merged into.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn find(principal: &Principal, services: &Services, did: &str) -> Result<SubjectRow, Error> {
    let missing = || Error::NotFound(Noun::Subject);
    let did: SubjectDid = did.parse().map_err(|_| missing())?;
    services
        .store
        .subject(&did)
        .await?
        .filter(|row| principal.sees(services, row.controller))
        .ok_or_else(missing)
}

/// Returns the subjects that an identifier is linked to. The identifier is hashed, and neither stored nor logged.
///
/// # Errors
/// The identifier has faults; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn by_identifier(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    identifier: &Identifier,
) -> Result<Vec<SubjectRow>, Error> {
    principal.check_filter(services, Some(controller))?;
    let hashes = identifier.hashes(services, controller, "").await?;
    Ok(services.store.subjects_by_link(controller, &hashes, MAX_FOUND).await?)
}

impl Record for Subject {
    const LIST: &'static str = "subjects";
    const COLUMNS: &'static [&'static str] = &["did", "firstSeenAt", "lastSeenAt", "activityCount", "links", "merges"];
    // Each may have a thousand links and merges.
    const PAGE: usize = 100;

    fn cells(&self) -> Vec<String> {
        vec![
            self.did.to_string(),
            self.first_seen_at.to_string(),
            self.last_seen_at.to_string(),
            self.activity_count.to_string(),
            json_cell(&self.links),
            json_cell(&self.merges),
        ]
    }
}
