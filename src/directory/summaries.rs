//! Summaries of integrations for lists, without their mappings.
//!
//! A mapping may have megabytes, and a list names many. Summaries are small and kept in memory, beside the data for
//! authentication. So a page costs the same for mappings of any size, and needs no database.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use conduit_actors::ids::{ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::ports::Credential;
use dashmap::DashMap;
use parking_lot::RwLock;

use crate::store::{IntegrationRow, Page};

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
    all: RwLock<All>,
}

#[derive(Default)]
struct All {
    /// In the order of lists, so that a page reads no more than it shows.
    by_id: BTreeMap<IntegrationId, Arc<Summary>>,
    /// Integrations whose API key has a predecessor, which may have ended.
    rotated: BTreeSet<IntegrationId>,
}

impl All {
    fn insert(&mut self, summary: &Arc<Summary>) {
        if summary.api_key.previous.is_some() {
            self.rotated.insert(summary.id);
        } else {
            self.rotated.remove(&summary.id);
        }
        self.by_id.insert(summary.id, Arc::clone(summary));
    }

    fn remove(&mut self, id: IntegrationId) {
        self.rotated.remove(&id);
        self.by_id.remove(&id);
    }
}

impl Summaries {
    /// Replaces a controller's.
    pub(super) fn replace(&self, controller: ControllerId, rows: &[IntegrationRow]) {
        let mut now: Vec<_> = rows.iter().map(|row| Arc::new(Summary::from(row))).collect();
        now.sort_unstable_by_key(|summary| Reverse(summary.id));
        let now: Arc<[_]> = now.into();
        let before = self.of.insert(controller, Arc::clone(&now));
        let mut all = self.all.write();
        for old in before.iter().flat_map(|before| before.iter()) {
            all.remove(old.id);
        }
        now.iter().for_each(|summary| all.insert(summary));
    }

    pub(super) fn forget(&self, controller: ControllerId) {
        if let Some((_, gone)) = self.of.remove(&controller) {
            let mut all = self.all.write();
            gone.iter().for_each(|old| all.remove(old.id));
        }
    }

    /// Returns those of one controller, newest first.
    pub(super) fn of(&self, controller: ControllerId) -> Vec<Arc<Summary>> {
        self.of.get(&controller).map(|found| found.to_vec()).unwrap_or_default()
    }

    /// Returns a page of all, newest first.
    pub(super) fn page(&self, page: Page<IntegrationId>) -> Vec<Arc<Summary>> {
        let end = page.after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.all.read();
        let page = all.by_id.range((Bound::Unbounded, end)).rev().take(page.limit);
        page.map(|(_, summary)| Arc::clone(summary)).collect()
    }

    /// Returns those whose API key has a predecessor, which may have ended, newest first.
    pub(super) fn rotated(&self) -> Vec<Arc<Summary>> {
        let all = self.all.read();
        let rotated = all.rotated.iter().rev().filter_map(|id| all.by_id.get(id));
        rotated.map(Arc::clone).collect()
    }

    pub(super) fn get(&self, id: IntegrationId) -> Option<Arc<Summary>> {
        self.all.read().by_id.get(&id).map(Arc::clone)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.read().by_id.is_empty()
    }
}
