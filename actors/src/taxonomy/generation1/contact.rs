//! E-mail addresses, telephone numbers, profile addresses, as generation 1 spelt them.

use std::str::FromStr as _;

use email_address::EmailAddress;
use rlibphonenumber::{PhoneNumber, Region};
use url::Url;

pub(super) fn email(raw: &str) -> Option<String> {
    let (local, domain) = raw.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let address = format!("{}@{}", local.to_lowercase(), domain);
    let syntax_ok = EmailAddress::from_str(&address).is_ok() && address.len() <= 254;
    // One label is a host of the sender's own network, and means nothing outside.
    let domain_ok = domain.contains('.') && !domain.starts_with('[');
    if syntax_ok && domain_ok { Some(address) } else { None }
}

pub(super) fn phone(raw: &str, default_region: Option<&str>) -> Option<String> {
    let region = default_region.and_then(|code| Region::from_code(code).ok());
    let number = PhoneNumber::parse(raw, region).ok()?;
    if number.is_valid() {
        Some(number.to_string())
    } else {
        None
    }
}

pub(super) fn url(raw: &str) -> Option<String> {
    let mut url = Url::parse(raw).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.to_string())
}
