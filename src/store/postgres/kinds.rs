//! Lists that are filtered by integration, event type or status: merged from the newest of each kind that the filter
//! allows. Few or no rows may be of such a kind, and a walk in the order of the list would read all others.
//!
//! The planner knows which values are common in a column, but not which are common in two columns together, and would
//! walk. So the query asks for a kind's rows as a range of its last column and the list's column, in their order, which
//! only the kinds' index has. The table `kind` is materialized. Otherwise the planner would treat its values as
//! constants whose range seems to have one row.

use conduit_actors::ids::{ControllerId, IntegrationId};
use sqlx::{Postgres, QueryBuilder};

/// Begins a query with the table `source`: the allowed controllers and integrations that have rows in the table. A step
/// for each finds them in an index that begins with both. A deleted integration still has its rows, so the table of
/// integrations does not list all of them.
pub(super) fn sources(
    table: &'static str,
    controller: Option<ControllerId>,
    integration: Option<IntegrationId>,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("WITH RECURSIVE source (controller, integration) AS (SELECT c.id, ");
    match integration {
        Some(integration) => query.push_bind(integration.as_uuid()),
        None => query.push(format_args!(
            "(SELECT t.integration FROM {table} t WHERE t.controller = c.id ORDER BY t.integration LIMIT 1)"
        )),
    };
    query.push(" FROM controllers c");
    if let Some(controller) = controller {
        query.push(" WHERE c.id = ").push_bind(controller.as_uuid());
    }
    if integration.is_none() {
        query.push(format_args!(
            " UNION ALL SELECT s.controller, (SELECT t.integration FROM {table} t WHERE t.controller = s.controller \
             AND t.integration > s.integration ORDER BY t.integration LIMIT 1) \
             FROM source s WHERE s.integration IS NOT NULL"
        ));
    }
    query.push(")");
    query
}
