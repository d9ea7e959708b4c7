//! Normalisers: each checks a value and returns the one form that all its spellings share.
//!
//! All are idempotent, except for the scope that some put before a value. None ever shows the value in an error.
//!
//! # Generations
//! Links are hashes of these spellings, so a change of the rules is a new generation: links of an earlier build are found
//! by the spelling of its time. This is generation 2; `generation1` is frozen. If both spell the same
//! value differently, [`Normalised::earlier`] has the former spelling: it is looked up too, and never written. If
//! generation 1 gave several values one spelling (extensions, queries), its spelling may mean another person, and is not looked up.

mod clock;
pub(crate) mod contact;
mod financial;
mod government;
mod phone;
mod place;
mod technical;
mod text;
mod unicode;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generation1;
use crate::codes::EventCode;
use crate::personal::Personal;

/// Longest value that is looked at, in bytes.
const MAX_BYTES: usize = 2048;

/// How a category's values are checked and normalised; the name is the one in the taxonomy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    /// Address syntax (RFC 5321, 5322), a domain with a dot and a top level of letters; lower case; IDNA domain; dots and
    /// +tags kept, quotes that are not needed dropped.
    Email,
    /// libphonenumber; E.164, an extension behind it (RFC 3966); national numbers by the integration's default region.
    Phone,
    /// http or https; punycode host; query kept but for tracking parameters; fragment dropped, unless it says whose page it
    /// is.
    Url,
    /// As it is, trimmed; case-sensitive; width mapping and NFC, but not NFKC.
    Opaque,
    /// NFKC, case-folded; scoped to the processor.
    Username,
    /// Upper-case letters and digits; behind a country tag, known checksums.
    NationalId,
    /// Upper-case letters and digits.
    Document,
    /// IBAN (ISO 13616, mod 97, check digits from 02 to 98), or an ABA routing number and an account number.
    BankAccount,
    /// 12 to 19 digits with a Luhn checksum (ISO/IEC 7812).
    PaymentCard,
    /// Upper-case letters and digits; scoped to the processor, as each issuer counts for itself.
    IssuedNumber,
    /// A UUID, lower case; not all zeros.
    DeviceId,
    /// IPv4 or IPv6 in canonical form (RFC 5952); IPv4-mapped addresses unwrapped.
    IpAddress,
    /// 48 bits, lower case, colons.
    MacAddress,
    /// Trimmed.
    Text,
    /// NFKC, case-folded, spaces collapsed.
    Name,
    /// An ISO 8601 date from 1900 to today, also from a date and time, as written.
    BirthDate,
    /// NFKC, spaces collapsed.
    Label,
    /// ISO 3166-2 where it looks like it, else as a label.
    Region,
    /// Upper case, no spaces.
    PostalCode,
    /// ISO 3166-1 alpha-2.
    Country,
    /// Latitude and longitude, 5 decimals.
    LocationPrecise,
    /// Latitude and longitude, 2 decimals; or a label.
    LocationImprecise,
    /// BCP 47.
    Language,
    /// Only whether it is there.
    Presence,
    /// Never looked at; a warning.
    Password,
}

impl Normaliser {
    /// Returns whether a value counts within its processor only.
    #[must_use]
    pub const fn is_scoped(self) -> bool {
        matches!(self, Self::Username | Self::IssuedNumber)
    }

    /// Returns a normalised value without the scope of its processor.
    #[must_use]
    pub fn unscoped(self, normalised: &str) -> &str {
        if !self.is_scoped() {
            return normalised;
        }
        let unscoped = normalised.split_once(':').and_then(|(length, rest)| {
            let processor = length.parse::<usize>().ok()?;
            rest.get(processor + 1..)
        });
        unscoped.unwrap_or(normalised)
    }

    /// Returns a normalised value without its prefixes: the scope of its processor, and a country's tag.
    #[must_use]
    pub fn bare(self, normalised: &str) -> &str {
        let unscoped = self.unscoped(normalised);
        match self {
            Self::NationalId | Self::Document | Self::IssuedNumber => untagged(unscoped),
            _ => unscoped,
        }
    }
}

fn untagged(number: &str) -> &str {
    number.split_once(':').map_or(number, |(_, number)| number)
}

/// Returns a text with characters that look alike made equal, as the normaliser does first. In numbers, these include
/// dashes.
pub(super) fn lookalikes(normaliser: Normaliser, text: &str) -> Cow<'_, str> {
    let clean = unicode::clean(text);
    let is_number = matches!(
        normaliser,
        Normaliser::Phone
            | Normaliser::NationalId
            | Normaliser::Document
            | Normaliser::IssuedNumber
            | Normaliser::BankAccount
            | Normaliser::PaymentCard
            | Normaliser::DeviceId
            | Normaliser::MacAddress
            | Normaliser::BirthDate
            | Normaliser::PostalCode
    );
    if is_number && !clean.is_ascii() && clean.contains(unicode::is_dash) {
        return Cow::Owned(clean.replace(unicode::is_dash, "-"));
    }
    clean
}

/// Normalises a text as a name.
pub(super) fn name_of(text: &str) -> String {
    text::name(text)
}

/// Returns whether a character only separates the parts of a document's number, and is not kept.
pub(super) const fn is_document_sign(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '/' | '\u{a0}')
}

/// The context of a normalisation.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormaliseContext<'a> {
    /// The processor, for values that are unique only there.
    pub processor: &'a str,
    /// The region (ISO 3166-1 alpha-2) of national telephone numbers.
    pub default_region: Option<&'a str>,
}

/// A value in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// The value; none if only its presence is recorded.
    pub value: Option<Personal<String>>,
    /// A code and a message, if there is something to say about it.
    pub warning: Option<(EventCode, &'static str)>,
    /// How an earlier generation spelt the same value, if differently.
    pub earlier: Option<Personal<String>>,
}

impl Normalised {
    /// Creates a value without a warning.
    fn value(value: String) -> Self {
        Self {
            value: Some(Personal::new(value)),
            warning: None,
            earlier: None,
        }
    }

    /// Creates presence without a value.
    const fn presence(warning: Option<(EventCode, &'static str)>) -> Self {
        Self {
            value: None,
            warning,
            earlier: None,
        }
    }
}

/// Why a value does not fit its category: a stable code, and a description of a valid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// Stable, for programs.
    pub code: EventCode,
    /// For people.
    pub message: &'static str,
}

impl Invalid {
    const fn new(code: EventCode, message: &'static str) -> Self {
        Self { code, message }
    }
}

impl Invalid {
    /// Nothing was sent: no character of it can be seen.
    pub(crate) const EMPTY: Self = Self::new(EventCode::EmptyValue, "must not be empty");

    /// Returns whether the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl Normaliser {
    /// Checks and normalises one value.
    ///
    /// # Errors
    /// [`Invalid`], without the value.
    pub fn normalise(self, raw: &str, context: &NormaliseContext<'_>) -> Result<Normalised, Invalid> {
        match self {
            Self::Presence if !unicode::is_blank(raw) => return Ok(Normalised::presence(None)),
            Self::Password if !unicode::is_blank(raw) => {
                let message = "a password was sent: leave it out, nothing of it was kept";
                return Ok(Normalised::presence(Some((EventCode::PasswordReceived, message))));
            }
            _ => {}
        }
        let raw = raw.trim();
        if raw.len() > MAX_BYTES {
            return Err(Invalid::new(EventCode::ValueTooLong, "must have at most 2,048 bytes"));
        }
        let clean = lookalikes(self, raw);
        let text = clean.trim();
        let is_printable_ascii = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if text.is_empty() || (!is_printable_ascii && unicode::is_blank(text)) {
            return Err(Invalid::EMPTY);
        }
        let text = if is_printable_ascii {
            Cow::Borrowed(text)
        } else {
            self.unfolded(text)
        };
        if !is_printable_ascii && text.chars().any(char::is_control) {
            return Err(Invalid::new(
                EventCode::ControlCharacter,
                "must not contain control characters",
            ));
        }
        let mut normalised = self.spelt(&text, context)?;
        if normalised.value.as_ref().is_none_or(|value| value.expose().is_empty()) {
            return Err(Invalid::EMPTY);
        }
        let is_quoted = self == Self::Email && raw.starts_with('"');
        if is_quoted || (!raw.is_ascii() && self.unifies(matches!(clean, Cow::Owned(_)))) {
            normalised.earlier = generation1::spelling(self, raw, context)
                .map(Personal::new)
                .filter(|earlier| normalised.value.as_ref() != Some(earlier));
        }
        Ok(normalised)
    }

    fn spelt(self, text: &str, context: &NormaliseContext<'_>) -> Result<Normalised, Invalid> {
        let value = match self {
            Self::Email => contact::email(text),
            Self::Phone => phone::phone(text, context.default_region),
            Self::Url => contact::url(text),
            Self::Opaque | Self::Text => Ok(text.to_owned()),
            Self::Username => Ok(text::scoped(context.processor, &text::name(text))),
            Self::NationalId => government::national_id(text),
            Self::Document => government::document(text),
            Self::BankAccount => return financial::bank_account(text),
            Self::PaymentCard => financial::payment_card(text),
            Self::IssuedNumber => Ok(text::scoped(context.processor, &government::document(text)?)),
            Self::DeviceId => technical::device_id(text),
            Self::IpAddress => technical::ip_address(text),
            Self::MacAddress => return technical::mac_address(text),
            Self::Name => Ok(text::name(text)),
            Self::BirthDate => text::birth_date(text),
            Self::Label => Ok(text::label(text)),
            Self::Region => Ok(place::region(text)),
            Self::PostalCode => place::postal_code(text),
            Self::Country => place::country(text),
            Self::LocationPrecise => place::location(text, 5),
            Self::LocationImprecise => Ok(place::location(text, 2).unwrap_or_else(|_| text::label(text))),
            Self::Language => text::language(text),
            Self::Presence | Self::Password => return Err(Invalid::EMPTY),
        }?;
        Ok(Normalised::value(value))
    }

    /// Returns the text with line breaks and tabs as spaces, where white space only serves readers. In an identifier
    /// they are a fault.
    fn unfolded(self, text: &str) -> Cow<'_, str> {
        let is_break = |c: char| matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let is_identifier = matches!(
            self,
            Self::Email | Self::Url | Self::Opaque | Self::DeviceId | Self::IpAddress | Self::MacAddress
        );
        if is_identifier || !text.contains(is_break) {
            return Cow::Borrowed(text);
        }
        let spaced = text.replace("\r\n", " ").replace(is_break, " ");
        Cow::Owned(spaced)
    }

    /// Returns whether generation 1 may have spelt the same value differently, given that cleaning it `changed` it or
    /// not.
    const fn unifies(self, changed: bool) -> bool {
        match self {
            // The lower case of a composed text need not be composed.
            Self::Email => true,
            Self::Opaque | Self::Text | Self::Username | Self::Name => changed,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
