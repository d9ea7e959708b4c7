//! E-mail addresses, regions of telephone numbers, profile addresses.

use std::str::FromStr as _;

use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};
use url::Url;

use super::{Invalid, unicode};
use crate::codes::EventCode;

const EMAIL: Invalid = Invalid::new(
    EventCode::InvalidEmail,
    "must be an e-mail address, as name@shop.example",
);
const URL: Invalid = Invalid::new(EventCode::InvalidUrl, "must be an http or https address");

pub(super) fn email(text: &str) -> Result<String, Invalid> {
    let (local, domain) = text.rsplit_once('@').ok_or(EMAIL)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EMAIL)?;
    let address = format!("{}@{domain}", unicode::lower(local));
    let syntax_ok = EmailAddress::from_str(&address).is_ok() && address.len() <= 254;
    // One label is a host of the sender's own network: it names nobody out here.
    let domain_ok = domain
        .rsplit_once('.')
        .is_some_and(|(_, top_level)| is_top_level(top_level));
    if syntax_ok && domain_ok {
        Ok(address)
    } else {
        Err(EMAIL)
    }
}

/// Letters, or an encoded name: a number is part of an IP address, and no mail is delivered to one written like this.
fn is_top_level(label: &str) -> bool {
    label.len() >= 2 && (label.bytes().all(|b| b.is_ascii_alphabetic()) || label.starts_with("xn--"))
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

/// Query parameters that say where a visitor came from, and nothing about whose address it is.
const TRACKING: [&str; 44] = [
    "_branch_match_id",
    "_bta_c",
    "_bta_tid",
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "_ke",
    "_openstat",
    "dclid",
    "ef_id",
    "epik",
    "fb_action_ids",
    "fb_action_types",
    "fb_source",
    "fbclid",
    "fref",
    "gad_campaignid",
    "gad_source",
    "gbraid",
    "gclid",
    "gclsrc",
    "hsctatracking",
    "igsh",
    "igshid",
    "irclickid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mibextid",
    "mkt_tok",
    "msclkid",
    "rdt_cid",
    "ref_src",
    "ref_url",
    "s_kwcid",
    "scid",
    "srsltid",
    "ttclid",
    "twclid",
    "utm",
    "vero_id",
    "wbraid",
    "yclid",
];

fn is_tracking(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("utm_") || name.starts_with("mtm_") || name.starts_with("pk_") || TRACKING.contains(&&*name)
}

/// The query says whose page it is on many sites (`profile.php?id=1001`), and on some the fragment does (`#/users/1001`).
pub(super) fn url(text: &str) -> Result<String, Invalid> {
    let mut url = Url::parse(text).map_err(|_| URL)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(URL);
    }
    let query = url.query().map(|query| {
        let kept = query.split('&').filter(|part| !part.is_empty() && !is_tracking(part));
        kept.collect::<Vec<_>>().join("&")
    });
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    let is_route = url.fragment().is_some_and(|fragment| fragment.starts_with(['!', '/']));
    if !is_route {
        url.set_fragment(None);
    }
    url.set_username("").map_err(|()| URL)?;
    url.set_password(None).map_err(|()| URL)?;
    Ok(url.to_string())
}
