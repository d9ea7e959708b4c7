//! The categories of a taxonomy file, and the values that identify nobody.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::blocklist::Blocklist;
use super::category::{Category, Class, TaxonomyError};
use super::normalise::{NormaliseContext, Normalised, Normaliser};
use super::placeholder::Words;
use super::{entry, generation1};
use crate::personal::Personal;

/// The taxonomy that is built in.
pub const BUNDLED: &str = include_str!("../../../config/pii-taxonomy.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    categories: Vec<Category>,
    #[serde(default)]
    placeholders: Option<Placeholders>,
    #[serde(default)]
    blocklist: HashMap<String, Vec<String>>,
    #[serde(default)]
    allowed: HashMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Placeholders {
    #[serde(default)]
    identifiers: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    /// The roles of the file. `None`: the built-in ones.
    roles: Option<Vec<String>>,
}

/// The values that the built-in file had for every category before there were [`Placeholders`]. A copy of that file has
/// them too, and the placeholders replace them there.
pub(super) const FORMER_ANY: [&str; 28] = [
    "null",
    "nil",
    "none",
    "undefined",
    "unknown",
    "n/a",
    "na",
    "nan",
    "-",
    "--",
    "?",
    "x",
    "xx",
    "xxx",
    "empty",
    "anonymous",
    "guest",
    "test",
    "user",
    "default",
    "0",
    "00",
    "000",
    "0000",
    "00000000",
    "1",
    "-1",
    "123456",
];

impl File {
    /// Returns the file's own words, or the built-in ones.
    fn words(&mut self) -> Result<Words, TaxonomyError> {
        let own = match self.placeholders.take() {
            Some(own) => own,
            None => {
                if let Some(any) = self.blocklist.get_mut("any")
                    && FORMER_ANY.iter().all(|former| any.iter().any(|value| value == former))
                {
                    let is_former =
                        |value: &str| FORMER_ANY.contains(&value) || matches!(value, "12345678" | "123456789");
                    any.retain(|value| !is_former(value));
                }
                built_in()?
            }
        };
        let roles = match own.roles {
            Some(roles) => roles,
            None => built_in()?.roles.unwrap_or_default(),
        };
        Ok(Words::new(&own.identifiers, &own.names, &roles))
    }
}

/// Returns the built-in words.
fn built_in() -> Result<Placeholders, TaxonomyError> {
    let bundled: File = toml::from_str(BUNDLED).map_err(|error| TaxonomyError(error.to_string()))?;
    Ok(bundled.placeholders.unwrap_or_default())
}

/// All categories, in the file's order.
#[derive(Debug)]
pub struct Taxonomy {
    pub(super) categories: Vec<Arc<Category>>,
    pub(super) by_key: HashMap<Arc<str>, Arc<Category>>,
    pub(super) words: Words,
    pub(super) blocklist: Blocklist,
    pub(super) allowed: Blocklist,
}

impl Taxonomy {
    /// Reads a taxonomy file.
    ///
    /// # Errors
    /// [`TaxonomyError`], naming the place.
    pub fn parse(text: &str) -> Result<Self, TaxonomyError> {
        let mut file: File = toml::from_str(text).map_err(|error| TaxonomyError(error.to_string()))?;
        let words = file.words()?;
        let mut by_key = HashMap::new();
        let mut categories = Vec::with_capacity(file.categories.len());
        for category in file.categories {
            check(&category)?;
            let category = Arc::new(category);
            if by_key
                .insert(Arc::clone(&category.key), Arc::clone(&category))
                .is_some()
            {
                return Err(TaxonomyError(format!("category {} is there twice", category.key)));
            }
            categories.push(category);
        }
        for (table, lists, any) in [("blocklist", &file.blocklist, true), ("allowed", &file.allowed, false)] {
            let is_known = |key: &String| (any && key == "any") || by_key.contains_key(key.as_str());
            if let Some(unknown) = lists.keys().find(|key| !is_known(key)) {
                return Err(TaxonomyError(format!(
                    "the table [{table}] names {unknown}, which is no category"
                )));
            }
        }
        Ok(Self {
            blocklist: Blocklist::new("blocklist", &file.blocklist, &categories)?,
            allowed: Blocklist::new("allowed", &file.allowed, &categories)?,
            categories,
            by_key,
            words,
        })
    }

    /// Returns the built-in taxonomy.
    ///
    /// # Panics
    /// Never: a test reads the same file.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn bundled() -> Self {
        Self::parse(BUNDLED).expect("the bundled taxonomy is valid")
    }

    /// Returns a category by its key. Returns `None` for an unknown one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Category>> {
        self.by_key.get(key)
    }

    /// Returns all categories, in the file's order.
    #[must_use]
    pub fn categories(&self) -> &[Arc<Category>] {
        &self.categories
    }

    /// Returns whether a normalised value stands for nobody, or for many people.
    #[must_use]
    pub fn is_blocked(&self, category: &Category, normalised: &str) -> bool {
        let spellings = || entry::spellings(category.normalise, normalised);
        let is_listed = || self.blocklist.contains(&category.key, spellings());
        let value = category.normalise.bare(normalised);
        let is_placeholder = || self.words.is_placeholder(category.normalise, value);
        (is_listed() || is_placeholder()) && !self.allowed.contains(&category.key, spellings())
    }

    /// Returns the spelling from which an earlier build may have made a link, if the value links nothing today. Returns
    /// `None` if that build refused it too, or spelt it as a value that links today.
    #[must_use]
    pub fn refused_spelling(
        &self,
        category: &Category,
        raw: &str,
        context: &NormaliseContext<'_>,
    ) -> Option<Personal<String>> {
        let earlier = generation1::spelling(category.normalise, raw, context)?;
        let links_today = match category.normalise.normalise(category.normalise.bare(&earlier), context) {
            Ok(Normalised { value: Some(value), .. }) => !self.is_blocked(category, value.expose()),
            _ => false,
        };
        (!links_today).then(|| Personal::new(earlier))
    }
}

fn check(category: &Category) -> Result<(), TaxonomyError> {
    let key = &category.key;
    let well_formed = !key.is_empty()
        && key.len() <= 128
        && key.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
    if !well_formed {
        return Err(TaxonomyError(format!(
            "category {key:?}: a key is lower-case words with dots between them"
        )));
    }
    if (category.class == Class::Strong) != (category.max_distinct > 0) {
        return Err(TaxonomyError(format!(
            "category {key}: strong categories, and only they, need max_distinct ≥ 1"
        )));
    }
    let valueless = matches!(category.normalise, Normaliser::Presence | Normaliser::Password);
    if valueless && matches!(category.class, Class::Strong | Class::Weak) {
        return Err(TaxonomyError(format!("category {key}: what has no value cannot link")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_taxonomy_is_valid_and_whole() {
        let taxonomy = Taxonomy::bundled();
        let email = taxonomy.get("user.contact.email").unwrap();
        assert_eq!((email.class, email.normalise), (Class::Strong, Normaliser::Email));
        assert!(taxonomy.is_blocked(email, "noreply@shop.example"));
        assert!(!taxonomy.is_blocked(email, "customer@example.com"));
        assert!(taxonomy.is_blocked(taxonomy.get("user.unique_id").unwrap(), "NULL"));
        assert!(taxonomy.get("user.financial.credit_card").unwrap().links());
        assert!(!taxonomy.get("user.authorization.password").unwrap().links());
    }

    #[test]
    fn faults_are_named() {
        let fault = |text: &str| Taxonomy::parse(text).unwrap_err().to_string();
        let line = r#"{ key = "user.a", label = "A", class = "strong", normalise = "email", max_distinct = 1 }"#;
        assert!(Taxonomy::parse(&format!("categories = [{line}]")).is_ok());
        assert!(fault(&format!("categories = [{line}, {line}]")).contains("twice"));
        assert!(fault(&format!("categories = [{}]", line.replace("user.a", "User"))).contains("lower-case"));
        assert!(fault(&format!("categories = [{}]", line.replace("= 1", "= 0"))).contains("max_distinct"));
        assert!(fault(&format!("categories = [{}]", line.replace("\"email\"", "\"e\""))).contains("unknown variant"));
        assert!(fault(&format!("categories = [{line}]\n[blocklist]\nx = []")).contains("no category"));
    }
}
