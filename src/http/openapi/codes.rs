//! Every code that a problem can have, with what it means and what to do about it.
//!
//! A code belongs to a status; where two statuses share one, it is here twice. `tests/openapi.rs` holds this table to the
//! codes that the source gives, and `docs/integration.md` to the table.

use serde_json::{Value, json};

/// A code at a status.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) status: u16,
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) means: &'static str,
    /// What to do.
    pub(super) mend: &'static str,
}

const fn code(status: u16, code: &'static str, means: &'static str, mend: &'static str) -> Code {
    Code {
        status,
        code,
        means,
        mend,
    }
}

/// By status, then by name.
#[rustfmt::skip] // One line each reads as a table.
pub(super) const CODES: &[Code] = &[
    code(400, "body_empty", "The body is empty.", "Send the event as a JSON object."),
    code(400, "body_incomplete", "The connection ended before the body did.", "Send it again."),
    code(400, "body_invalid", "The body is not the JSON that this call takes.", "The detail names the place, or the field; see the call's schema."),
    code(400, "body_malformed", "The chunks of the body are malformed (RFC 9112, section 7.1).", "Check the client."),
    code(400, "body_timeout", "The body did not arrive in time.", "Send it at once; look at the network."),
    code(400, "body_too_large", "The body is longer than the limit.", "Send less, or in parts; the operator sets server.max_body_bytes."),
    code(400, "content_encoding_unsupported", "The body is compressed.", "Send it without Content-Encoding."),
    code(400, "cursor_invalid", "The cursor is not one of this list under this filter.", "Give back nextCursor as it was, with the filter of the page before, or begin without one."),
    code(400, "data_processor_id_fixed", "An integration keeps its data processor id.", "Leave dataProcessorId as it is, or make another integration."),
    code(400, "data_processor_id_invalid", "dataProcessorId has characters that need escaping in a URL.", "Use 1 to 128 letters, digits, or any of - . _ ~ :"),
    code(400, "did_invalid", "did is not a DID, or is there more than once.", "Use the DID as it was given when the controller was made."),
    code(400, "did_missing", "It is not said which controller is meant.", "Add ?did=…; to send events, use the integration's webhookUrl as it is."),
    code(400, "dpid_invalid", "dpid is not a processor's id, or is there more than once.", "Use the integration's webhookUrl as it is."),
    code(400, "dpid_missing", "dpid is missing in the query.", "Use the integration's webhookUrl as it is."),
    code(400, "event_invalid", "event is not a text of 1 to 128 characters without control characters.", "Send the name of the event's type."),
    code(400, "event_missing", "The body has no event.", "Add the name of the event's type."),
    code(400, "event_unknown", "The integration's mapping has no such event.", "Name one of its events, or leave event out."),
    code(400, "filter_invalid", "The filter of a replay has faults.", "errors names all of them, each with a pointer."),
    code(400, "grace_period_invalid", "gracePeriodSeconds is out of range.", "Use 0 to 2,592,000."),
    code(400, "host_invalid", "Host, or :authority over HTTP/2, is missing, malformed, there twice, or contradicts the other.", "Send the name of this server once; check the client and the proxy."),
    code(400, "identifier_too_common", "More than 50 data subjects have the identifier.", "Search by one that says more about a person."),
    code(400, "if_match_invalid", "If-Match is not an ETag of this call.", "Give back the ETag of a GET, or leave the header out."),
    code(400, "if_none_match_invalid", "If-None-Match is no list of ETags.", "Give back the ETag of a GET, or leave the header out."),
    code(400, "json_duplicate_key", "A name occurs twice in the same object (RFC 7493).", "Send it once; errors[].pointer says where it is."),
    code(400, "json_invalid", "The body is not valid JSON in UTF-8.", "The detail names line and column."),
    code(400, "json_not_an_object", "The body is JSON, but not an object.", "Send one event at a time, as {…}."),
    code(400, "json_too_deep", "Objects and arrays are nested more than 64 deep.", "Send it flatter."),
    code(400, "limit_invalid", "limit is out of range.", "Use 1 to what the detail says; the operator sets retention.trial_events."),
    code(400, "limits_invalid", "A limit is out of its range.", "errors[].pointer says which, and what it may be."),
    code(400, "lookup_invalid", "The category has no links, or the value is not one of it.", "errors[].pointer says which; see GET /api/v1/taxonomy."),
    code(400, "mapping_invalid", "The mapping has faults.", "errors names all of them, each with a pointer and a code of its own."),
    code(400, "name_invalid", "name is empty, too long, or has a control character.", "Use 1 to 200 characters, none of them a control character."),
    code(400, "parameter_invalid", "A parameter has a value that it cannot have.", "The detail names it, and what it takes."),
    code(400, "parameter_repeated", "A query parameter is there more than once.", "Send it once."),
    code(400, "parameter_unknown", "A query parameter is not one of this call.", "The detail names those that it takes."),
    code(400, "request_invalid", "The request is malformed.", "Check the client: this is not HTTP as it should be."),
    code(400, "triggered_at_in_future", "triggeredAt is more than 24 hours ahead.", "Check the sender's clock."),
    code(400, "triggered_at_invalid", "triggeredAt is not an RFC 3339 date and time with its offset.", "Send it as 2026-04-06T10:30:00Z."),
    code(400, "triggered_at_missing", "The body has no triggeredAt.", "Add when it happened, as 2026-04-06T10:30:00Z."),
    code(401, "authentication_failed", "The credentials are not right; it is not said which.", "To send events: compare did, dpid, API key and webhook secret with what was shown, or rotate. To manage: use the operator's token or a controller's."),
    code(401, "authorization_malformed", "The header Authorization is not as it should be.", "Send it once: Bearer, a space, and the key or token."),
    code(401, "authorization_missing", "The header Authorization is missing.", "Send Authorization: Bearer …"),
    code(401, "webhook_secret_malformed", "The header x-webhook-secret is not as it should be.", "Send it once: the secret as it is, without Bearer."),
    code(401, "webhook_secret_missing", "The header x-webhook-secret is missing.", "Send the controller's webhook secret in it."),
    code(403, "operator_only", "The call is the operator's alone.", "Use the operator's token."),
    code(404, "not_found", "There is no such thing, or it is another controller's.", "Check the id or DID, and whose token it is."),
    code(405, "method_not_allowed", "The address does not take this method.", "The header Allow names those that it takes."),
    code(408, "body_timeout", "The body did not arrive in time.", "Send it at once; look at the network."),
    code(408, "head_timeout", "The head of the request did not arrive in time.", "Send it at once; look at the network."),
    code(409, "already_exists", "The DID or the data processor id is taken.", "Choose another, or use what is there."),
    code(409, "mappings_too_large", "The mappings of the controller would have more bytes than they may have in all.", "Leave out what nobody needs, delete an integration, or ask the operator for a higher mappings.max_bytes."),
    code(409, "not_replayable", "The event has no outcome yet, is neither rejected nor failed, or its payload is gone.", "The detail says which: wait for it, leave it, or send it again."),
    code(409, "nothing_to_revoke", "No previous credential serves any more.", "Revoke current to end the current one at once."),
    code(409, "rotated_meanwhile", "The credential was rotated or revoked since it was read. Nothing was changed.", "See how both versions stand, and ask who did it, before you rotate again."),
    code(409, "too_many_integrations", "The controller has as many integrations as it may have.", "Delete one that is not used, or ask the operator for a higher mappings.max_integrations."),
    code(409, "too_many_replays", "The controller has as many replays running as it may have.", "Wait for one to end, cancel one, or name several events in one."),
    code(409, "trial_running", "A trial of this controller is under way.", "Wait for its answer."),
    code(409, "version_mismatch", "It was changed since it was read.", "Read it again, and change that."),
    code(412, "precondition_failed", "The resource is as If-None-Match says that it must not be, or not as If-Match of a GET says.", "Read it again, then decide."),
    code(413, "body_too_large", "The body is longer than the call takes: 4 MiB with a mapping or an event in it, 64 KiB otherwise.", "Send less."),
    code(414, "uri_too_long", "The first line of the request is longer than 64 KiB.", "Send less."),
    code(429, "too_many_failures", "Too many authentications failed from this address.", "Mend the credentials, then wait as long as Retry-After says."),
    code(431, "head_too_large", "The head of the request is longer than 64 KiB, or has more than 96 fields.", "Send less; over HTTP/2 the limit is 32 KiB."),
    code(500, "backlog_limit_exceeded", "As many events of this controller wait as its limit allows.", "Send it again as Retry-After says, or ask the operator for a higher limit."),
    code(500, "credentials_unconfirmed", "Whether credentials still hold is not known, since the database is away for too long.", "Send it again later; the operator brings the database back."),
    code(500, "internal_error", "Something is wrong inside.", "Send it again; if it stays, give the operator the requestId: the log has more under it."),
    code(500, "journal_full", "Too many accepted events are not processed yet.", "Send it again as Retry-After says."),
    code(500, "journal_unavailable", "The event cannot be stored at the moment.", "Send it again as Retry-After says; the operator looks at the journal's disk."),
    code(500, "overloaded", "Too many requests wait already.", "Send it again as Retry-After says."),
    code(500, "rate_limit_exceeded", "The controller sends more events a second than its limit allows.", "Wait as long as Retry-After says, then send more evenly, or ask the operator for a higher limit."),
    code(500, "shutting_down", "This process is stopping.", "Send it again: to another node, or to its successor."),
    code(500, "starting_up", "This process was started and waits for its database.", "Send it again as Retry-After says, or to another node."),
    code(503, "credentials_unconfirmed", "Whether a token still holds is not known, since the database is away for too long.", "Try again later; the operator brings the database back."),
    code(503, "database_unavailable", "The database does not answer.", "Try again as Retry-After says."),
    code(503, "overloaded", "Too many request bodies are in memory.", "Send it again as Retry-After says; send fewer at a time."),
    code(503, "trials_busy", "As many trials as may run at a time are under way.", "Try again as Retry-After says."),
    code(505, "http_version_unsupported", "The request is not HTTP/1.0 or HTTP/1.1.", "Use HTTP/1.1; HTTP/2 is negotiated over TLS."),
];

impl Code {
    /// Of the table; none if it is not there.
    pub(super) fn find(status: u16, code: &str) -> Option<&'static Self> {
        CODES.iter().find(|row| row.status == status && row.code == code)
    }

    /// Its name among the examples of the document.
    pub(super) fn example_name(&self) -> String {
        format!("{}.{}", self.status, self.code)
    }

    /// A problem with it.
    pub(super) fn example(&self) -> Value {
        json!({
            "type": format!("urn:conduit:problem:{}", self.code),
            "title": title(self.status),
            "status": self.status,
            "code": self.code,
            "detail": format!("{} {}", self.means, self.mend),
            "requestId": "019d6242-3a59-7f21-8c46-1d0a5e93b7f2",
        })
    }
}

/// What an answer of a status says.
pub(super) const fn title(status: u16) -> &'static str {
    match status {
        400 => "The request is not right",
        401 => "Authentication failed",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Wrong method",
        408 => "Too slow",
        409 => "Conflict",
        412 => "Precondition failed",
        413 | 414 | 431 => "Too large",
        429 => "Too many failed authentications",
        503 => "Unavailable",
        505 => "Wrong version",
        _ => "Try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_row_is_there_once() {
        let keys: Vec<_> = CODES.iter().map(|row| (row.status, row.code)).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
        for row in CODES {
            assert!(row.means.ends_with('.') && !row.mend.is_empty(), "{}", row.code);
        }
    }
}
