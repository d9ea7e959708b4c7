//! The webhook of an integration: where events go, and with which credentials.

use awc::{Client, ClientRequest};

/// The address of the webhook and its two credentials.
#[derive(Clone)]
pub(in crate::cli) struct Webhook {
    url: String,
    authorization: String,
    secret: String,
}

impl Webhook {
    /// Takes the API key with or without the `Bearer` of `webhookAuth` in front.
    pub(in crate::cli) fn new(url: &str, api_key: &str, secret: &str) -> Self {
        let key = api_key.trim();
        let bare = key
            .get(..7)
            .filter(|start| start.eq_ignore_ascii_case("bearer "))
            .map_or(key, |_| &key[7..]);
        Self {
            url: url.to_owned(),
            authorization: format!("Bearer {bare}"),
            secret: secret.trim().to_owned(),
        }
    }

    /// Returns a request that needs an event as its body.
    pub(in crate::cli) fn request(&self, client: &Client) -> ClientRequest {
        client
            .post(&self.url)
            .insert_header(("authorization", self.authorization.as_str()))
            .insert_header(("x-webhook-secret", self.secret.as_str()))
            .insert_header(("content-type", "application/json"))
    }

    pub(in crate::cli) fn url(&self) -> &str {
        &self.url
    }

    pub(in crate::cli) fn authorization(&self) -> &str {
        &self.authorization
    }

    pub(in crate::cli) fn secret(&self) -> &str {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_have_its_bearer_in_front() {
        for key in ["cdt_key_1", "Bearer cdt_key_1", " bearer cdt_key_1"] {
            assert_eq!(Webhook::new("u", key, "s").authorization(), "Bearer cdt_key_1");
        }
    }
}
