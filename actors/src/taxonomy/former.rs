//! Placeholders that earlier builds may have made links of.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha3::{Digest, Sha3_256};

use super::catalogue::Taxonomy;
use super::category::Category;
use super::normalise::NormaliseContext;
use crate::personal::Personal;

/// Placeholders that are recognised by their form, and occur most often. Others are switched off when they next arrive.
const FORMS: [&str; 57] = [
    "[object Object]",
    "[object Undefined]",
    "[object Null]",
    "[object Promise]",
    "(null)",
    "<null>",
    "<nil>",
    "'null'",
    "\"null\"",
    "NaN",
    "(not set)",
    "(none)",
    "#N/A",
    "\\N",
    "-",
    "--",
    "?",
    "0",
    "00",
    "000",
    "0000",
    "00000",
    "000000",
    "0000000",
    "00000000",
    "000000000",
    "0000000000",
    "00000000000",
    "000000000000",
    "000-00-0000",
    "111-11-1111",
    "123-45-6789",
    "999-99-9999",
    "999999999",
    "9999999999",
    "1234567890",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "xxx",
    "{{user.id}}",
    "${user.id}",
    "undefined undefined",
    "null null",
    "null,null",
    "null/null",
    "None:None",
    "nullnull",
    "Unknown User",
    "unknown_user",
    "guest checkout",
    "guest_customer",
    "GUEST CUSTOMER",
    "default_customer",
    "guest123",
    "00000000T",
    "123.456.789-09",
];

/// Addresses of the same kind.
const ADDRESSES: [&str; 12] = [
    "test@test.com",
    "test@test.de",
    "a@a.com",
    "abc@abc.com",
    "asdf@asdf.com",
    "none@none.com",
    "na@na.com",
    "no@no.com",
    "email@email.com",
    "test@gmail.com",
    "user@test.com",
    "xxx@xxx.com",
];

/// Placeholders in the spellings of earlier builds, by category.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormerPlaceholders(BTreeMap<Arc<str>, Vec<Personal<String>>>);

impl FormerPlaceholders {
    /// Returns each spelling with its category.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.0
            .iter()
            .flat_map(|(category, values)| values.iter().map(move |value| (category, value.expose().as_str())))
    }

    /// Tells these lists from others.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha3_256::new();
        for (category, spelling) in self.iter() {
            for part in [category.as_bytes(), spelling.as_bytes()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }
}

impl Taxonomy {
    /// Returns the listed placeholders from which earlier builds may have made links. For categories whose values count
    /// within a processor, returns those of `processor`, or of all others without one.
    #[must_use]
    pub fn former_placeholders(&self, processor: Option<&str>) -> FormerPlaceholders {
        let context = NormaliseContext {
            processor: processor.unwrap_or_default(),
            default_region: None,
        };
        let asked =
            |category: &&Arc<Category>| category.links() && category.normalise.is_scoped() == processor.is_some();
        let categories = self.categories.iter().filter(asked);
        FormerPlaceholders(
            categories
                .map(|category| (Arc::clone(&category.key), self.former(category, &context)))
                .collect(),
        )
    }

    fn former(&self, category: &Category, context: &NormaliseContext<'_>) -> Vec<Personal<String>> {
        let listed = || self.blocklist.literals(&category.key);
        let lower = listed().map(str::to_lowercase);
        let words = self.words.all().map(str::to_owned).chain(lower);
        let variants = words
            .flat_map(|word| variants(&word))
            .chain(listed().map(str::to_owned));
        let forms = FORMS.iter().chain(&ADDRESSES).map(|form| (*form).to_owned());
        let refused = variants
            .chain(forms)
            .filter_map(|raw| self.refused_spelling(category, &raw, context));
        let mut found: Vec<Personal<String>> = refused.collect();
        found.sort_unstable_by(|a, b| a.expose().cmp(b.expose()));
        found.dedup();
        found
    }
}

/// Returns `not set`, `NOT SET`, `Not set`, `not_set`.
fn variants(word: &str) -> impl Iterator<Item = String> + use<> {
    let mut letters = word.chars();
    let title: String = letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>())
        .unwrap_or_default()
        + letters.as_str();
    let joined = word.contains(' ').then(|| word.replace(' ', "_"));
    [word.to_owned(), word.to_uppercase(), title].into_iter().chain(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_builds_linked_and_this_one_does_not_is_listed() {
        let taxonomy = Taxonomy::bundled();
        let former = taxonomy.former_placeholders(None);
        let has = |category: &str, value: &str| {
            former
                .iter()
                .any(|(key, spelling)| **key == *category && spelling == value)
        };
        let national = "user.government_id.national_identification_number";
        for (category, value) in [
            ("user.unique_id", "[object Object]"),
            ("user.unique_id", "00000000-0000-0000-0000-000000000000"),
            ("user.unique_id", "true"),
            ("user.unique_id", "True"),
            ("user.unique_id", "TRUE"),
            ("user.unique_id", "not_provided"),
            (national, "000000000"),
            (national, "NOTPROVIDED"),
            (national, "078051120"),
            ("user.contact.email", "test@test.com"),
        ] {
            assert!(has(category, value), "{category} {value}");
        }
        for (category, value) in [
            ("user.unique_id", "1"),
            ("user.unique_id", "123456"),
            ("user.name.last", "null"),
        ] {
            assert!(!has(category, value), "{category} {value}");
        }
        let scoped = taxonomy.former_placeholders(Some("shop"));
        assert!(scoped.iter().any(|(_, spelling)| spelling == "4:shop:guest"));
        assert_ne!(former.digest(), scoped.digest());
        assert_eq!(former.digest(), taxonomy.former_placeholders(None).digest());
    }
}
