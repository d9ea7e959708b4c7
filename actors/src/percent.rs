//! Percent-encoding (RFC 3986, section 2.1), undone.

/// Returns a text with each `%xx` as its byte, and invalid UTF-8 replaced. Returns `None` if nothing is encoded.
pub(crate) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    // Repeated decoding ends.
    (bytes.len() < text.len()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else() {
        for (text, expected) in [
            ("%7B%7Bid%7D%7D", Some("{{id}}")),
            ("ada%40shop", Some("ada@shop")),
            ("%EF%BC%A0", Some("＠")),
            ("100%", None),
            ("%zz%4", None),
            ("%+f", None),
            ("plain", None),
            ("", None),
            ("%25%40", Some("%@")),
            ("a%ffb", Some("a\u{fffd}b")),
        ] {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
    }
}
