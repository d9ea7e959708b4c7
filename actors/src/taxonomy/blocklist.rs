//! Values that an operator lists by category.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::category::{Category, TaxonomyError};
use super::entry;
use super::placeholder::lower;

/// The operator's list for one category, normalised like its values, in lower case.
#[derive(Debug, Default)]
struct Patterns {
    exact: HashSet<String>,
    starts: Vec<String>,
    ends: Vec<String>,
    inner: Vec<String>,
    /// The whole values as the file has them.
    written: Vec<String>,
}

impl Patterns {
    fn add(&mut self, category: &Category, text: &str) -> Result<(), &'static str> {
        let affix = |part: &str, place| entry::affix(category.normalise, part, place);
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(rest), Some(_)) if rest.len() > 1 => {
                let inner = affix(&rest[..rest.len() - 1], entry::Place::Inside)?;
                self.inner.push(inner);
            }
            (Some(end), _) => self.ends.push(affix(end, entry::Place::End)?),
            (None, Some(start)) => self.starts.push(affix(start, entry::Place::Start)?),
            (None, None) => {
                self.exact.extend(entry::whole(category.normalise, text)?);
                self.written.push(text.to_owned());
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.starts.is_empty() && self.ends.is_empty() && self.inner.is_empty()
    }

    fn contains(&self, value: &str) -> bool {
        self.exact.contains(value)
            || self.starts.iter().any(|start| value.starts_with(start.as_str()))
            || self.ends.iter().any(|end| value.ends_with(end.as_str()))
            || self.inner.iter().any(|inner| value.contains(inner.as_str()))
    }
}

/// See the head of the taxonomy file.
#[derive(Debug, Default)]
pub(super) struct Blocklist(HashMap<Arc<str>, Patterns>);

impl Blocklist {
    /// Reads a table of the file. Entries are brought into the spelling of the values that they are compared with.
    ///
    /// # Errors
    /// An entry that can be no value's.
    pub(super) fn new(
        table: &str,
        lists: &HashMap<String, Vec<String>>,
        categories: &[Arc<Category>],
    ) -> Result<Self, TaxonomyError> {
        let mut by_category: HashMap<Arc<str>, Patterns> = HashMap::new();
        let wrong = |key: &str, text: &str, why: &str| {
            TaxonomyError(format!("[{table}] {key}: the entry {text:?} can be no value's: {why}"))
        };
        for text in lists.get("any").into_iter().flatten() {
            let mut is_taken = false;
            for category in categories.iter().filter(|category| category.links()) {
                let patterns = by_category.entry(Arc::clone(&category.key)).or_default();
                is_taken |= patterns.add(category, text).is_ok();
            }
            if !is_taken {
                return Err(wrong("any", text, "no category has such values"));
            }
        }
        for category in categories {
            for text in lists.get(&*category.key).into_iter().flatten() {
                if !category.links() {
                    return Err(wrong(&category.key, text, "the category links nothing"));
                }
                let patterns = by_category.entry(Arc::clone(&category.key)).or_default();
                let added = patterns.add(category, text);
                added.map_err(|why| wrong(&category.key, text, why))?;
            }
        }
        by_category.retain(|_, patterns| !patterns.is_empty());
        Ok(Self(by_category))
    }

    /// Returns whether one of the spellings of a value is listed.
    pub(super) fn contains<'a>(&self, category: &str, spellings: impl IntoIterator<Item = Cow<'a, str>>) -> bool {
        let Some(patterns) = self.0.get(category) else {
            return false;
        };
        let mut spellings = spellings.into_iter();
        spellings.any(|spelling| patterns.contains(&lower(&spelling)))
    }

    /// Returns the whole values in a category's lists, as they are written.
    pub(super) fn literals(&self, category: &str) -> impl Iterator<Item = &str> {
        let patterns = self.0.get(category).into_iter();
        patterns.flat_map(|patterns| patterns.written.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::super::placeholder::tests::links;
    use super::super::{BUNDLED, Taxonomy};

    fn with(table: &str, category: &str, entry: &str) -> Result<Taxonomy, String> {
        let (key, quoted) = (format!("\n{category:?} = ["), format!("'{entry}', "));
        let (head, lists) = BUNDLED.split_once(&format!("\n[{table}]\n")).unwrap();
        let lists = match (category, lists.contains(&key)) {
            ("any", _) => lists.replacen("any = [", &format!("any = [{quoted}"), 1),
            (_, true) => lists.replacen(&key, &format!("{key}{quoted}"), 1),
            (_, false) => format!("{key}{quoted}]\n{lists}"),
        };
        let own = format!("{head}\n[{table}]\n{lists}");
        Taxonomy::parse(&own).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_is_spelt_as_values_may_be() {
        let (national, passport) = (
            "user.government_id.national_identification_number",
            "user.government_id.passport_number",
        );
        let (phone, id) = ("user.contact.phone_number", "user.unique_id");
        for (category, entry, listed, other) in [
            (passport, "L01X-00T4", "l01x00t4", "L01X00T5"),
            (passport, "L01X-00T4", "DE:L01X00T4", "DE:L01X00T5"),
            (passport, "L01X-00T4", "DE L01X 00T4", "DE L01X 00T5"),
            (passport, "DE:L01X00T5", "de: L01X-00T5", "FR:L01X00T5"),
            (passport, "DE:L01X00T5", "DE-L01X00T5", "L01X00T5"),
            (passport, "L01X-0*", "DE:L01X00T5", "L01X10T5"),
            (national, "AB 12 34 56 C", "ab123456c", "AB123457C"),
            (phone, "+49 30 901820", "+49 30 901820 ext. 7", "+49 30 901821"),
            (phone, "+49 30 901820 ext. 7", "+4930901820;ext=7", "+49 30 901820"),
            (phone, "+49 30 90*", "030 901820", "+49 30 801820"),
            (phone, "*820", "030 901820 ext. 1", "030 901821"),
            (
                "user.financial.bank_account",
                "DE89 3704 0044 0532 0130 00",
                "de89370400440532013000",
                "DE98370400440532013032",
            ),
            (id, "\u{ff37}eb", "web", "web2"),
            (id, "*Till*", "a-till-7", "a-ti-7"),
            ("any", "\u{ff37}eb", "WEB", "web2"),
            ("user.account.username", "Kiosk  1", "kiosk 1", "kiosk 2"),
            ("user.name", "Kasse *", "kasse 4", "Kassel"),
            (
                "user.contact.email",
                "*@B\u{fc}cher.example",
                "ada@b\u{fc}cher.example",
                "ada@bucher.example",
            ),
            (
                "user.contact.email",
                "Info@Shop.example",
                "info+7@shop.example",
                "infos@shop.example",
            ),
            (
                "user.device.mac_address",
                "00-1B-*",
                "00:1b:63:84:45:e6",
                "00:1c:63:84:45:e6",
            ),
            (
                "user.contact.url",
                "https://S.example/#top",
                "https://s.example/",
                "https://s.example/ada",
            ),
        ] {
            let taxonomy = with("blocklist", category, entry).unwrap();
            let category = if category == "any" { id } else { category };
            assert_eq!(links(&taxonomy, category, listed), Some(false), "{entry}: {listed}");
            assert_eq!(links(&taxonomy, category, other), Some(true), "{entry}: {other}");
        }
    }

    #[test]
    fn an_exception_is_spelt_as_values_may_be() {
        let national = "user.government_id.national_identification_number";
        for (category, entry, allowed, other) in [
            (national, "US:078-05-1120", "US:078051120", "078051120"),
            (national, "078-05-1120", "US 078-05-1120", "219-09-9999"),
            ("user.unique_id", "\u{ff27}uest", "guest", "guests"),
            (
                "user.contact.email",
                "noreply@shop.example",
                "noreply+1@shop.example",
                "noreply@x.example",
            ),
        ] {
            let taxonomy = with("allowed", category, entry).unwrap();
            assert_eq!(links(&taxonomy, category, allowed), Some(true), "{entry}: {allowed}");
            assert!(
                other == "guests" || links(&taxonomy, category, other) == Some(false),
                "{entry}: {other}"
            );
        }
    }

    #[test]
    fn an_entry_that_can_be_no_value_is_refused() {
        for (category, entry) in [
            ("user.contact.phone_number", "030 901820"),
            ("user.contact.phone_number", "030*"),
            ("user.contact.email", "noreply"),
            ("user.government_id.passport_number", "!!"),
            ("user.government_id.national_identification_number", "PL:44051401358"),
            ("user.demographic.gender", "x"),
            ("user.device.device_id", "00000000-0000-0000-0000-000000000000"),
            ("user.device.ip_address", "ten.*"),
            ("user.unique_id", " "),
            ("user.unique_id", "\u{200b}"),
            ("any", ""),
        ] {
            let error = with("blocklist", category, entry).err().unwrap();
            assert!(
                error.contains("can be no value's") && error.contains(category),
                "{error}"
            );
        }
    }
}
