//! The authority that a request is for: host and port (RFC 9110, section 7.2).
//!
//! Over HTTP/2 it is `:authority` (RFC 9113, section 8.3.1), and `Host` where there is none. Over HTTP/1.1 it is `Host`, unless the
//! request's target is absolute (RFC 9112, sections 3.2 and 3.2.2). Everything behind the connection reads it from `Host`.

use actix_web::http::header::{HOST, HeaderMap, HeaderValue};
use actix_web::http::{Uri, Version};

use super::problem::Problem;
use crate::code::Code;

/// Checks the authority of a request, and writes it into `Host`.
///
/// # Errors
/// It is missing, malformed, has user information, or contradicts itself.
pub(super) fn settle(uri: &Uri, version: Version, headers: &mut HeaderMap) -> Result<(), Problem> {
    let mut lines = headers.get_all(HOST);
    let host = lines.next();
    if lines.next().is_some() {
        return Err(invalid("the header Host is there more than once"));
    }
    if host.is_some_and(|host| !is_valid(host.as_bytes())) {
        return Err(invalid("the header Host is not a host, with or without a port"));
    }
    let Some(target) = uri.authority() else {
        // HTTP/1.0 knows no Host.
        return match host {
            None if version >= Version::HTTP_11 => Err(invalid("the header Host is missing")),
            _ => Ok(()),
        };
    };
    if !is_valid(target.as_str().as_bytes()) {
        return Err(invalid(
            "the authority of the request is not a host, with or without a port",
        ));
    }
    if version >= Version::HTTP_2 {
        if host.is_some_and(|host| !is_same(host.as_bytes(), target.as_str().as_bytes())) {
            return Err(invalid("the header Host contradicts :authority"));
        }
    } else if version == Version::HTTP_11 && host.is_none() {
        return Err(invalid("the header Host is missing"));
    }
    match HeaderValue::from_str(target.as_str()) {
        Ok(value) => drop(headers.insert(HOST, value)),
        Err(_) => return Err(invalid("the authority of the request has characters beyond ASCII")),
    }
    Ok(())
}

fn invalid(detail: &str) -> Problem {
    Problem::bad_request(
        Code::HostInvalid,
        format!("{detail}: send the name of this server once"),
    )
}

/// Returns whether a text is `uri-host [ ":" port ]` (RFC 3986, section 3.2), with a host that is not empty.
fn is_valid(text: &[u8]) -> bool {
    let (host, port) = split(text);
    let is_port = port.is_none_or(|port| {
        let port = std::str::from_utf8(port).unwrap_or_default();
        port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok())
    });
    is_port && is_host(host)
}

/// Returns the host, and the port if there is a colon before it.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let after_literal = text.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    match text[after_literal..].iter().position(|byte| *byte == b':') {
        Some(at) => (&text[..after_literal + at], Some(&text[after_literal + at + 1..])),
        None => (text, None),
    }
}

fn is_host(host: &[u8]) -> bool {
    if let Some(literal) = host.strip_prefix(b"[") {
        let address = literal
            .strip_suffix(b"]")
            .and_then(|address| std::str::from_utf8(address).ok());
        return address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let mut bytes = host.iter();
    while let Some(byte) = bytes.next() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte);
        let mut is_hex = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
        if !(is_plain || *byte == b'%' && is_hex() && is_hex()) {
            return false;
        }
    }
    !host.is_empty()
}

/// Returns whether two authorities are one: names have no case, and the scheme's port may be left out.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((host, port), (other_host, other_port)) = (split(one), split(other));
    let is_default = |port: Option<&[u8]>| port.is_none_or(|port| port.is_empty() || port == b"443");
    host.eq_ignore_ascii_case(other_host) && (port == other_port || is_default(port) && is_default(other_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(uri: &str, version: Version, hosts: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        settle(&uri.parse().unwrap(), version, &mut headers)?;
        let host = headers.get(HOST).map(|host| host.to_str().unwrap().to_owned());
        assert!(headers.get_all(HOST).count() < 2);
        Ok(host)
    }

    #[test]
    fn the_authority_is_where_the_version_says() {
        for (uri, version, hosts, expected) in [
            ("/x", Version::HTTP_11, &["a.example:8080"][..], Some("a.example:8080")),
            ("/x", Version::HTTP_11, &["[::1]:8080"], Some("[::1]:8080")),
            ("/x", Version::HTTP_10, &[], None),
            // An absolute target rules (RFC 9112, 3.2.2).
            (
                "http://b.example/x",
                Version::HTTP_11,
                &["a.example"],
                Some("b.example"),
            ),
            ("https://localhost:8443/x", Version::HTTP_2, &[], Some("localhost:8443")),
            ("/x", Version::HTTP_2, &["a.example"], Some("a.example")),
            (
                "https://a.example/x",
                Version::HTTP_2,
                &["A.example:443"],
                Some("a.example"),
            ),
        ] {
            assert_eq!(
                settled(uri, version, hosts).unwrap().as_deref(),
                expected,
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn what_names_no_server_or_two_is_refused() {
        for (uri, version, hosts) in [
            ("/x", Version::HTTP_11, &[][..]),
            ("/x", Version::HTTP_2, &[]),
            ("/x", Version::HTTP_11, &["a.example", "a.example"]),
            ("https://a.example/x", Version::HTTP_2, &["b.example"]),
            ("https://a.example/x", Version::HTTP_2, &["a.example:8443"]),
            ("https://a.example/x", Version::HTTP_2, &["a.example", "a.example"]),
            ("https://ada@a.example/x", Version::HTTP_2, &[]),
            ("http://ada:pass@a.example/x", Version::HTTP_11, &["a.example"]),
            ("http://a.example/x", Version::HTTP_11, &[]),
        ] {
            assert_eq!(
                settled(uri, version, hosts).unwrap_err().code(),
                Code::HostInvalid,
                "{uri} {hosts:?}"
            );
        }
        for host in [
            "",
            " ",
            "a b",
            "a/b",
            "ada@a.example",
            "a.example:",
            "a.example:80",
            "a.example:x",
            "a.example:99999",
            ":80",
            "::1",
            "[::1",
            "[::g]",
            "a%2",
            "a%2fb",
            "a\u{e4}",
            "http://a.example",
            "a?b",
            "a#b",
            "a,b",
        ] {
            let is_right = ["a.example:", "a.example:80", "a%2fb", "a,b"].contains(&host);
            assert_eq!(settled("/x", Version::HTTP_11, &[host]).is_ok(), is_right, "{host:?}");
        }
    }
}
