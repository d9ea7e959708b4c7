//! Each value goes to the rules of its normaliser.

use std::borrow::Cow;

use unicode_normalization::is_nfkc;

use super::normalised::{Invalid, NormaliseContext, Normalised};
use super::normaliser::Normaliser;
use super::{contact, financial, government, phone, place, technical, text, unicode};
use crate::codes::EventCode;
use crate::personal::Personal;
use crate::taxonomy::generation1;

/// Longest value that is looked at, in bytes.
const MAX_BYTES: usize = 2048;

/// Returns a text with characters that look alike made equal, as the normaliser does first. In numbers, these include
/// dashes.
pub(in crate::taxonomy) fn lookalikes(normaliser: Normaliser, text: &str) -> Cow<'_, str> {
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

/// Normalises a text as a name, or as a user name.
pub(in crate::taxonomy) fn name_of(normaliser: Normaliser, text: &str) -> String {
    match normaliser {
        Normaliser::Username => text::username(text),
        _ => text::name(text),
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
        // Generation 1 gave such a user name the spelling of another: x2 for x².
        let is_shared = || self == Self::Username && !is_nfkc(&text);
        if is_quoted || (!raw.is_ascii() && !is_shared() && self.unifies(matches!(clean, Cow::Owned(_)))) {
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
            Self::Username => Ok(text::scoped(context.processor, &text::username(text))),
            Self::NationalId => government::national_id(text),
            Self::Document => government::document(text),
            Self::BankAccount => return financial::bank_account(text),
            Self::PaymentCard => financial::payment_card(text),
            Self::IssuedNumber => Ok(text::scoped(context.processor, &government::issued(text)?)),
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
