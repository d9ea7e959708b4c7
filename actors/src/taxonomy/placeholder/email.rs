//! E-mail addresses that belong to nobody.

use std::borrow::Cow;

use super::syntax;
use super::words::Words;

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

/// Returns whether a domain is for trials.
fn is_example(domain: &str) -> bool {
    let is = |name: &str| domain == name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    ["example", "example.com", "example.net", "example.org"]
        .iter()
        .any(|name| is(name))
}

/// Local parts of nobody, at any host, in addition to the words of identifiers.
const LOCALS: [&str; 29] = [
    "abc",
    "asdf",
    "asdfasdf",
    "bar",
    "email",
    "emailaddress",
    "fake",
    "foo",
    "me",
    "my",
    "myemail",
    "myname",
    "name",
    "noemail",
    "nomail",
    "nope",
    "qwerty",
    "sample",
    "somebody",
    "someone",
    "test1",
    "test123",
    "tester",
    "you",
    "your",
    "youremail",
    "youremailaddress",
    "yourmail",
    "yourname",
];

/// Local parts that are somebody's at some hosts, and nobody's at one that is called the same.
const LOCALS_LIKE_HOST: [&str; 6] = ["a", "aa", "mail", "no", "x", "xx"];

/// Hosts that exist to be written into forms.
const HOSTS: [&str; 30] = [
    "abc",
    "asdf",
    "asdfasdf",
    "bar",
    "baz",
    "company",
    "domain",
    "dummy",
    "email",
    "fake",
    "foo",
    "foobar",
    "mydomain",
    "myemail",
    "nobody",
    "nodomain",
    "noemail",
    "nomail",
    "none",
    "null",
    "qwerty",
    "sample",
    "somewhere",
    "test",
    "test123",
    "testing",
    "undefined",
    "unknown",
    "yourcompany",
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
    let host = host.split('.').next_back().unwrap_or_default();
    let local = without_tag(local);
    // Most addresses are told without putting their parts together: Your.Email@, test_2@test.
    let is_near = local.starts_with("your") || local.as_bytes().first() == host.as_bytes().first();
    let is_known = HOSTS.contains(&host) || is_dull(host) || is_of_nobody_anywhere(local);
    if !(is_near || is_known) {
        return false;
    }
    let parts = joined(local);
    let is_alike = local == host || *parts == *host;
    let is_yours = parts.starts_with("your") && LOCALS.contains(&&*parts);
    if !(is_known || is_alike || is_yours) {
        return false;
    }
    is_nobody(words, local)
        || (*parts != *local && is_nobody(words, &parts))
        || (local == host && LOCALS_LIKE_HOST.contains(&local))
}

fn is_nobody(words: &Words, local: &str) -> bool {
    let is_word = || !local.bytes().any(|b| b.is_ascii_digit()) && words.is_identifier_word(local);
    LOCALS.contains(&local) || is_dull(local) || is_word()
}

/// Returns whether it is one letter again and again, as in xxx@xxx.com.
fn is_dull(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|b| Some(&b) == text.as_bytes().first())
}

/// Returns the local part without its `+tag`: `test+1@test.com` becomes `test@test.com`.
fn without_tag(local: &str) -> &str {
    match local.split_once('+') {
        Some((before, _)) if !before.is_empty() => before,
        _ => local,
    }
}

/// Returns the address without its `+tag`. Returns `None` if it has none.
pub(in crate::taxonomy) fn untagged(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let before = without_tag(local);
    (before.len() < local.len()).then(|| format!("{before}@{domain}"))
}

/// Returns the local part without signs between its parts, and without a number of up to three digits behind it:
/// `your.email`, `test_2`.
fn joined(local: &str) -> Cow<'_, str> {
    let stem = local.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = if local.len() - stem.len() <= 3 { stem } else { local };
    if stem.contains(['.', '_', '-']) {
        Cow::Owned(stem.replace(['.', '_', '-'], ""))
    } else {
        Cow::Borrowed(stem)
    }
}

/// Returns whether a local part means that there is no address, at any host.
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
            | "yourname"
            | "youremailaddress"
            | "not provided"
            | "notprovided"
            | "placeholder"
            | "dummy"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn tags_and_numbers_and_signs() {
        let nobody = [
            "test+1@test.com",
            "test2@test.com",
            "your@email.com",
            "your_email@gmail.com",
            "foo@bar.com",
            "foo+x@bar.com",
            "me@email.com",
            "name@company.com",
            "no-reply+1@x.com",
            "noreply+ada@shop.com",
            "first-user@test.test",
            "unknown-user@test.com",
        ];
        let somebody = [
            "ada+test@shop.com",
            "ada@email.com",
            "ada@bar.com",
            "test2@gmail.com",
            "n.a@gmail.com",
            "na1@shop.com",
            "bob1@bob.com",
            "mail2@mail.com",
            "+ada@shop.com",
            "youri@gmail.com",
        ];
        check("user.contact.email", &somebody, &nobody);
    }
}
