//! E-mail addresses at which nobody is.

use super::{Words, syntax};

/// Top-level names that are no part of the public DNS (the IANA registry of special-use domain names, and what networks
/// use inside). `example` is left out: it is for trying things.
const SPECIAL: [&str; 13] = [
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "test",
];

/// Domains that are for trying things.
fn is_example(domain: &str) -> bool {
    let is = |name: &str| domain == name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    ["example", "example.com", "example.net", "example.org"]
        .iter()
        .any(|name| is(name))
}

/// Local parts of nobody, at whatever host, beside the words of identifiers.
const LOCALS: [&str; 22] = [
    "abc",
    "asdf",
    "asdfasdf",
    "bar",
    "email",
    "emailaddress",
    "fake",
    "foo",
    "name",
    "noemail",
    "nomail",
    "nope",
    "qwerty",
    "sample",
    "test1",
    "test123",
    "tester",
    "yourname",
    "youremail",
    "your.email",
    "your.name",
    "youremailaddress",
];

/// Local parts that are somebody's at some hosts, and nobody's at one that is called the same.
const LOCALS_LIKE_HOST: [&str; 6] = ["a", "aa", "mail", "no", "x", "xx"];

/// Hosts that exist to be written into forms.
const HOSTS: [&str; 16] = [
    "abc",
    "asdf",
    "domain",
    "dummy",
    "email",
    "fake",
    "foo",
    "nodomain",
    "noemail",
    "nomail",
    "none",
    "null",
    "test",
    "undefined",
    "unknown",
    "yourdomain",
];

pub(super) fn is_placeholder(words: &Words, address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let (host, top_level) = domain.rsplit_once('.').unwrap_or((domain, ""));
    if SPECIAL.contains(&top_level) || syntax::is_placeholder(local) || local.contains("***") {
        return true;
    }
    if is_example(domain) {
        return false;
    }
    // One letter again and again, as in xxx@xxx.com.
    let is_dull = |text: &str| text.len() >= 3 && text.bytes().all(|b| Some(&b) == text.as_bytes().first());
    let host = host.split('.').next_back().unwrap_or_default();
    let is_alike = local == host;
    if !(is_alike || HOSTS.contains(&host) || is_dull(host) || is_of_nobody_anywhere(local)) {
        return false;
    }
    let is_word = || !local.bytes().any(|b| b.is_ascii_digit()) && words.is_identifier_word(local);
    let is_nobody = LOCALS.contains(&local) || is_dull(local) || is_word();
    is_nobody || (is_alike && LOCALS_LIKE_HOST.contains(&local))
}

/// Local parts that mean that there is no address, whatever host is named.
fn is_of_nobody_anywhere(local: &str) -> bool {
    matches!(
        local,
        "asdf"
            | "asdfasdf"
            | "fake"
            | "n/a"
            | "na"
            | "nil"
            | "noemail"
            | "nomail"
            | "none"
            | "nope"
            | "null"
            | "qwerty"
            | "test"
            | "test1"
            | "test123"
            | "tester"
            | "testing"
            | "undefined"
            | "unknown"
            | "youremail"
            | "your.email"
            | "yourname"
            | "your.name"
            | "youremailaddress"
            | "not provided"
            | "notprovided"
            | "placeholder"
            | "dummy"
    )
}
