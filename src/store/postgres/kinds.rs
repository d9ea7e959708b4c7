//! Lists that a filter by integration, type of event or status narrows: merged from the newest of each kind that it lets
//! through. Few of the rows may be of such a kind, or none, and a walk in the order of the list would read all others.
//!
//! The planner knows what is common in a table, not what is common to two columns, and would walk. So a kind's rows are asked
//! for as a range of its last column and the list's, and in their order, which the kinds' index alone has; and the table
//! `kind` is materialized, lest its values be taken for constants whose range seems to have one row.

use conduit_actors::ids::{ControllerId, IntegrationId};
use sqlx::{Postgres, QueryBuilder};

/// Begins a query with the table `source`: the controllers and integrations that the filter lets through and that have rows
/// in the table, found by a step for each in an index that begins with both. An integration that was deleted has its rows
/// still, so the table of integrations does not know them all.
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
