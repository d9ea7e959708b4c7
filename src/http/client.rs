//! The client's address of a request, behind proxies.
//!
//! Anybody may forge a header, but each proxy appends the address of its caller. So the list is read from the right, as
//! long as the address before it is a trusted proxy's. The first untrusted address is the client's, and all addresses
//! left of it mean nothing. If an entry is no address, the reading ends at the last trusted proxy.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

use crate::config::{ForwardedHeader, Network};

/// A function that reads the addresses in a header line, from the right. An unreadable address is `None`.
type Hops = fn(&str) -> Vec<Option<IpAddr>>;

/// Returns the client's address. `peer` is the origin of the connection.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network], header: ForwardedHeader) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let by_name = match header {
        ForwardedHeader::Forwarded => true,
        ForwardedHeader::XForwardedFor => false,
        ForwardedHeader::Either => !headers.contains_key(X_FORWARDED_FOR),
    };
    let (name, hops): (_, Hops) = if by_name {
        (FORWARDED, forwarded)
    } else {
        (X_FORWARDED_FOR, listed)
    };
    let mut known = peer;
    for hop in lines(headers, &name).flat_map(|line| hops(&line)) {
        let Some(hop) = hop else { break };
        known = hop;
        if !is_trusted(hop) {
            break;
        }
    }
    known
}

/// Returns the lines of a header, the last first.
fn lines<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = Cow<'h, str>> {
    let lines: Vec<_> = headers.get_all(name).collect();
    lines
        .into_iter()
        .rev()
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
}

/// Returns the hops of a line of `X-Forwarded-For`, the last first. A hop that is no address is `None`.
fn listed(line: &str) -> Vec<Option<IpAddr>> {
    let hops = line.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty());
    hops.map(node).collect()
}

/// Returns the hops of a line of `Forwarded` (RFC 7239, 4), the last first. A hop that is no address is `None`.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let elements = unquoted(line, ',').into_iter().rev();
    let elements = elements.map(str::trim).filter(|element| !element.is_empty());
    elements.map(client_of).collect()
}

/// Returns the address in `for` of an element of `Forwarded`. Returns `None` unless there is exactly one.
fn client_of(element: &str) -> Option<IpAddr> {
    let pairs = unquoted(element, ';')
        .into_iter()
        .filter_map(|pair| pair.split_once('='));
    let mut clients = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = clients.next()?;
    if clients.next().is_some() {
        return None;
    }
    let value = value.trim();
    match value.strip_prefix('"') {
        None => node(value),
        // A character may be escaped (RFC 9110, 5.6.4).
        Some(quoted) => node(&quoted.strip_suffix('"')?.replace('\\', "")),
    }
}

/// Returns the parts between separators outside of quotes.
fn unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|c| {
        let is_end = c == separator && !is_quoted;
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && is_quoted {
            is_escaped = true;
        } else if c == '"' {
            is_quoted = !is_quoted;
        }
        is_end
    })
    .collect()
}

/// Returns an address, with or without its port (RFC 7239, 6). Returns `None` for other text.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            if !rest.is_empty() && !is_port(rest.strip_prefix(':')?) {
                return None;
            }
            IpAddr::V6(v6(address)?)
        }
        None => match text.split_once(':') {
            // Without brackets, an IPv6 address has no port.
            Some((_, rest)) if rest.contains(':') => IpAddr::V6(v6(text)?),
            Some((address, port)) if is_port(port) => IpAddr::V4(address.parse().ok()?),
            Some(_) => return None,
            None => IpAddr::V4(text.parse().ok()?),
        },
    };
    Some(address.to_canonical())
}

/// Parses an address without its zone, which is irrelevant here. Returns `None` for other text.
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.split_once('%').map_or(text, |(address, _)| address).parse().ok()
}

fn is_port(text: &str) -> bool {
    let is_hidden = text.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    is_hidden || (text.len() <= 5 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn read(peer: &str, lines: &[(HeaderName, &str)], header: ForwardedHeader) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        address(peer.parse().unwrap(), &headers, &trusted, header).to_string()
    }

    fn listed(line: &str) -> String {
        read(PEER, &[(X_FORWARDED_FOR, line)], ForwardedHeader::Either)
    }

    fn named(line: &str) -> String {
        read(PEER, &[(FORWARDED, line)], ForwardedHeader::Either)
    }

    #[test]
    fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
        for (line, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
            // Addresses to the left of it mean nothing.
            ("garbage, 203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("198.51.100.1,203.0.113.9:80,10.0.0.7:443", "203.0.113.9"),
            ("[2001:db8::5]:443", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("2001:db8::5", "2001:db8::5"),
            ("2001:db8::5, [2001:db8:1::9]:80", "2001:db8::5"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("203.0.113.9, , ", "203.0.113.9"),
            ("203.0.113.9,::ffff:10.0.0.7", "203.0.113.9"),
            // All are trusted: the farthest.
            ("10.1.1.1, 10.0.0.7", "10.1.1.1"),
            // Other text ends the reading at the last known trusted proxy.
            ("203.0.113.9, garbage", PEER),
            ("203.0.113.9, unknown", PEER),
            ("203.0.113.9, garbage, 10.0.0.7", "10.0.0.7"),
            ("203.0.113.9:", PEER),
            ("203.0.113.9:x", PEER),
            ("203.0.113.9:123456", PEER),
            ("203.0.113.999", PEER),
            ("[2001:db8::5", PEER),
            ("[2001:db8::5]443", PEER),
            ("[203.0.113.9]:80", PEER),
            ("\u{e4}", PEER),
            ("", PEER),
        ] {
            assert_eq!(listed(line), client, "{line}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (line, client) in [
            ("for=203.0.113.9", "203.0.113.9"),
            (
                "for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com",
                "198.51.100.17",
            ),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=203.0.113.9, for=10.0.0.7", "203.0.113.9"),
            (
                "proto=https;FOR=\"203.0.113.9:80\" , for=\"10.0.0.7:_x.1\"",
                "203.0.113.9",
            ),
            ("for=unknown, for=203.0.113.9", "203.0.113.9"),
            // Separators within quotes are none.
            (
                "for=198.51.100.1;host=\"a,for=9.9.9.9;b\\\"\", for=203.0.113.9;by=\"x;for=9.9.9.9\"",
                "203.0.113.9",
            ),
            ("for=\"203.0\\.113.9\"", "203.0.113.9"),
            ("for=203.0.113.9, for=unknown", PEER),
            ("for=203.0.113.9, for=_hidden", PEER),
            ("for=203.0.113.9, proto=https", PEER),
            ("for=203.0.113.9;for=198.51.100.1", PEER),
            ("for=\"203.0.113.9", PEER),
            ("203.0.113.9", PEER),
        ] {
            assert_eq!(named(line), client, "{line}");
        }
    }

    #[test]
    fn several_lines_are_one_list_and_only_trusted_peers_are_believed() {
        let lines = [
            (X_FORWARDED_FOR, "198.51.100.1, 203.0.113.9"),
            (X_FORWARDED_FOR, "10.0.0.7"),
        ];
        assert_eq!(read(PEER, &lines, ForwardedHeader::Either), "203.0.113.9");
        assert_eq!(read("::ffff:10.0.0.1", &lines, ForwardedHeader::Either), "203.0.113.9");
        assert_eq!(read("192.0.2.1", &lines, ForwardedHeader::Either), "192.0.2.1");
        let both = [(FORWARDED, "for=198.51.100.1"), (X_FORWARDED_FOR, "203.0.113.9")];
        for (header, client) in [
            (ForwardedHeader::Either, "203.0.113.9"),
            (ForwardedHeader::XForwardedFor, "203.0.113.9"),
            (ForwardedHeader::Forwarded, "198.51.100.1"),
        ] {
            assert_eq!(read(PEER, &both, header), client);
        }
        assert_eq!(read(PEER, &both[..1], ForwardedHeader::XForwardedFor), PEER);
    }
}
