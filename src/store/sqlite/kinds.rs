//! Lists that a filter by integration, type of event or status narrows: merged from the newest of each kind that it lets
//! through. Few of the rows may be of such a kind, or none, and a walk in the order of the list would read all others.

use conduit_actors::ids::{ControllerId, IntegrationId};
use sqlx::{QueryBuilder, Sqlite};

/// Begins a query with the table `source`: the allowed controllers and integrations that have rows in the table. A step
/// for each finds them in an index that begins with both. A deleted integration still has its rows, so the table of
/// integrations does not list all of them.
pub(super) fn sources(
    table: &'static str,
    controller: Option<ControllerId>,
    integration: Option<IntegrationId>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH RECURSIVE source (controller_pk, integration) AS (SELECT c.pk, ");
    match integration {
        Some(integration) => query.push_bind(integration.as_bytes().to_vec()),
        None => query.push(format_args!(
            "(SELECT min(t.integration) FROM {table} t WHERE t.controller_pk = c.pk)"
        )),
    };
    query.push(" FROM controllers c");
    if let Some(controller) = controller {
        query.push(" WHERE c.id = ").push_bind(controller.as_bytes().to_vec());
    }
    if integration.is_none() {
        query.push(format_args!(
            " UNION ALL SELECT s.controller_pk, (SELECT min(t.integration) FROM {table} t \
             WHERE t.controller_pk = s.controller_pk AND t.integration > s.integration) \
             FROM source s WHERE s.integration IS NOT NULL"
        ));
    }
    query.push(")");
    query
}
