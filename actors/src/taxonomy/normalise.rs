//! Normalisers: each checks a value and brings it into the one spelling that all its spellings share.
//!
//! All are idempotent, but for the scope that some put before a value. None ever shows the value in an error.

pub(crate) mod contact;
mod financial;
mod government;
mod place;
mod technical;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::personal::Personal;

/// Longest value that is looked at, in bytes.
const MAX_BYTES: usize = 2048;

/// How a category's values are checked and normalised; the name is the one in the taxonomy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    /// Address syntax (RFC 5321, 5322), a domain with a dot; lower case; IDNA domain; dots and +tags kept.
    Email,
    /// libphonenumber; E.164; national numbers by the integration's default region.
    Phone,
    /// http or https; punycode host; query and fragment dropped.
    Url,
    /// As it is, trimmed; case-sensitive.
    Opaque,
    /// NFKC, case-folded; scoped to the processor.
    Username,
    /// Upper-case letters and digits; behind a country tag, known checksums.
    NationalId,
    /// Upper-case letters and digits.
    Document,
    /// IBAN (ISO 13616, mod 97), or an ABA routing number and an account number.
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
    /// An ISO 8601 date from 1900 to today.
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
    /// Whether a value counts within its processor only.
    #[must_use]
    pub const fn is_scoped(self) -> bool {
        matches!(self, Self::Username | Self::IssuedNumber)
    }
}

/// What a value is normalised in.
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
    pub warning: Option<(&'static str, &'static str)>,
}

impl Normalised {
    fn value(value: String) -> Self {
        Self {
            value: Some(Personal::new(value)),
            warning: None,
        }
    }
}

/// Why a value is not what its category says: a stable code, and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: &'static str,
}

impl Invalid {
    const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code, message }
    }
}

impl Normaliser {
    /// Checks and normalises one value.
    ///
    /// # Errors
    /// [`Invalid`], without the value.
    pub fn normalise(self, raw: &str, context: &NormaliseContext<'_>) -> Result<Normalised, Invalid> {
        match self {
            Self::Presence => {
                return Ok(Normalised {
                    value: None,
                    warning: None,
                });
            }
            Self::Password => {
                let warning = (
                    "password_received",
                    "a password was sent: leave it out, nothing of it was kept",
                );
                return Ok(Normalised {
                    value: None,
                    warning: Some(warning),
                });
            }
            _ => {}
        }
        let raw = raw.trim();
        if raw.is_empty() {
            return Err(Invalid::new("empty_value", "must not be empty"));
        }
        if raw.len() > MAX_BYTES {
            return Err(Invalid::new("value_too_long", "must have at most 2,048 bytes"));
        }
        if raw.chars().any(char::is_control) {
            return Err(Invalid::new("control_character", "must not contain control characters"));
        }
        let value = match self {
            Self::Email => contact::email(raw),
            Self::Phone => contact::phone(raw, context.default_region),
            Self::Url => contact::url(raw),
            Self::Opaque | Self::Text => Ok(raw.to_owned()),
            Self::Username => Ok(text::scoped(context.processor, &text::name(raw))),
            Self::NationalId => government::national_id(raw),
            Self::Document => government::document(raw),
            Self::BankAccount => financial::bank_account(raw),
            Self::PaymentCard => financial::payment_card(raw),
            Self::IssuedNumber => Ok(text::scoped(context.processor, &government::document(raw)?)),
            Self::DeviceId => technical::device_id(raw),
            Self::IpAddress => technical::ip_address(raw),
            Self::MacAddress => return technical::mac_address(raw),
            Self::Name => Ok(text::name(raw)),
            Self::BirthDate => text::birth_date(raw),
            Self::Label => Ok(text::label(raw)),
            Self::Region => Ok(place::region(raw)),
            Self::PostalCode => place::postal_code(raw),
            Self::Country => place::country(raw),
            Self::LocationPrecise => place::location(raw, 5),
            Self::LocationImprecise => Ok(place::location(raw, 2).unwrap_or_else(|_| text::label(raw))),
            Self::Language => text::language(raw),
            Self::Presence | Self::Password => {
                return Ok(Normalised {
                    value: None,
                    warning: None,
                });
            }
        }?;
        if value.is_empty() {
            return Err(Invalid::new("empty_value", "must not be empty"));
        }
        Ok(Normalised::value(value))
    }
}

#[cfg(test)]
mod tests;
