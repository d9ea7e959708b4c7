//! The audit log.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::event::{Activity, LegalBasis};
use conduit_actors::ids::{
    ActivityId, ControllerId, EventId, EventType, IntegrationId, ProcessorId, Sequence, Timestamp,
};
use conduit_actors::ports::ChainHead;
use schemars::JsonSchema;
use serde::Serialize;

use super::events::dids;
use super::subjects;
use super::{Error, List, Noun, Principal, Record, Services};
use crate::audit::{self, ChainStep};
use crate::store::{ActivityCursor, ActivityFilter, Page};

/// A processing activity: one record of the audit log, chained to the one before it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Activity")]
pub(crate) struct ActivityRecord {
    /// Its id.
    pub(crate) activity_id: ActivityId,
    /// Its place in the controller's chain.
    pub(crate) sequence: Sequence,
    /// The event that it records.
    pub(crate) event_id: EventId,
    /// The data subject that it concerns, pseudonymous; null if the event identified nobody.
    pub(crate) subject: Option<String>,
    /// The other data subjects that the event names, pseudonymous.
    pub(crate) other_subjects: Vec<String>,
    /// The integration that the event came by.
    pub(crate) integration_id: IntegrationId,
    /// The processor that the event came from.
    pub(crate) data_processor_id: ProcessorId,
    /// The event's type.
    pub(crate) event: EventType,
    /// The purpose of the processing.
    pub(crate) purpose: Option<Arc<str>>,
    /// Why that is lawful.
    pub(crate) legal_basis: Option<LegalBasis>,
    /// The categories of personal data in the event, sorted, each once.
    pub(crate) categories: Vec<Arc<str>>,
    /// When it happened, as the event's sender says.
    pub(crate) triggered_at: Timestamp,
    /// When it was recorded.
    pub(crate) logged_at: Timestamp,
    /// SHA3-256 of the record and of `previousHash`, in hexadecimal.
    pub(crate) hash: String,
    /// The hash of the record before; zeros for the first.
    pub(crate) previous_hash: String,
}

impl From<Activity> for ActivityRecord {
    fn from(activity: Activity) -> Self {
        Self {
            activity_id: activity.id,
            sequence: activity.sequence,
            event_id: activity.event,
            subject: activity.subject.map(|subject| subject.did().to_string()),
            other_subjects: dids(&activity.other_subjects),
            integration_id: activity.integration,
            data_processor_id: activity.processor,
            event: activity.event_type,
            purpose: activity.purpose,
            legal_basis: activity.legal_basis,
            categories: activity.categories,
            triggered_at: activity.triggered_at,
            logged_at: activity.logged_at,
            hash: activity.hash.to_string(),
            previous_hash: activity.previous_hash.to_string(),
        }
    }
}

/// Activities under a filter, newest first.
pub(crate) struct Activities {
    services: Arc<Services>,
    filter: ActivityFilter,
}

impl List for Activities {
    type Item = ActivityRecord;
    type Place = ActivityCursor;

    async fn page(&self, after: Option<ActivityCursor>, limit: usize) -> Result<Vec<ActivityRecord>, Error> {
        // Deleted in the middle of an export: the rest must not look complete.
        if let Some(controller) = self.filter.controller
            && self.services.directory.did(controller).is_none()
        {
            return Err(Error::NotFound(Noun::Controller));
        }
        let found = self
            .services
            .store
            .activities(&self.filter, Page { after, limit })
            .await?;
        Ok(found.into_iter().map(ActivityRecord::from).collect())
    }

    fn place(&self, item: &ActivityRecord) -> ActivityCursor {
        ActivityCursor {
            triggered_at: item.triggered_at,
            event: item.event_id,
            sequence: item.sequence,
        }
    }
}

/// Refuses a filter that reaches further than the principal may see. A filter that has a subject alone reaches the
/// subject's controller.
async fn check(principal: &Principal, services: &Services, filter: &ActivityFilter) -> Result<(), Error> {
    let (None, Some(subject), Principal::Controller(_)) = (filter.controller, filter.subject, principal) else {
        return principal.check_filter(services, filter.controller);
    };
    subjects::find(principal, services, &subject.did().to_string()).await?;
    Ok(())
}

/// Returns a page of activities, newest first.
///
/// # Errors
/// [`Error::NotFound`] if the filter reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn list(
    principal: &Principal,
    services: &Services,
    filter: &ActivityFilter,
    page: Page<ActivityCursor>,
) -> Result<Vec<Activity>, Error> {
    check(principal, services, filter).await?;
    Ok(services.store.activities(filter, page).await?)
}

/// Verifies a controller's chain, from its beginning or from a record up to which it was found good, for about as long as
/// `time`.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn verify(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    from: Option<ChainHead>,
    time: Duration,
) -> Result<ChainStep, Error> {
    principal.check_filter(services, Some(controller))?;
    Ok(audit::verify_for(&*services.store, controller, from, time).await?)
}

impl Activities {
    /// Makes the list.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the filter reaches further than the principal may see.
    pub(crate) async fn new(
        principal: &Principal,
        services: Arc<Services>,
        filter: ActivityFilter,
    ) -> Result<Self, Error> {
        check(principal, &services, &filter).await?;
        Ok(Self { services, filter })
    }
}

impl Record for ActivityRecord {
    const LIST: &'static str = "activities";
    const COLUMNS: &'static [&'static str] = &[
        "activityId",
        "sequence",
        "eventId",
        "subject",
        "integrationId",
        "dataProcessorId",
        "event",
        "purpose",
        "legalBasis",
        "categories",
        "triggeredAt",
        "loggedAt",
        "hash",
        "previousHash",
        "otherSubjects",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.activity_id.to_string(),
            self.sequence.to_string(),
            self.event_id.to_string(),
            self.subject.clone().unwrap_or_default(),
            self.integration_id.to_string(),
            self.data_processor_id.to_string(),
            self.event.to_string(),
            self.purpose.as_deref().unwrap_or_default().to_owned(),
            self.legal_basis.map(LegalBasis::as_str).unwrap_or_default().to_owned(),
            self.categories.join(" "),
            self.triggered_at.to_string(),
            self.logged_at.to_string(),
            self.hash.clone(),
            self.previous_hash.clone(),
            self.other_subjects.join(" "),
        ]
    }
}
