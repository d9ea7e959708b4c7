//! Categories by the names that fields commonly have.

mod table;

use std::sync::Arc;

use table::{NAMES, OF_A_PERSON, PEOPLE};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::check::distance;
use crate::taxonomy::{Category, Taxonomy};

/// What stands behind the word for a person in the name of an identifier, as in `customerNo`.
const IDENTIFIERS: &[&str] = &["id", "no", "nr", "number", "num", "uid", "uuid", "identifier"];

/// A name in lower-case words without accents: `firstName`, `first_name` and `FIRST-NAME` are one, as are `prénom` and
/// `prenom`.
pub(in crate::mapping) fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        let starts = letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if starts || !letter.is_alphanumeric() {
            text.push(' ');
        }
        match letter {
            'ß' | 'ẞ' => text.push_str("ss"),
            'ø' | 'Ø' => text.push('o'),
            'ł' | 'Ł' => text.push('l'),
            'æ' | 'Æ' => text.push_str("ae"),
            letter if letter.is_alphanumeric() => text.extend(letter.to_lowercase()),
            _ => {}
        }
        before = letter;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same without spaces: how names are told apart that are written as one word.
pub(in crate::mapping) fn squeezed(name: &str) -> String {
    words(name).replace(' ', "")
}

/// Whether a name is these words, written apart or as one, or ends with them.
fn ends_with(name: &str, ending: &str) -> bool {
    let is_one_word = !name.contains(' ') && ending.contains(' ') && name == ending.replace(' ', "");
    is_one_word
        || name
            .strip_suffix(ending)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

/// Whether a word is what a person is called in a payload, one or many.
fn is_person(name: &str) -> bool {
    let singular = name.strip_suffix('s').unwrap_or(name);
    PEOPLE
        .iter()
        .any(|person| ends_with(name, person) || ends_with(singular, person))
}

/// The category that a field's name speaks for.
pub(in crate::mapping) fn category<'t>(
    taxonomy: &'t Taxonomy,
    parents: &[&str],
    name: &str,
) -> Option<&'t Arc<Category>> {
    let name = words(name);
    // What the operator calls a category of their own is its name as well.
    let of_its_own = taxonomy.categories().iter().find(|category| {
        let last = last_words(&category.key);
        let in_table = NAMES.iter().any(|(key, _)| *key == &*category.key);
        // One word of the tables' categories may say too little.
        (words(&category.label) == name || last == name) && (!in_table || name.contains(' '))
    });
    let is_of_a_person = parents.last().is_some_and(|parent| is_person(&words(parent)));
    let more: &[(&str, &[&str])] = if is_of_a_person { OF_A_PERSON } else { &[] };
    let candidates = NAMES
        .iter()
        .chain(more)
        .flat_map(|(key, endings)| endings.iter().map(move |ending| (*key, *ending)));
    let in_tables = || {
        candidates
            .filter(|(_, ending)| ends_with(&name, ending))
            .max_by_key(|(_, ending)| ending.len())
            .and_then(|(key, _)| taxonomy.get(key))
    };
    of_its_own
        .or_else(in_tables)
        .or_else(|| identifier(&name).then(|| taxonomy.get("user.unique_id")).flatten())
}

/// Whether a name is the word for a person and one for an identifier.
fn identifier(name: &str) -> bool {
    let apart = name
        .rsplit_once(' ')
        .is_some_and(|(person, last)| IDENTIFIERS.contains(&last) && is_person(person));
    let as_one = || {
        IDENTIFIERS
            .iter()
            .any(|last| name.strip_suffix(last).is_some_and(|person| PEOPLE.contains(&person)))
    };
    apart || as_one()
}

/// The last part of a category's key, as words.
fn last_words(key: &str) -> String {
    key.rsplit('.').next().unwrap_or_default().replace('_', " ")
}

/// The category that somebody may have meant by a key that there is not: by its letters, then by its last part, which is
/// what people remember, then by labels and by what fields are called.
pub(in crate::mapping) fn meant<'t>(taxonomy: &'t Taxonomy, key: &str) -> Option<&'t Arc<Category>> {
    let categories = taxonomy.categories();
    let wanted = squeezed(key);
    let is_spelt = |category: &&Arc<Category>| {
        let names = [Some(&*category.key), Some(category.label.as_str())];
        let others = [category.fideslang.as_deref(), category.dpv_pd.as_deref()];
        names
            .into_iter()
            .chain(others)
            .flatten()
            .any(|name| squeezed(name) == wanted)
    };
    let parts: Vec<&str> = key.split('.').map(str::trim).filter(|part| !part.is_empty()).collect();
    let (last, parents) = parts.split_last()?;
    categories
        .iter()
        .find(is_spelt)
        .or_else(|| misspelt(categories, key, |category| category.key.to_string(), 2))
        .or_else(|| by_parts(taxonomy, parents, last))
        .or_else(|| {
            let last = words(last);
            categories.iter().find(|category| last_words(&category.key) == last)
        })
        .or_else(|| {
            // One of two things that a category is about: `health` of `user.health_and_medical`.
            let first = format!("{}_and_", words(last).replace(' ', "_"));
            let named = |category: &&Arc<Category>| {
                category
                    .key
                    .rsplit('.')
                    .next()
                    .is_some_and(|name| name.starts_with(&first))
            };
            categories.iter().find(named).filter(|_| first.len() > 4)
        })
        .or_else(|| {
            let wanted = words(last);
            let allowed = wanted.chars().count() / 4;
            let names = NAMES
                .iter()
                .flat_map(|(key, names)| names.iter().map(move |name| (*key, *name)));
            let near = names
                .map(|(key, name)| (distance(&wanted, name), key))
                .filter(|(distance, _)| *distance <= allowed.min(2))
                .min_by_key(|(distance, _)| *distance);
            near.and_then(|(_, key)| taxonomy.get(key))
                .or_else(|| {
                    misspelt(
                        categories,
                        &wanted,
                        |category| last_words(&category.key),
                        allowed.min(2),
                    )
                })
                .or_else(|| misspelt(categories, &wanted, |category| words(&category.label), allowed.min(2)))
        })
}

/// The category that is nearest by one of its names, if it is near enough.
fn misspelt<'t>(
    categories: &'t [Arc<Category>],
    wanted: &str,
    name: impl Fn(&Category) -> String,
    allowed: usize,
) -> Option<&'t Arc<Category>> {
    categories
        .iter()
        .map(|category| (distance(wanted, &name(category)), category))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, category)| category)
}

/// By the last part, alone and with the one before it, in either order: `user.name.given`, `user.birth.date`.
fn by_parts<'t>(taxonomy: &'t Taxonomy, parents: &[&str], last: &str) -> Option<&'t Arc<Category>> {
    let both = |before: &&str| {
        [format!("{last} {before}"), format!("{before} {last}")]
            .into_iter()
            .filter(|name| words(name).contains(' '))
            .find_map(|name| category(taxonomy, &[], &name))
    };
    category(taxonomy, parents, last)
        .or_else(|| parents.last().and_then(both))
        .or_else(|| category(taxonomy, &["user"], last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_into_words() {
        for (name, expected) in [
            ("firstName", "first name"),
            ("FIRST-NAME", "first name"),
            ("first_name", "first name"),
            ("address1", "address1"),
            ("userID", "user id"),
            ("ÄrztinName", "arztin name"),
            ("Prénom", "prenom"),
            ("straße", "strasse"),
            ("fødselsdato", "fodselsdato"),
        ] {
            assert_eq!(words(name), expected);
        }
    }

    #[test]
    fn every_name_in_the_tables_leads_to_a_category_that_there_is() {
        let taxonomy = Taxonomy::bundled();
        for (key, endings) in NAMES.iter().chain(OF_A_PERSON) {
            assert!(taxonomy.get(key).is_some(), "{key}");
            for ending in *endings {
                assert_eq!(*ending, words(ending), "{key}");
                let found = category(&taxonomy, &["customer"], ending).unwrap();
                assert_eq!(&*found.key, *key, "{ending}");
            }
        }
    }

    #[test]
    fn names_in_several_languages_speak_for_their_category() {
        let taxonomy = Taxonomy::bundled();
        let found = |name: &str| category(&taxonomy, &[], name).map(|category| category.key.to_string());
        for (name, expected) in [
            ("customerNo", "user.unique_id"),
            ("customerno", "user.unique_id"),
            ("buyer_number", "user.unique_id"),
            ("Kundennummer", "user.unique_id"),
            ("emailAddress", "user.contact.email"),
            ("emailaddress", "user.contact.email"),
            ("E-Mail-Adresse", "user.contact.email"),
            ("courriel", "user.contact.email"),
            ("Geburtsdatum", "user.demographic.date_of_birth"),
            ("date_de_naissance", "user.demographic.date_of_birth"),
            ("téléphone", "user.contact.phone_number"),
            ("Straße", "user.contact.address.street"),
            ("imię", "user.name.first"),
            ("código postal", "user.contact.address.postal_code"),
        ] {
            assert_eq!(found(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["orderNo", "invoiceNumber", "sku", "productName", "status", "version"] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_that_there_is_not_leads_to_the_one_that_was_meant() {
        let taxonomy = Taxonomy::bundled();
        for (key, expected) in [
            ("user.email", "user.contact.email"),
            ("user.phone", "user.contact.phone_number"),
            ("user.contact.emial", "user.contact.email"),
            ("user.contact.phone", "user.contact.phone_number"),
            ("email", "user.contact.email"),
            ("Email", "user.contact.email"),
            ("E-mail address", "user.contact.email"),
            ("EmailAddress", "user.contact.email"),
            ("e-mail", "user.contact.email"),
            ("emial", "user.contact.email"),
            ("telefone", "user.contact.phone_number"),
            ("birthdate", "user.demographic.date_of_birth"),
            ("date of birth", "user.demographic.date_of_birth"),
            ("user.dob", "user.demographic.date_of_birth"),
            ("user.birth.date", "user.demographic.date_of_birth"),
            ("customer_id", "user.unique_id"),
            ("user.id", "user.unique_id"),
            ("id", "user.unique_id"),
            ("user_id", "user.unique_id"),
            ("name", "user.name"),
            ("full_name", "user.name"),
            ("user.first_name", "user.name.first"),
            ("user.name.given", "user.name.first"),
            ("user.surname", "user.name.last"),
            ("user.address.city", "user.contact.address.city"),
            ("user.zip", "user.contact.address.postal_code"),
            ("user.ip", "user.device.ip_address"),
            ("user.ssn", "user.government_id.national_identification_number"),
            ("credit_card", "user.financial.credit_card"),
            ("iban", "user.financial.bank_account"),
            ("health", "user.health_and_medical"),
            ("user.location", "user.location.imprecise"),
            ("password", "user.authorization.password"),
            ("geburtsdatum", "user.demographic.date_of_birth"),
        ] {
            let found = meant(&taxonomy, key).map(|category| category.key.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{key}");
        }
        for key in ["", ".", "nothing.like.it", "sku", "user"] {
            let found = meant(&taxonomy, key).map(|category| category.key.to_string());
            assert_eq!(found, None, "{key}");
        }
    }
}
