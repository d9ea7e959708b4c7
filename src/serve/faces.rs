//! The faces of a node: the management API and the dashboard, as the server adds them to each of its workers.

use actix_web::web::{Data, ServiceConfig};

use crate::app::Services;
use crate::metrics::Metrics;
use crate::{api, dashboard};

/// The shared state of both faces' handlers.
#[derive(Clone)]
pub(super) struct Faces {
    pub(super) services: Data<Services>,
    pub(super) metrics: Data<Metrics>,
    /// `None` while the dashboard is off.
    pub(super) dashboard: Option<Data<dashboard::State>>,
}

impl Faces {
    /// Adds the faces to one worker.
    pub(super) fn add_to(&self, worker: &mut ServiceConfig) {
        worker
            .app_data(self.services.clone())
            .app_data(self.metrics.clone())
            .app_data(Data::new(self.services.shards.start_edge()))
            .configure(api::routes);
        if let Some(state) = &self.dashboard {
            worker.app_data(state.clone()).configure(dashboard::routes);
        }
    }
}
