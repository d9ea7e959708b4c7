//! The normalisers by name, and what stands before the values that they make.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Case-folded; width mapping and NFC, but not NFKC; scoped to the processor.
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
