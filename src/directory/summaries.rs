//! Summaries of integrations for lists, without their mappings.
//!
//! A mapping may have megabytes, and a list names many. Summaries are small and kept in memory, beside the data for
//! authentication. So a page costs the same for mappings of any size, and needs no database.

use std::sync::Arc;

use conduit_actors::ids::{ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::ports::Credential;
use dashmap::DashMap;

use crate::store::IntegrationRow;

/// One integration, without its mapping.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its id.
    pub id: IntegrationId,
    /// The controller that it belongs to.
    pub controller: ControllerId,
    /// Whose events it takes.
    pub processor: ProcessorId,
    /// The name for people.
    pub name: String,
    /// Types of events that are mapped.
    pub events: usize,
    /// Fields with a category of personal data.
    pub personal: usize,
    /// Counts changes, from 1.
    pub version: u64,
    /// The API key as it is stored.
    pub api_key: Credential,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl From<&IntegrationRow> for Summary {
    fn from(row: &IntegrationRow) -> Self {
        let fields = row.spec.events.iter().flat_map(|event| &event.fields);
        Self {
            id: row.id,
            controller: row.controller,
            processor: row.processor.clone(),
            name: row.spec.name.clone(),
            events: row.spec.events.len(),
            personal: fields.filter(|field| field.pii.is_some()).count(),
            version: row.version,
            api_key: row.api_key.clone(),
            updated_at: row.updated_at,
        }
    }
}

/// The summaries of all controllers.
#[derive(Default)]
pub(super) struct Summaries {
    of: DashMap<ControllerId, Arc<[Arc<Summary>]>>,
    by_id: DashMap<IntegrationId, Arc<Summary>>,
}

impl Summaries {
    /// Replaces a controller's.
    pub(super) fn replace(&self, controller: ControllerId, rows: &[IntegrationRow]) {
        let mut now: Vec<_> = rows.iter().map(|row| Arc::new(Summary::from(row))).collect();
        now.sort_unstable_by_key(|summary| std::cmp::Reverse(summary.id));
        for summary in &now {
            self.by_id.insert(summary.id, Arc::clone(summary));
        }
        let now: Arc<[_]> = now.into();
        if let Some(before) = self.of.insert(controller, Arc::clone(&now)) {
            let gone = before.iter().filter(|old| !now.iter().any(|new| new.id == old.id));
            for old in gone {
                self.by_id.remove(&old.id);
            }
        }
    }

    pub(super) fn forget(&self, controller: ControllerId) {
        if let Some((_, gone)) = self.of.remove(&controller) {
            for old in gone.iter() {
                self.by_id.remove(&old.id);
            }
        }
    }

    /// Returns one controller's, or all; newest first.
    pub(super) fn list(&self, controller: Option<ControllerId>) -> Vec<Arc<Summary>> {
        if let Some(controller) = controller {
            return self.of.get(&controller).map(|found| found.to_vec()).unwrap_or_default();
        }
        let mut all: Vec<_> = self.by_id.iter().map(|summary| Arc::clone(&summary)).collect();
        all.sort_unstable_by_key(|summary| std::cmp::Reverse(summary.id));
        all
    }

    pub(super) fn get(&self, id: IntegrationId) -> Option<Arc<Summary>> {
        self.by_id.get(&id).map(|summary| Arc::clone(&summary))
    }
}
