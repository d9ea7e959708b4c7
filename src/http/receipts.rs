//! Which answers carry a receipt.

use actix_web::http::header::HeaderMap;

use super::state::EdgeState;
use crate::receipts::Issue;

/// Returns whether the answer to this request is to carry a receipt.
pub(super) fn is_wanted(state: &EdgeState, headers: &HeaderMap) -> bool {
    match state.receipts {
        Issue::Never => false,
        Issue::Always => true,
        Issue::OnRequest => headers.get_all("prefer").any(|value| prefers(value.as_bytes())),
    }
}

/// Returns whether a value of Prefer (RFC 7240) has the token `receipt`.
fn prefers(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|preference| {
        let name = preference.split(|byte| b";=".contains(byte)).next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"receipt")
    })
}

#[cfg(test)]
mod tests {
    use super::prefers;

    #[test]
    fn the_preference_is_found_among_others() {
        for yes in ["receipt", "Receipt", "respond-async, receipt", " receipt ; x=1,wait=2"] {
            assert!(prefers(yes.as_bytes()), "{yes}");
        }
        for no in ["", "receipts", "wait=receipt", "return=minimal"] {
            assert!(!prefers(no.as_bytes()), "{no}");
        }
    }
}
