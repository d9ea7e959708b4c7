//! E-mail addresses, telephone numbers, profile addresses.

use std::str::FromStr as _;

use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, Region};
use url::Url;

use super::Invalid;

const EMAIL: Invalid = Invalid::new("invalid_email", "must be an e-mail address, as name@shop.example");
const PHONE: Invalid = Invalid::new(
    "invalid_phone_number",
    "must be a valid telephone number with its country code (+49…), or set the integration's defaultRegion",
);
const URL: Invalid = Invalid::new("invalid_url", "must be an http or https address");

pub(super) fn email(raw: &str) -> Result<String, Invalid> {
    let (local, domain) = raw.rsplit_once('@').ok_or(EMAIL)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EMAIL)?;
    let address = format!("{}@{}", local.to_lowercase(), domain);
    let syntax_ok = EmailAddress::from_str(&address).is_ok() && address.len() <= 254;
    // One label is a host of the sender's own network: it names nobody out here.
    let domain_ok = domain.contains('.') && !domain.starts_with('[');
    if syntax_ok && domain_ok {
        Ok(address)
    } else {
        Err(EMAIL)
    }
}

pub(super) fn phone(raw: &str, default_region: Option<&str>) -> Result<String, Invalid> {
    let region = default_region.and_then(|code| Region::from_code(code).ok());
    let number = PhoneNumber::parse(raw, region).map_err(|_| PHONE)?;
    if number.is_valid() {
        Ok(number.to_string())
    } else {
        Err(PHONE)
    }
}

/// Whether it is written as a region's code is (ISO 3166-1 alpha-2).
pub(crate) fn is_region(code: &str) -> bool {
    Region::from_code(code).is_ok()
}

/// Whether telephone numbers of this region are known.
pub(crate) fn has_numbers(code: &str) -> bool {
    Region::from_code(code).is_ok_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some())
}

/// A number of this region (ISO 3166-1 alpha-2) that is published as an example, as it is dialled within it.
pub(crate) fn example_number(code: &str) -> Option<u64> {
    let region = Region::from_code(code).ok()?;
    let example = PHONE_NUMBER_UTIL.get_example_number(region).ok()?;
    Some(example.national_number)
}

pub(super) fn url(raw: &str) -> Result<String, Invalid> {
    let mut url = Url::parse(raw).map_err(|_| URL)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(URL);
    }
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").map_err(|()| URL)?;
    url.set_password(None).map_err(|()| URL)?;
    Ok(url.to_string())
}
