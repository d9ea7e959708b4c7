//! Categories by the names that fields commonly have.

mod table;

use std::sync::Arc;

use table::{HINTS, NAMES, OF_A_PERSON, PEOPLE};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::distance::distance;
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
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    let is_of_a_person = parents.last().is_some_and(|parent| is_person(&words(parent)));
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

/// Returns the category that an unknown key may mean: by its letters, then by its last part, which people remember,
/// then by labels and common field names. Returns `None` without one.
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
        .or_else(|| by_words(taxonomy, &[], &words(last)))
        .or_else(|| {
            let inside = format!("{key}.");
            let within = |category: &&Arc<Category>| category.key.starts_with(&inside);
            categories.iter().find(within).filter(|_| parents.len() == 1)
        })
        .or_else(|| by_parts(taxonomy, parents, last))
        .or_else(|| {
            let of_key = |key: &str| words(&key.replace('.', " "));
            nearest(categories, &of_key(key), |category| of_key(&category.key))
        })
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
            let all = NAMES.iter().chain(HINTS);
            let names = all.flat_map(|(key, names)| names.iter().map(move |name| (*key, *name)));
            let near = names.filter_map(|(key, name)| Some((misspelling(&wanted, name)?, key)));
            near.min_by_key(|(edits, _)| *edits)
                .and_then(|(_, key)| taxonomy.get(key))
                .or_else(|| nearest(categories, &wanted, |category| last_words(&category.key)))
                .or_else(|| nearest(categories, &wanted, |category| words(&category.label)))
        })
}

/// Returns the category with the nearest name among the possible ones of a misspelling. Returns `None` without one.
fn nearest<'t>(
    categories: &'t [Arc<Category>],
    wanted: &str,
    name: impl Fn(&Category) -> String,
) -> Option<&'t Arc<Category>> {
    categories
        .iter()
        .filter_map(|category| Some((misspelling(wanted, &name(category))?, category)))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, category)| category)
}

/// Returns how many edits lead from a misspelt text to the intended one, word by word. There is at most one edit for
/// each four letters, and none of the first letter. Returns `None` for another text: a `sender` has no gender, and a
/// parent's id is not a patient's.
fn misspelling(text: &str, meant: &str) -> Option<usize> {
    let (left, right): (Vec<&str>, Vec<&str>) = (text.split(' ').collect(), meant.split(' ').collect());
    if left.len() != right.len() {
        return None;
    }
    let pairs = left.iter().zip(&right).map(|(left, right)| {
        let edits = distance(left, right);
        let is_near = edits <= (left.chars().count() / 4).min(2) && left.chars().next() == right.chars().next();
        is_near.then_some(edits)
    });
    pairs.sum()
}

/// Finds a category by the last part, alone and with the part before it, in either order: `user.name.given`,
/// `user.birth.date`. Returns `None` without one.
fn by_parts<'t>(taxonomy: &'t Taxonomy, parents: &[&str], last: &str) -> Option<&'t Arc<Category>> {
    let both = |before: &&str| {
        [format!("{last} {before}"), format!("{before} {last}")]
            .into_iter()
            .filter(|name| words(name).contains(' '))
            .find_map(|name| category(taxonomy, &[], &name))
    };
    let all = || {
        let below = parents.get(1..)?;
        let name = words(&[below, &[last]].concat().join(" "));
        category(taxonomy, &[], &name).filter(|_| below.len() > 1)
    };
    category(taxonomy, parents, last)
        .or_else(|| parents.last().and_then(both))
        .or_else(all)
        // A name without an owner is a person's; `order.id` has an owner.
        .or_else(|| {
            category(taxonomy, &["user"], last).filter(|_| parents.iter().all(|parent| is_person(&words(parent))))
        })
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
            (&["address"], "number"),
        ] {
            assert_eq!(found(parents, name), None, "{parents:?} {name}");
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
        for (key, expected) in [
            ("user.contact.tel", "user.contact.phone_number"),
            (
                "user.government_id",
                "user.government_id.national_identification_number",
            ),
            ("user.date.of.birth", "user.demographic.date_of_birth"),
            ("user.age", "user.demographic.age_range"),
            ("user.contact.number", "user.contact.phone_number"),
            ("user.contact.website", "user.contact.url"),
            ("device", "user.device.device_id"),
            ("user.name.middle", "user.name"),
            ("user.contact.adress.stret", "user.contact.address.street"),
            ("user.age", "user.demographic.age_range"),
        ] {
            let found = meant(&taxonomy, key).map(|category| category.key.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{key}");
        }
        for key in [
            "",
            ".",
            "nothing.like.it",
            "sku",
            "user",
            "order_id",
            "product_id",
            "transaction_id",
            "user.order_id",
            "customer.order_id",
            "user.product_id",
            "order.id",
            "product.id",
            "user.sender",
            "grace",
            "parent_id",
            "user.vat",
        ] {
            let found = meant(&taxonomy, key).map(|category| category.key.to_string());
            assert_eq!(found, None, "{key}");
        }
    }
}
