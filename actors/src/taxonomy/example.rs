//! Examples: for each normaliser a value that it takes, of nobody.

use super::normalise::Normaliser;

impl Normaliser {
    /// Returns an example value, for documentation and sample events. It comes from the ranges that are reserved for
    /// examples, if there are any.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Email => "ada@shop.example",
            Self::Phone => "+49 30 901820",
            Self::Url => "https://social.example/ada",
            Self::Opaque => "c-4711",
            Self::Username => "ada_l",
            Self::NationalId => "AB123456C",
            Self::Document => "C01X00T47",
            Self::BankAccount => "DE89 3704 0044 0532 0130 00",
            Self::PaymentCard => "4111 1111 1111 1111",
            Self::IssuedNumber => "MRN-0042",
            Self::DeviceId => "7b6c1f9e-4a3d-4c2b-9f10-2d3e4f5a6b7c",
            Self::IpAddress => "203.0.113.7",
            Self::MacAddress => "00:00:5e:00:53:01",
            Self::Text => "Example",
            Self::Name => "Ada Example",
            Self::BirthDate => "1990-12-10",
            Self::Label => "Bremen",
            Self::Region => "DE-HB",
            Self::PostalCode => "28195",
            Self::Country => "DE",
            Self::LocationPrecise => "53.07583,8.80717",
            Self::LocationImprecise => "53.08,8.81",
            Self::Language => "en-GB",
            Self::Presence => "Example",
            Self::Password => "(leave it out)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NormaliseContext, Taxonomy};

    #[test]
    fn every_example_is_what_its_category_takes() {
        let taxonomy = Taxonomy::bundled();
        let context = NormaliseContext {
            processor: "shop",
            default_region: None,
        };
        for category in taxonomy.categories() {
            let example = category.normalise.example();
            let normalised = category.normalise.normalise(example, &context);
            let value = normalised
                .unwrap_or_else(|error| panic!("{}: {error:?}", category.key))
                .value;
            if let Some(value) = value {
                assert!(!taxonomy.is_blocked(category, value.expose()), "{}", category.key);
            }
        }
    }
}
