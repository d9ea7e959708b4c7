//! E-mail addresses, regions of telephone numbers, profile addresses.

use std::borrow::Cow;
use std::str::FromStr as _;

use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, Region};
use url::Url;

use super::normalised::Invalid;
use super::tracking::is_tracking;
use super::unicode;
use crate::codes::EventCode;
use crate::taxonomy::placeholder::is_placeholder_phone;

const EMAIL: Invalid = Invalid::new(
    EventCode::InvalidEmail,
    "must be an e-mail address, as name@shop.example",
);
const URL: Invalid = Invalid::new(EventCode::InvalidUrl, "must be an http or https address");

pub(super) fn email(text: &str) -> Result<String, Invalid> {
    let (local, domain) = text.rsplit_once('@').ok_or(EMAIL)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EMAIL)?;
    let address = format!("{}@{domain}", unicode::lower(&unquoted(local)));
    let syntax_ok = EmailAddress::from_str(&address).is_ok() && address.len() <= 254;
    // One label is a host of the sender's own network, and means nothing outside.
    let domain_ok = domain
        .rsplit_once('.')
        .is_some_and(|(_, top_level)| is_top_level(top_level));
    if syntax_ok && domain_ok {
        Ok(address)
    } else {
        Err(EMAIL)
    }
}

/// Returns a local part without needless quotes and backslashes (RFC 5321, 4.1.2): `ada` for `"ada"`.
fn unquoted(local: &str) -> Cow<'_, str> {
    let quoted = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return Cow::Borrowed(local);
    };
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return Cow::Borrowed(local),
            '\\' => match characters.next() {
                Some(escaped) => text.push(escaped),
                None => return Cow::Borrowed(local),
            },
            other => text.push(other),
        }
    }
    let is_of_atom = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if text
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_of_atom))
    {
        return Cow::Owned(text);
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Cow::Owned(format!("\"{escaped}\""))
}

/// Returns whether a label is letters, or an encoded name. A number is part of an IP address, and no mail is delivered
/// to one in this form.
fn is_top_level(label: &str) -> bool {
    label.len() >= 2 && (label.bytes().all(|b| b.is_ascii_alphabetic()) || label.starts_with("xn--"))
}

/// Returns whether it has the form of a region's code (ISO 3166-1 alpha-2).
pub(crate) fn is_region(code: &str) -> bool {
    Region::from_code(code).is_ok()
}

/// Returns whether telephone numbers of this region are known.
pub(crate) fn has_numbers(code: &str) -> bool {
    Region::from_code(code).is_ok_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some())
}

/// Returns a published example number of this region (ISO 3166-1 alpha-2), as it is dialled within it. Returns `None`
/// for an unknown region. A number in a row would be a placeholder, so another last digit may take the place of its own.
pub(crate) fn example_number(code: &str) -> Option<u64> {
    let region = Region::from_code(code).ok()?;
    let example = PHONE_NUMBER_UTIL.get_example_number(region).ok()?;
    let links = |number: &u64| {
        PhoneNumber::parse(number.to_string(), Some(region))
            .is_ok_and(|number| number.is_valid() && !is_placeholder_phone(&number.to_string()))
    };
    let own = example.national_number;
    let others = (0..10).map(|last| own / 10 * 10 + last);
    std::iter::once(own).chain(others).find(links).or(Some(own))
}

/// Returns the parameters except those of tracking.
fn without_tracking(query: &str) -> String {
    let kept = query.split('&').filter(|part| !part.is_empty() && !is_tracking(part));
    kept.collect::<Vec<_>>().join("&")
}

/// Returns the fragment if it names the owner of a page: a route (`/users/1`, `!/ada`, `users/1`), a name (`@ada`), or
/// parameters (`id=1`). Returns `None` for others, which are places on the page.
fn identity(fragment: &str) -> Option<String> {
    // A text that the browser is to look for.
    let fragment = fragment.split(":~:").next().unwrap_or_default();
    if fragment.trim_start_matches(['!', '/']).is_empty() {
        return None;
    }
    let is_route = fragment.starts_with(['!', '/', '@']) || fragment.contains('/');
    let kept = match fragment.split_once('?') {
        Some((route, query)) => match without_tracking(query) {
            query if query.is_empty() => route.to_owned(),
            query => format!("{route}?{query}"),
        },
        None if !is_route && fragment.contains('=') => without_tracking(fragment),
        None => fragment.to_owned(),
    };
    (!kept.is_empty() && (is_route || kept.contains('='))).then_some(kept)
}

/// Normalises an address. On many sites the query names the owner of a page (`profile.php?id=1001`), on some the
/// fragment does (`#/users/1001`).
pub(super) fn url(text: &str) -> Result<String, Invalid> {
    let mut url = Url::parse(text).map_err(|_| URL)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(URL);
    }
    let query = url.query().map(without_tracking);
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    let fragment = url.fragment().and_then(identity);
    url.set_fragment(fragment.as_deref());
    url.set_username("").map_err(|()| URL)?;
    url.set_password(None).map_err(|()| URL)?;
    Ok(url.to_string())
}
