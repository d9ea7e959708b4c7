//! The target of a call, looked up before its body is requested. A client that waits for a 100 learns at once that its
//! body has no target (RFC 9110, 10.1.1).

use actix_web::dev::Payload;
use actix_web::web::Path;
use actix_web::{FromRequest as _, HttpRequest};

use super::problem::Problem;
use super::query::Query;
use crate::app::{Principal, Services, controllers, integrations};

const INTEGRATIONS: &str = "/api/v1/integrations/custom";
const INTEGRATION: &str = "/api/v1/integrations/custom/{id}";
const CONTROLLER: &str = "/api/v1/controllers/{did}";

/// Refuses requests that the handler would refuse with any body.
///
/// # Errors
/// The errors of the handler.
pub(super) async fn look_for(request: &HttpRequest, services: &Services, principal: &Principal) -> Result<(), Problem> {
    let pattern = request.match_pattern().unwrap_or_default();
    let named = async || {
        let name = Path::<String>::from_request(request, &mut Payload::None).await;
        name.map(Path::into_inner).unwrap_or_default()
    };
    if pattern.starts_with(INTEGRATION) {
        integrations::load(principal, services, &named().await).await?;
    } else if pattern.starts_with(CONTROLLER) {
        controllers::load(principal, services, &named().await).await?;
    } else if pattern == INTEGRATIONS {
        let query = Query::read(request, &["did"])?;
        principal.one(services, query.get("did"))?;
    }
    Ok(())
}
