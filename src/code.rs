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
    AlreadyExists "already_exists" [409 "The DID or the data processor id is taken." "Choose another, or use what is there."],
    AuthenticationFailed "authentication_failed" [401 "The credentials are not right; it is not said which." "To send events: compare did, dpid, API key and webhook secret with what was shown, or rotate. To manage: use the operator's token or a controller's."],
    AuthorizationMalformed "authorization_malformed" [401 "The header Authorization is not as it should be." "Send it once: Bearer, a space, and the key or token."],
    AuthorizationMissing "authorization_missing" [401 "The header Authorization is missing." "Send Authorization: Bearer …"],
    BacklogLimitExceeded "backlog_limit_exceeded" [500 "As many events of this controller wait as its limit allows." "Send it again as Retry-After says, or ask the operator for a higher limit."],
    BodyEmpty "body_empty" [400 "The body is empty." "Send the event as a JSON object."],
    BodyIncomplete "body_incomplete" [400 "The connection ended before the body did." "Send it again."],
    BodyInvalid "body_invalid" [400 "The body is not the JSON that this call takes." "The detail names the place, or the field; see the call's schema."],
    BodyMalformed "body_malformed" [400 "The chunks of the body are malformed (RFC 9112, section 7.1)." "Check the client."],
    BodyTimeout "body_timeout" [400 "The body did not arrive in time." "Send it at once; look at the network."] [408 "The body did not arrive in time." "Send it at once; look at the network."],
    BodyTooLarge "body_too_large" [400 "The body is longer than the limit." "Send less, or in parts; the operator sets server.max_body_bytes."] [413 "The body is longer than the call takes: 4 MiB with a mapping or an event in it, 64 KiB otherwise." "Send less."],
    ContentEncodingUnsupported "content_encoding_unsupported" [400 "The body is compressed." "Send it without Content-Encoding."],
    CredentialsUnconfirmed "credentials_unconfirmed" [500 "Whether credentials still hold is not known, since the database is away for too long." "Send it again later; the operator brings the database back."] [503 "Whether a token still holds is not known, since the database is away for too long." "Try again later; the operator brings the database back."],
    CursorInvalid "cursor_invalid" [400 "The cursor is not one of this list under this filter." "Give back nextCursor as it was, with the filter of the page before, or begin without one."],
    DataProcessorIdFixed "data_processor_id_fixed" [400 "An integration keeps its data processor id." "Leave dataProcessorId as it is, or make another integration."],
    DataProcessorIdInvalid "data_processor_id_invalid" [400 "dataProcessorId has characters that need escaping in a URL." "Use 1 to 128 letters, digits, or any of - . _ ~ :"],
    DatabaseUnavailable "database_unavailable" [503 "The database does not answer." "Try again as Retry-After says."],
    DidInvalid "did_invalid" [400 "did is not a DID, or is there more than once." "Use the DID as it was given when the controller was made."],
    DidMissing "did_missing" [400 "It is not said which controller is meant." "Add ?did=…; to send events, use the integration's webhookUrl as it is."],
    DpidInvalid "dpid_invalid" [400 "dpid is not a processor's id, or is there more than once." "Use the integration's webhookUrl as it is."],
    DpidMissing "dpid_missing" [400 "dpid is missing in the query." "Use the integration's webhookUrl as it is."],
    EventInvalid "event_invalid" [400 "event is not a text of 1 to 128 characters without control characters." "Send the name of the event's type."],
    EventMissing "event_missing" [400 "The body has no event." "Add the name of the event's type."],
    EventUnknown "event_unknown" [400 "The integration's mapping has no such event." "Name one of its events, or leave event out."],
    FilterInvalid "filter_invalid" [400 "The filter of a replay has faults." "errors names all of them, each with a pointer."],
    FormOutdated "form_outdated" [403 "The form is not of this session." "Go back, load the page again, then send it."],
    GracePeriodInvalid "grace_period_invalid" [400 "gracePeriodSeconds is out of range." "Use 0 to 2,592,000."],
    HeadTimeout "head_timeout" [408 "The head of the request did not arrive in time." "Send it at once; look at the network."],
    HeadTooLarge "head_too_large" [431 "The head of the request is longer than 64 KiB, or has more than 96 fields." "Send less; over HTTP/2 the limit is 32 KiB."],
    HostInvalid "host_invalid" [400 "Host, or :authority over HTTP/2, is missing, malformed, there twice, or contradicts the other." "Send the name of this server once; check the client and the proxy."],
    HttpVersionUnsupported "http_version_unsupported" [505 "The request is not HTTP/1.0 or HTTP/1.1." "Use HTTP/1.1; HTTP/2 is negotiated over TLS."],
    IdentifierTooCommon "identifier_too_common" [400 "More than 50 data subjects have the identifier." "Search by one that says more about a person."],
    IfMatchInvalid "if_match_invalid" [400 "If-Match is not an ETag of this call." "Give back the ETag of a GET, or leave the header out."],
    IfNoneMatchInvalid "if_none_match_invalid" [400 "If-None-Match is no list of ETags." "Give back the ETag of a GET, or leave the header out."],
    InternalError "internal_error" [500 "Something is wrong inside." "Send it again; if it stays, give the operator the requestId: the log has more under it."],
    JournalFull "journal_full" [500 "Too many accepted events are not processed yet." "Send it again as Retry-After says."],
    JournalUnavailable "journal_unavailable" [500 "The event cannot be stored at the moment." "Send it again as Retry-After says; the operator looks at the journal's disk."],
    JsonDuplicateKey "json_duplicate_key" [400 "A name occurs twice in the same object (RFC 7493)." "Send it once; errors[].pointer says where it is."],
    JsonInvalid "json_invalid" [400 "The body is not valid JSON in UTF-8." "The detail names line and column."],
    JsonNotAnObject "json_not_an_object" [400 "The body is JSON, but not an object." "Send one event at a time, as {…}."],
    JsonTooDeep "json_too_deep" [400 "Objects and arrays are nested more than 64 deep." "Send it flatter."],
    LimitInvalid "limit_invalid" [400 "limit is out of range." "Use 1 to what the detail says; the operator sets retention.trial_events."],
    LimitsInvalid "limits_invalid" [400 "A limit is out of its range." "errors[].pointer says which, and what it may be."],
    LiveFull "live_full" [503 "As many pages are kept up to date as may be." "Close one, or load the page again to see news."],
    LookupInvalid "lookup_invalid" [400 "The category has no links, or the value is not one of it." "errors[].pointer says which; see GET /api/v1/taxonomy."],
    MappingInvalid "mapping_invalid" [400 "The mapping has faults." "errors names all of them, each with a pointer and a code of its own."],
    MappingsTooLarge "mappings_too_large" [409 "The mappings of the controller would have more bytes than they may have in all." "Leave out what nobody needs, delete an integration, or ask the operator for a higher mappings.max_bytes."],
    MethodNotAllowed "method_not_allowed" [405 "The address does not take this method." "The header Allow names those that it takes."],
    NameInvalid "name_invalid" [400 "name is empty, too long, or has a control character." "Use 1 to 200 characters, none of them a control character."],
    NotFound "not_found" [404 "There is no such thing, or it is another controller's." "Check the id or DID, and whose token it is."],
    NotReplayable "not_replayable" [409 "The event has no outcome yet, is neither rejected nor failed, or its payload is gone." "The detail says which: wait for it, leave it, or send it again."],
    NothingToRevoke "nothing_to_revoke" [409 "No previous credential serves any more." "Revoke current to end the current one at once."],
    OperatorOnly "operator_only" [403 "The call is the operator's alone." "Use the operator's token."],
    OriginForeign "origin_foreign" [403 "The form was sent from another site." "Open the dashboard itself, and send the form from there."],
    Overloaded "overloaded" [500 "Too many requests wait already." "Send it again as Retry-After says."] [503 "Too many request bodies are in memory." "Send it again as Retry-After says; send fewer at a time."],
    ParameterInvalid "parameter_invalid" [400 "A parameter has a value that it cannot have." "The detail names it, and what it takes."],
    ParameterRepeated "parameter_repeated" [400 "A query parameter is there more than once." "Send it once."],
    ParameterUnknown "parameter_unknown" [400 "A query parameter is not one of this call." "The detail names those that it takes."],
    PreconditionFailed "precondition_failed" [412 "The resource is as If-None-Match says that it must not be, or not as If-Match of a GET says." "Read it again, then decide."],
    RateLimitExceeded "rate_limit_exceeded" [500 "The controller sends more events a second than its limit allows." "Wait as long as Retry-After says, then send more evenly, or ask the operator for a higher limit."],
    RequestInvalid "request_invalid" [400 "The request is malformed." "Check the client: this is not HTTP as it should be."],
    RestInvalid "rest_invalid" [400 "The rest of a verification is not one of this server." "Begin the verification again."],
    RotatedMeanwhile "rotated_meanwhile" [409 "The credential was rotated or revoked since it was read. Nothing was changed." "See how both versions stand, and ask who did it, before you rotate again."],
    SessionMissing "session_missing" [401 "Nobody is signed in." "Sign in first."],
    ShuttingDown "shutting_down" [500 "This process is stopping." "Send it again: to another node, or to its successor."],
    StartingUp "starting_up" [500 "This process was started and waits for its database." "Send it again as Retry-After says, or to another node."],
    TooManyFailures "too_many_failures" [429 "Too many authentications failed from this address." "Mend the credentials, then wait as long as Retry-After says."],
    TooManyIntegrations "too_many_integrations" [409 "The controller has as many integrations as it may have." "Delete one that is not used, or ask the operator for a higher mappings.max_integrations."],
    TooManyReplays "too_many_replays" [409 "The controller has as many replays running as it may have." "Wait for one to end, cancel one, or name several events in one."],
    TrialRunning "trial_running" [409 "A trial of this controller is under way." "Wait for its answer."],
    TrialsBusy "trials_busy" [503 "As many trials as may run at a time are under way." "Try again as Retry-After says."],
    TriggeredAtInFuture "triggered_at_in_future" [400 "triggeredAt is more than 24 hours ahead." "Check the sender's clock."],
    TriggeredAtInvalid "triggered_at_invalid" [400 "triggeredAt is not an RFC 3339 date and time with its offset." "Send it as 2026-04-06T10:30:00Z."],
    TriggeredAtMissing "triggered_at_missing" [400 "The body has no triggeredAt." "Add when it happened, as 2026-04-06T10:30:00Z."],
    UriTooLong "uri_too_long" [414 "The first line of the request is longer than 64 KiB." "Send less."],
    VersionMismatch "version_mismatch" [409 "It was changed since it was read." "Read it again, and change that."],
    WebhookSecretMalformed "webhook_secret_malformed" [401 "The header x-webhook-secret is not as it should be." "Send it once: the secret as it is, without Bearer."],
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
