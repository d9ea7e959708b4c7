//! Categories by the names that fields commonly have.

mod meant;
mod table;

use std::sync::Arc;

pub(in crate::mapping) use meant::meant;
use table::{ADDRESSES, NAMES, OF_A_PERSON, PEOPLE};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::taxonomy::{Category, Normaliser, Taxonomy};

/// Words behind the word for a person in the name of an identifier, as in `customerNo`.
const IDENTIFIERS: &[&str] = &["id", "no", "nr", "number", "num", "uid", "uuid", "identifier"];

/// Words that say which one of several something is.
#[rustfmt::skip]
const WHICH: &[&str] = &[
    "private", "personal", "home", "work", "business", "office", "mobile", "primary", "secondary", "main", "default",
    "alternative", "backup", "emergency", "other", "billing", "shipping", "delivery", "old", "new", "previous",
    "current", "external", "internal", "unique", "global", "legacy", "source", "remote", "privat", "geschaftlich",
    "prive", "perso", "pro", "domicile", "trabajo", "casa", "lavoro", "ufficio", "werk", "thuis", "zakelijk",
];

/// Words for the value of what a field is part of.
const VALUES: &[&str] = &["number", "value", "address", "nr", "no", "e164"];

/// Parts of a name.
const PARTS: &[&str] = &["first", "last", "given", "family"];

/// Endings that are something else behind most words: an order's state, the time of the last login.
const AMBIGUOUS: &[&str] = &["login", "state"];

/// Returns a name in lower-case words without accents. `firstName`, `first_name` and `FIRST-NAME` are equal, as are
/// `prénom` and `prenom`.
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
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Syllables of Korean are letters that were taken apart.
    if words.is_ascii() { words } else { words.nfc().collect() }
}

/// Returns the words without spaces, to compare names that are written as one word.
pub(in crate::mapping) fn squeezed(name: &str) -> String {
    words(name).replace(' ', "")
}

/// Returns whether a name equals these words or ends with them, written apart or as one.
fn ends_with(name: &str, ending: &str) -> bool {
    let is_one_word = !name.contains(' ') && ending.contains(' ') && name == ending.replace(' ', "");
    is_one_word
        || name
            .strip_suffix(ending)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

/// Returns whether a word means a person in a payload, singular or plural.
fn is_person(name: &str) -> bool {
    let plain = plain(name);
    let singular = singular(&plain);
    PEOPLE
        .iter()
        .any(|person| ends_with(&plain, person) || ends_with(singular, person))
}

/// Returns whether words only name an owner and a number of something. The words before them are then the subject of
/// the name.
fn is_owner(words: &str) -> bool {
    words
        .split_whitespace()
        .all(|word| WHICH.contains(&word) || PEOPLE.contains(&word) || PEOPLE.contains(&singular(word)))
}

/// Returns the category of a field's name: with its parents, as it is, or without words that only number it. Returns
/// `None` for other names.
pub(in crate::mapping) fn category<'t>(
    taxonomy: &'t Taxonomy,
    parents: &[&str],
    name: &str,
) -> Option<&'t Arc<Category>> {
    let name = words(name);
    let plain = plain(&name);
    of_parent(taxonomy, parents, &name)
        .or_else(|| by_words(taxonomy, parents, &name))
        .or_else(|| by_words(taxonomy, parents, &plain))
        .or_else(|| by_words(taxonomy, parents, singular(&plain)))
}

/// Returns the category of a value that is named by its parent: `phone.home`, `passport.number`, `name.first`. Returns
/// `None` for other names.
fn of_parent<'t>(taxonomy: &'t Taxonomy, parents: &[&str], name: &str) -> Option<&'t Arc<Category>> {
    let (parent, above) = parents.split_last()?;
    let parent = plain(&words(parent));
    let parent = singular(&parent);
    if PARTS.contains(&name) && parent == "name" {
        return by_words(taxonomy, &[], &format!("{name} {parent}"));
    }
    if !VALUES.contains(&name) && !WHICH.contains(&name) {
        return None;
    }
    let joined = || by_words(taxonomy, &[], &format!("{parent} {name}"));
    // The number of an address is a house's.
    let is_one_value = |category: &&Arc<Category>| {
        let normaliser = category.normalise;
        matches!(
            normaliser,
            Normaliser::Email | Normaliser::Phone | Normaliser::BankAccount
        )
    };
    joined().or_else(|| by_words(taxonomy, above, parent).filter(is_one_value))
}

/// Returns a name without numbers behind its words, and without words at its end that only number it: `email 2`, `phone
/// home`.
fn plain(name: &str) -> String {
    let bare = |word: &'_ str| word.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let all: Vec<String> = name.split(' ').map(bare).filter(|word| !word.is_empty()).collect();
    let end = all.iter().rposition(|word| !WHICH.contains(&word.as_str()));
    all[..end.map_or(all.len(), |last| last + 1)].join(" ")
}

/// Returns the singular of a word.
fn singular(name: &str) -> &str {
    match name.strip_suffix("sses") {
        Some(_) => &name[..name.len() - 2],
        None => name.strip_suffix('s').unwrap_or(name),
    }
}

/// Returns the category of these words. Returns `None` for other words.
fn by_words<'t>(taxonomy: &'t Taxonomy, parents: &[&str], name: &str) -> Option<&'t Arc<Category>> {
    // The operator's name for a category of their own is its name as well.
    let of_its_own = taxonomy.categories().iter().find(|category| {
        let last = last_words(&category.key);
        let in_table = NAMES.iter().any(|(key, _)| *key == &*category.key);
        // One word of the tables' categories may say too little.
        !name.is_empty() && (words(&category.label) == name || last == name) && (!in_table || name.contains(' '))
    });
    // A `uid` at the top is the user's.
    let is_of_a_person = match parents.last() {
        Some(parent) => is_person(&words(parent)) || (is_of_name(name) && ADDRESSES.contains(&&*words(parent))),
        None => matches!(name, "uid" | "guid"),
    };
    let says_it = |ending: &str| ends_with(name, ending) && (!AMBIGUOUS.contains(&ending) || is_about(name, ending));
    let of_anything = NAMES
        .iter()
        .flat_map(|(key, endings)| endings.iter().map(move |ending| (*key, *ending)))
        .filter(|(_, ending)| says_it(ending));
    // A customer's `id` is theirs, and the `orderId` beside it is an order's.
    let of_a_person = OF_A_PERSON
        .iter()
        .filter(|_| is_of_a_person)
        .flat_map(|(key, endings)| endings.iter().map(move |ending| (*key, *ending)))
        .filter(|(_, ending)| is_about(name, ending));
    let in_tables = of_anything
        .chain(of_a_person)
        .max_by_key(|(_, ending)| ending.len())
        .and_then(|(key, _)| taxonomy.get(key));
    of_its_own
        .or(in_tables)
        .or_else(|| identifier(name).then(|| taxonomy.get("user.unique_id")).flatten())
}

/// Returns whether it is the word for a name of anything, which is a person's in an address.
pub(in crate::mapping) fn is_of_name(name: &str) -> bool {
    let names = OF_A_PERSON.iter().find(|(key, _)| *key == "user.name");
    names.is_some_and(|(_, words)| words.contains(&name))
}

/// Returns whether a name is an ending, with only an owner and a number before it.
fn is_about(name: &str, ending: &str) -> bool {
    ends_with(name, ending) && name.strip_suffix(ending).is_none_or(is_owner)
}

/// Returns whether a name is the word for a person and one for an identifier.
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

/// Returns the last part of a category's key, as words.
fn last_words(key: &str) -> String {
    key.rsplit('.').next().unwrap_or_default().replace('_', " ")
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
            ("custId", "user.unique_id"),
            ("cust_no", "user.unique_id"),
            ("KdNr", "user.unique_id"),
            ("uid", "user.unique_id"),
            ("handynr", "user.contact.phone_number"),
            ("whatsappNumber", "user.contact.phone_number"),
            ("geb_datum", "user.demographic.date_of_birth"),
            ("bday", "user.demographic.date_of_birth"),
            ("birth_year", "user.demographic.age_range"),
            ("lat", "user.location.precise"),
            ("lng", "user.location.precise"),
            ("IBAN_CODE", "user.financial.bank_account"),
            ("電話番号", "user.contact.phone_number"),
            ("телефон", "user.contact.phone_number"),
            ("전화번호", "user.contact.phone_number"),
            ("メールアドレス", "user.contact.email"),
        ] {
            assert_eq!(found(name).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "orderNo",
            "invoiceNumber",
            "sku",
            "productName",
            "status",
            "version",
            "orderUid",
            "name",
        ] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn which_one_it_is_matters_to_no_name() {
        let taxonomy = Taxonomy::bundled();
        let found =
            |parents: &[&str], name: &str| category(&taxonomy, parents, name).map(|category| category.key.to_string());
        for (parents, name, expected) in [
            (&[][..], "emails", "user.contact.email"),
            (&[], "email2", "user.contact.email"),
            (&[], "emailPrivate", "user.contact.email"),
            (&[], "workEmail", "user.contact.email"),
            (&[], "phone_2", "user.contact.phone_number"),
            (&[], "tel1", "user.contact.phone_number"),
            (&[], "phoneHome", "user.contact.phone_number"),
            (&[], "home_phone", "user.contact.phone_number"),
            (&["phones"], "number", "user.contact.phone_number"),
            (&["emails"], "value", "user.contact.email"),
            (&["customer", "emails"], "address", "user.contact.email"),
            (&[], "kundenNr2", "user.unique_id"),
            (&[], "dob1", "user.demographic.date_of_birth"),
            (&[], "email1Address", "user.contact.email"),
            (&[], "backupEmail", "user.contact.email"),
            (&["phone"], "home", "user.contact.phone_number"),
            (&["email"], "private", "user.contact.email"),
            (&["phones"], "e164", "user.contact.phone_number"),
            (&["contact"], "number", "user.contact.phone_number"),
            (&["passport"], "number", "user.government_id.passport_number"),
            (&["iban"], "value", "user.financial.bank_account"),
            (&["customer"], "number", "user.unique_id"),
            (&["customer"], "id", "user.unique_id"),
            (&["customer"], "externalId", "user.unique_id"),
            (&["customer"], "customerId", "user.unique_id"),
            (&["passenger1"], "name", "user.name"),
            (&["customer", "name"], "first", "user.name.first"),
            (&["name"], "last", "user.name.last"),
            (&["customer"], "billingAddress", "user.contact.address.street"),
            (&["shipping"], "name", "user.name"),
            (&["order", "shippingAddress"], "name", "user.name"),
            (&["billTo"], "name", "user.name"),
            (&[], "login", "user.account.username"),
            (&[], "homeState", "user.contact.address.state"),
        ] {
            assert_eq!(found(parents, name).as_deref(), Some(expected), "{parents:?} {name}");
        }
        for (parents, name) in [
            (&[][..], "emailSent"),
            (&[], "phoneVerified"),
            (&[], "emailCount"),
            (&["order"], "number"),
            (&["items"], "value"),
            (&["customer"], "orderId"),
            (&["customer"], "orderNumber"),
            (&["user"], "sessionCode"),
            (&["customer"], "shopName"),
            (&["user"], "lastLogin"),
            (&[], "lastLogin"),
            (&[], "orderState"),
            (&[], "tenantId"),
            (&["order"], "id"),
            (&["shipping"], "id"),
            (&["shipping"], "number"),
            (&["product"], "uid"),
            (&["company"], "name"),
            (&["address"], "number"),
        ] {
            assert_eq!(found(parents, name), None, "{parents:?} {name}");
        }
    }
}
