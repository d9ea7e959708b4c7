//! The codes of all problems of the management API, the event endpoint and the dashboard.
//!
//! A code is stable: programs of integrators compare it. A code belongs to a status, and a few belong to two. The event
//! endpoint answers 400 and 500 by its contract where the management API answers 408, 413 and 503. The OpenAPI document has
//! its examples from here.

use std::fmt;

use serde::{Serialize, Serializer};

/// A code at a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The HTTP status.
    pub status: u16,
    /// The fault.
    pub means: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($variant:ident $text:literal $([$status:literal $means:literal $remedy:literal])+,)+) => {
        /// The code of a problem (RFC 9457).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $means])+ $variant,)+
        }

        impl Code {
            /// All codes, in the order of their names.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the code as programs read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the statuses that the code belongs to, each with its meaning and remedy.
            #[must_use]
            pub const fn cases(self) -> &'static [Case] {
                match self {
                    $(Self::$variant => &[$(Case { status: $status, means: $means, remedy: $remedy },)+],)+
                }
            }
        }
    };
}

codes! {
    AboveCapacity "above_capacity" [500 "More events arrive than are processed, and this controller has its share of the backlog." "Send it again after Retry-After, and fewer at a time. If it lasts, ask the operator for more capacity."],
    AlreadyExists "already_exists" [409 "Another object has this DID or data processor id." "Choose another id, or use the existing object."],
    AuthenticationFailed "authentication_failed" [401 "The credentials are wrong. The answer does not say which." "To send events: compare did, dpid, API key and webhook secret with the ones shown at creation, or rotate them. To manage: use the operator's token or a controller's."],
    AuthorizationMalformed "authorization_malformed" [401 "The header Authorization is malformed." "Send it once: Bearer, a space, and the key or token."],
    AuthorizationMissing "authorization_missing" [401 "The header Authorization is missing." "Send Authorization: Bearer …"],
    BacklogLimitExceeded "backlog_limit_exceeded" [500 "This controller has reached its limit of waiting events." "Send it again after Retry-After, or ask the operator for a higher limit."],
    BodyEmpty "body_empty" [400 "The body is empty." "Send the event as a JSON object."],
    BodyIncomplete "body_incomplete" [400 "The connection ended before the body did." "Send it again."],
    BodyInvalid "body_invalid" [400 "The body does not fit the schema of this call." "Fix the place or field in the detail; see the call's schema."],
    BodyMalformed "body_malformed" [400 "The chunks of the body are malformed (RFC 9112, section 7.1)." "Check the client."],
    BodyTimeout "body_timeout" [400 "The body did not arrive in time." "Send it without delay; check the network."] [408 "The body did not arrive in time." "Send it without delay; check the network."],
    BodyTooLarge "body_too_large" [400 "The body is longer than the limit." "Send less, or several events; the operator sets server.max_body_bytes."] [413 "The body is too long: the limit is 4 MiB with a mapping or an event in it, and 64 KiB otherwise." "Send less."],
    ContentEncodingUnsupported "content_encoding_unsupported" [400 "The body is compressed." "Send it without Content-Encoding."],
    CredentialsUnconfirmed "credentials_unconfirmed" [500 "Credentials cannot be confirmed, because the database is away for too long." "Send it again later; the operator brings the database back."] [503 "The token cannot be confirmed, because the database is away for too long." "Try again later; the operator brings the database back."],
    CursorInvalid "cursor_invalid" [400 "The cursor belongs to another list or filter." "Send the unchanged nextCursor with the same filter, or start without a cursor."],
    DataProcessorIdFixed "data_processor_id_fixed" [400 "The data processor id of an integration cannot change." "Send the present dataProcessorId, or create another integration."],
    DataProcessorIdInvalid "data_processor_id_invalid" [400 "dataProcessorId has characters that need escaping in a URL." "Use 1 to 128 letters, digits, or any of - . _ ~ :"],
    DatabaseUnavailable "database_unavailable" [503 "The database does not answer." "Try again after Retry-After."],
    DidInvalid "did_invalid" [400 "did is no DID, or occurs more than once." "Use the DID from the controller's creation."],
    DidMissing "did_missing" [400 "The controller is missing in the query." "Add ?did=…; to send events, use the integration's unchanged webhookUrl."],
    DpidInvalid "dpid_invalid" [400 "dpid is no processor's id, or occurs more than once." "Use the integration's unchanged webhookUrl."],
    DpidMissing "dpid_missing" [400 "dpid is missing in the query." "Use the integration's unchanged webhookUrl."],
    EventInvalid "event_invalid" [400 "event is not a text of 1 to 128 characters without control characters." "Send the name of the event's type."],
    EventMissing "event_missing" [400 "The body has no event." "Add the name of the event's type."],
    EventUnknown "event_unknown" [400 "The integration's mapping has no such event." "Use one of its events, or leave event out."],
    FilterInvalid "filter_invalid" [400 "The filter of the replay has faults." "Fix the faults in errors, each with a pointer."],
    FormOutdated "form_outdated" [403 "The form belongs to another session." "Go back, reload the page, then send the form."],
    GracePeriodInvalid "grace_period_invalid" [400 "gracePeriodSeconds is out of range." "Use 0 to 2,592,000."],
    HeadTimeout "head_timeout" [408 "The head of the request did not arrive in time." "Send it without delay; check the network."],
    HeadTooLarge "head_too_large" [431 "The head of the request is longer than 64 KiB, or has more than 96 fields." "Send less; over HTTP/2 the limit is 32 KiB."],
    HostInvalid "host_invalid" [400 "Host, or :authority over HTTP/2, is missing, malformed or repeated, or the two differ." "Send the name of this server once; check the client and the proxy."],
    HttpVersionUnsupported "http_version_unsupported" [505 "The request is not HTTP/1.0 or HTTP/1.1." "Use HTTP/1.1; HTTP/2 is negotiated over TLS."],
    IdentifierTooCommon "identifier_too_common" [400 "More than 50 data subjects have the identifier." "Search by a more specific identifier."],
    IfMatchInvalid "if_match_invalid" [400 "If-Match has no ETag of this call." "Send the ETag of a GET, or leave the header out."],
    IfNoneMatchInvalid "if_none_match_invalid" [400 "If-None-Match is no list of ETags." "Send the ETag of a GET, or leave the header out."],
    InternalError "internal_error" [500 "Conduit failed unexpectedly." "Send it again. If it fails again, give the requestId to the operator, whose log has the details."],
    JournalFull "journal_full" [500 "The journal is full: too many accepted events wait for processing." "Send it again after Retry-After."],
    JournalUnavailable "journal_unavailable" [500 "The event cannot be stored at the moment." "Send it again after Retry-After; the operator checks the journal's disk."],
    JsonDuplicateKey "json_duplicate_key" [400 "A name occurs twice in the same object (RFC 7493)." "Send the name once; errors[].pointer has its place."],
    JsonInvalid "json_invalid" [400 "The body is not valid JSON in UTF-8." "Fix the line and column in the detail."],
    JsonNotAnObject "json_not_an_object" [400 "The body is JSON, but not an object." "Send one event at a time, as an object {…}."],
    JsonTooDeep "json_too_deep" [400 "Objects and arrays are nested more than 64 deep." "Nest the fields less deeply."],
    LimitInvalid "limit_invalid" [400 "limit is out of range." "Use 1 to the limit in the detail; the operator sets retention.trial_events."],
    LimitsInvalid "limits_invalid" [400 "A limit is out of range." "Fix the limits in errors, each with its range."],
    LiveFull "live_full" [503 "The limit of live pages is reached." "Close a live page, or reload this page to see news."],
    LookupInvalid "lookup_invalid" [400 "The category has no links, or the value does not fit it." "See errors[].pointer, and GET /api/v1/taxonomy."],
    MappingInvalid "mapping_invalid" [400 "The mapping has faults." "Fix the faults in errors, each with a pointer and a code."],
    MappingsTooLarge "mappings_too_large" [409 "The mappings of the controller would exceed their limit of bytes." "Remove needless fields, delete an integration, or ask the operator for a higher mappings.max_bytes."],
    MethodNotAllowed "method_not_allowed" [405 "The address does not support this method." "Use a method of the header Allow."],
    NameInvalid "name_invalid" [400 "name is empty, too long, or has a control character." "Use 1 to 200 characters without control characters."],
    NotFound "not_found" [404 "The object does not exist, or belongs to another controller." "Check the id or DID, and the token."],
    NotReplayable "not_replayable" [409 "The event has no outcome yet, is neither rejected nor failed, or its payload is gone." "See the detail: wait for the outcome, do nothing, or send the event again."],
    NothingToRevoke "nothing_to_revoke" [409 "There is no previous credential any more." "To end the current credential at once, revoke current."],
    OperatorOnly "operator_only" [403 "Only the operator may make this call." "Use the operator's token."],
    OriginForeign "origin_foreign" [403 "The form was sent from another site." "Open the dashboard, and send the form from there."],
    Overloaded "overloaded" [500 "Too many requests wait already." "Send it again after Retry-After."] [503 "Too many request bodies are in memory." "Send it again after Retry-After, with fewer at a time."],
    ParameterInvalid "parameter_invalid" [400 "A parameter has an invalid value." "Use a value from the detail."],
    ParameterRepeated "parameter_repeated" [400 "A query parameter occurs more than once." "Send it once."],
    ParameterUnknown "parameter_unknown" [400 "The call has no such query parameter." "Use the parameters in the detail."],
    PreconditionFailed "precondition_failed" [412 "The state of the resource does not satisfy If-None-Match or, for a GET or an action, If-Match." "Read it again, then decide."],
    RateLimitExceeded "rate_limit_exceeded" [500 "The controller sends more events a second than its limit allows." "Wait for Retry-After, then send more evenly, or ask the operator for a higher limit."],
    RequestInvalid "request_invalid" [400 "The request is malformed." "Check the client: the request is not valid HTTP."],
    RestInvalid "rest_invalid" [400 "The continuation of a verification comes from another server." "Start the verification again."],
    RotatedMeanwhile "rotated_meanwhile" [409 "The credential was rotated or revoked meanwhile. This call changed nothing." "Look at both versions, and find out who rotated, before you rotate again."],
    SessionMissing "session_missing" [401 "There is no session." "Sign in first."],
    ShuttingDown "shutting_down" [500 "This process is stopping." "Send it again, to another node or after the restart."],
    StartingUp "starting_up" [500 "This process was started and waits for its database." "Send it again after Retry-After, or to another node."],
    TooManyFailures "too_many_failures" [429 "Too many authentications failed from this address." "Fix the credentials, then wait for Retry-After."],
    TooManyIntegrations "too_many_integrations" [409 "The controller has reached its limit of integrations." "Delete an unused integration, or ask the operator for a higher mappings.max_integrations."],
    TooManyReplays "too_many_replays" [409 "The controller has reached its limit of running replays." "Wait for a replay to end, cancel one, or replay several events in one."],
    TrialRunning "trial_running" [409 "A trial of this controller is under way." "Wait for its answer."],
    TrialsBusy "trials_busy" [503 "The limit of running trials is reached." "Try again after Retry-After."],
    TriggeredAtInFuture "triggered_at_in_future" [400 "triggeredAt is more than 24 hours ahead." "Check the sender's clock."],
    TriggeredAtInvalid "triggered_at_invalid" [400 "triggeredAt is not an RFC 3339 date and time with its offset." "Send it in the form 2026-04-06T10:30:00Z."],
    TriggeredAtMissing "triggered_at_missing" [400 "The body has no triggeredAt." "Add the time of the event, such as 2026-04-06T10:30:00Z."],
    UriTooLong "uri_too_long" [414 "The first line of the request is longer than 64 KiB." "Send less."],
    VersionMismatch "version_mismatch" [409 "The object was changed meanwhile." "Read it again, then change the new version."],
    WebhookSecretMalformed "webhook_secret_malformed" [401 "The header x-webhook-secret is malformed." "Send it once: the unchanged secret, without Bearer."],
    WebhookSecretMissing "webhook_secret_missing" [401 "The header x-webhook-secret is missing." "Send the controller's webhook secret in it."],
}

impl Code {
    /// Returns whether only pages of the dashboard answer with the code. The OpenAPI document leaves these codes out.
    #[must_use]
    pub const fn is_of_pages(self) -> bool {
        matches!(
            self,
            Self::FormOutdated | Self::LiveFull | Self::OriginForeign | Self::RestInvalid | Self::SessionMissing
        )
    }

    /// Returns the code's case at a status. Returns `None` if the code does not belong to it.
    #[must_use]
    pub fn at(self, status: u16) -> Option<&'static Case> {
        self.cases().iter().find(|case| case.status == status)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().to_owned()
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_every_case_says_what_to_do() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        for code in Code::ALL {
            let cases = code.cases();
            assert!(cases.windows(2).all(|pair| pair[0].status < pair[1].status), "{code}");
            assert!(
                cases
                    .iter()
                    .all(|case| case.means.ends_with('.') && !case.remedy.is_empty()),
                "{code}"
            );
        }
    }
}
