//! Entries of an operator's lists, in the spelling of the values that they are compared with.

use std::borrow::Cow;

use super::normalise::{NormaliseContext, Normaliser, is_document_sign, lookalikes, name_of};
use super::placeholder::{behind_tag, untagged};

/// Where in a value a part of it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    End,
    Inside,
}

/// Returns the spellings of an entry for a whole value, in lower case.
///
/// # Errors
/// Why it cannot be a value.
pub(super) fn whole(normaliser: Normaliser, text: &str) -> Result<Vec<String>, &'static str> {
    let normalised = normaliser.normalise(text, &NormaliseContext::default());
    let normalised = normalised.map_err(|invalid| invalid.message)?;
    let value = normalised.value.ok_or("its values are not looked at")?;
    let value = normaliser.unscoped(value.expose());
    let mut spellings = vec![value.to_lowercase()];
    // A country's tag may stand before the number without a colon.
    if normaliser.bare(value) != value {
        spellings.push(value.replacen(':', "", 1).to_lowercase());
    }
    Ok(spellings)
}

/// Returns the spelling of a part of a value, in lower case.
///
/// # Errors
/// Why no value contains it there.
pub(super) fn affix(normaliser: Normaliser, text: &str, place: Place) -> Result<String, &'static str> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let text = lookalikes(normaliser, text);
    let part = match normaliser {
        Normaliser::NationalId | Normaliser::Document | Normaliser::IssuedNumber => {
            only(text.chars().filter(|c| !is_document_sign(*c)), |c| {
                c.is_ascii_alphanumeric() || c == ':'
            })
        }
        Normaliser::Phone => phone(&text, place),
        Normaliser::Email => Some(email(&text)),
        Normaliser::Name | Normaliser::Username => Some(name(normaliser, &text)),
        Normaliser::BankAccount => only(text.chars().filter(|c| !c.is_whitespace() && *c != '-'), |c| {
            c.is_ascii_alphanumeric() || c == '/'
        }),
        Normaliser::PaymentCard => only(text.chars().filter(|c| !matches!(c, ' ' | '-')), |c| c.is_ascii_digit()),
        Normaliser::PostalCode => only(text.chars().filter(|c| !c.is_whitespace()), |c| {
            c.is_ascii_alphanumeric() || c == '-'
        }),
        Normaliser::MacAddress => mac(&text, place),
        Normaliser::DeviceId => only(text.chars(), |c| c.is_ascii_hexdigit() || c == '-'),
        Normaliser::IpAddress => only(text.chars(), |c| c.is_ascii_hexdigit() || matches!(c, '.' | ':')),
        Normaliser::BirthDate => only(text.chars(), |c| c.is_ascii_digit() || c == '-'),
        Normaliser::LocationPrecise => only(text.chars(), |c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-')),
        Normaliser::Url if place == Place::Start => is_start_of_url(&text).then(|| text.into_owned()),
        _ => Some(text.into_owned()),
    };
    let part = part.filter(|part| !part.is_empty());
    let part = part.ok_or("values of this category have no such part, see docs/integration.md for their spelling")?;
    Ok(part.to_lowercase())
}

/// Returns the spellings of a value in lists: without its scope; without a country's tag, an extension or a `+tag`.
pub(super) fn spellings(normaliser: Normaliser, normalised: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let unscoped = normaliser.unscoped(normalised);
    let bare = normaliser.bare(normalised);
    let shorter = match normaliser {
        Normaliser::NationalId | Normaliser::Document | Normaliser::IssuedNumber => behind_tag(bare).map(Cow::Borrowed),
        Normaliser::Phone => unscoped.split_once(';').map(|(number, _)| Cow::Borrowed(number)),
        Normaliser::Email => untagged(unscoped).map(Cow::Owned),
        _ => None,
    };
    let bare = (bare.len() < unscoped.len()).then_some(Cow::Borrowed(bare));
    std::iter::once(Cow::Borrowed(unscoped)).chain(bare).chain(shorter)
}

/// Returns the characters. Returns `None` unless all of them may be in values.
fn only(characters: impl Iterator<Item = char>, is_of_value: impl Fn(char) -> bool) -> Option<String> {
    let part: String = characters.collect();
    part.chars().all(is_of_value).then_some(part)
}

/// Returns a part of a number in E.164, or of its extension. Returns `None` for other text.
fn phone(text: &str, place: Place) -> Option<String> {
    if text.starts_with(";ext=") {
        return only(text.chars(), |c| c.is_ascii_digit() || ";ext=".contains(c));
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_sign = |c: &char| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
    let digits = only(digits.chars().filter(|c| !is_sign(c)), |c| c.is_ascii_digit())?;
    match (text.starts_with('+'), place) {
        (true, Place::Start | Place::Inside) => Some(format!("+{digits}")),
        (false, Place::End | Place::Inside) => Some(digits),
        (true, Place::End) | (false, Place::Start) => None,
    }
}

/// Returns a domain as the DNS spells it.
fn email(text: &str) -> String {
    let at = text.find('@').map_or_else(|| text.find('.'), Some);
    let (local, domain) = text.split_at(at.map_or(text.len(), |at| at + 1));
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    format!("{local}{ascii}")
}

/// Normalises a name, and keeps a space at an end.
fn name(normaliser: Normaliser, text: &str) -> String {
    let space = |is_there: bool| if is_there { " " } else { "" };
    let before = space(text.starts_with(char::is_whitespace));
    let behind = space(text.ends_with(char::is_whitespace));
    format!("{before}{}{behind}", name_of(normaliser, text))
}

/// Returns pairs of hexadecimal digits with colons between them. Returns `None` for other text.
fn mac(text: &str, place: Place) -> Option<String> {
    let hex = only(text.chars().filter(|c| !matches!(c, ':' | '-' | '.')), |c| {
        c.is_ascii_hexdigit()
    })?;
    let (first, rest) = match place {
        Place::Start | Place::Inside => ("", &*hex),
        Place::End => hex.split_at(hex.len() % 2),
    };
    let mut part = first.to_owned();
    for pair in rest.as_bytes().chunks(2) {
        if !part.is_empty() {
            part.push(':');
        }
        part.extend(pair.iter().copied().map(char::from));
    }
    Some(part)
}

fn is_start_of_url(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["https://", "http://"]
        .iter()
        .any(|scheme| lower.starts_with(scheme) || scheme.starts_with(&lower))
}
