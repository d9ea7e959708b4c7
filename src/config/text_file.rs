//! Texts in files of editors and shells.
//!
//! Some editors put a byte order mark (BOM) before a text, and some shells write UTF-16. The mark is skipped. UTF-16 is
//! refused with an explanation, because nothing would be found in it.

use std::io::{Error, ErrorKind};
use std::path::Path;

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a text without its byte order mark.
///
/// # Errors
/// The file cannot be read, or is no UTF-8. The text is in no message.
pub fn read_text(file: &Path) -> Result<String, Error> {
    text(std::fs::read(file)?)
}

/// Takes bytes for a text without its byte order mark.
///
/// # Errors
/// They are no UTF-8. The text is in no message.
pub fn text(mut bytes: Vec<u8>) -> Result<String, Error> {
    if is_utf16(&bytes) {
        let what = "it is UTF-16: save it as UTF-8";
        return Err(Error::new(ErrorKind::InvalidData, what));
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// Returns a file's contents behind the byte order mark. For formats that are not ours to decode, such as PEM.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// Returns whether a text is UTF-16 with its mark, as some shells write every file.
#[must_use]
pub fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_skipped_and_utf_16_is_named() {
        assert_eq!(text(b"\xEF\xBB\xBFtoken\n".to_vec()).unwrap(), "token\n");
        assert_eq!(text(b"token".to_vec()).unwrap(), "token");
        assert_eq!(without_mark(b"\xEF\xBB\xBF-----BEGIN"), b"-----BEGIN");
        for (bytes, expected) in [(&b"\xFF\xFEs\0e\0"[..], "UTF-16"), (b"s\xC3\x28", "no text")] {
            let error = text(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
