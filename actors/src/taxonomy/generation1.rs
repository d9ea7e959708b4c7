//! Generation 1 of the normaliser, frozen: the spellings from which links of earlier builds were hashed.
//!
//! A link is a keyed hash and cannot be computed again from stored data. So the rules of a former generation stay in
//! the code as long as such links may exist. Never change anything here: `vectors.jsonl` has values from the build of
//! that time.

mod contact;
mod financial;
mod government;
mod place;
mod technical;
mod text;

use super::normalise::{NormaliseContext, Normaliser};

/// Longest value that was looked at, in bytes.
const MAX_BYTES: usize = 2048;

/// Returns the spelling that generation 1 gave a value, or `None` if it accepted none or kept none.
pub(crate) fn spelling(normaliser: Normaliser, raw: &str, context: &NormaliseContext<'_>) -> Option<String> {
    let raw = raw.trim();
    if raw.is_empty() || raw.len() > MAX_BYTES || raw.chars().any(char::is_control) {
        return None;
    }
    let value = match normaliser {
        Normaliser::Email => contact::email(raw),
        Normaliser::Phone => contact::phone(raw, context.default_region),
        Normaliser::Url => contact::url(raw),
        Normaliser::Opaque | Normaliser::Text => Some(raw.to_owned()),
        Normaliser::Username => Some(text::scoped(context.processor, &text::name(raw))),
        Normaliser::NationalId => government::national_id(raw),
        Normaliser::Document => government::document(raw),
        Normaliser::BankAccount => financial::bank_account(raw),
        Normaliser::PaymentCard => financial::payment_card(raw),
        Normaliser::IssuedNumber => Some(text::scoped(context.processor, &government::document(raw)?)),
        Normaliser::DeviceId => technical::device_id(raw),
        Normaliser::IpAddress => technical::ip_address(raw),
        Normaliser::MacAddress => technical::mac_address(raw),
        Normaliser::Name => Some(text::name(raw)),
        Normaliser::BirthDate => text::birth_date(raw),
        Normaliser::Label => Some(text::label(raw)),
        Normaliser::Region => Some(place::region(raw)),
        Normaliser::PostalCode => place::postal_code(raw),
        Normaliser::Country => place::country(raw),
        Normaliser::LocationPrecise => place::location(raw, 5),
        Normaliser::LocationImprecise => Some(place::location(raw, 2).unwrap_or_else(|| text::label(raw))),
        Normaliser::Language => text::language(raw),
        Normaliser::Presence | Normaliser::Password => None,
    }?;
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_spelt_as_the_build_of_that_time_spelt_it() {
        let vectors = include_str!("generation1/vectors.jsonl");
        let mut seen = 0;
        for line in vectors.lines() {
            let (normaliser, region, raw, expected): (Normaliser, Option<String>, String, Option<String>) =
                serde_json::from_str(line).unwrap();
            let context = NormaliseContext {
                processor: "shop",
                default_region: region.as_deref(),
            };
            assert_eq!(spelling(normaliser, &raw, &context), expected, "{line}");
            seen += 1;
        }
        assert!(seen > 400, "{seen}");
    }
}
