//! The body of a management call, which has to come in time.

use std::ops::Deref;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, FromRequest, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::problem::Problem;
use super::state::App;

/// A body that has come as a whole, within `server.request_timeout_seconds`. Who calls is checked first, if the handler
/// asks for that before it asks for this.
pub(crate) struct Body(Bytes);

impl Body {
    pub(super) fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl FromRequest for Body {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>();
        let patience = app.map(|app| Duration::from_secs(app.config.server.request_timeout_seconds));
        let read = Bytes::from_request(request, payload);
        Box::pin(async move {
            let mut read = std::pin::pin!(read);
            // Most bodies come with their heads: a timer is for those that do not.
            if let Some(done) = read.as_mut().now_or_never() {
                return done.map(Self);
            }
            let timed = tokio::time::timeout(patience.unwrap_or_default(), read);
            timed
                .await
                .unwrap_or_else(|_| Err(Problem::too_slow().into()))
                .map(Self)
        })
    }
}
