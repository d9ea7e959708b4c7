//! The category that a mistyped or remembered key may mean.

use std::sync::Arc;

use super::table::{HINTS, NAMES, OF_A_PERSON};
use super::{by_words, category, is_person, last_words, squeezed, words};
use crate::mapping::distance::distance;
use crate::taxonomy::{Category, Taxonomy};

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
        .map_or_else(|| by_likeness(taxonomy, key, parents, last), Some)
}

/// Returns the category whose key or name is nearest. A word that means something only of a person leads nowhere behind
/// another owner: `company.name` is no person's name.
fn by_likeness<'t>(taxonomy: &'t Taxonomy, key: &str, parents: &[&str], last: &str) -> Option<&'t Arc<Category>> {
    let categories = taxonomy.categories();
    let is_owned = !parents.iter().all(|parent| is_person(&words(parent)));
    let is_of_any = OF_A_PERSON.iter().any(|(_, names)| names.contains(&&*words(last)));
    if is_owned && is_of_any {
        return None;
    }
    let of_key = |key: &str| words(&key.replace('.', " "));
    nearest(categories, &of_key(key), |category| of_key(&category.key))
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
            ("guid", "user.unique_id"),
            ("user.guid", "user.unique_id"),
            ("medical_record", "user.health_and_medical.record_id"),
            ("marital", "user.demographic.marital_status"),
            ("plate", "user.government_id.vehicle_registration"),
            ("politics", "user.demographic.political_opinion"),
            ("orientation", "user.demographic.sexual_orientation"),
            ("bank", "user.financial.bank_account"),
            ("user.card", "user.financial.credit_card"),
            ("latitude", "user.location.precise"),
            ("IBAN_CODE", "user.financial.bank_account"),
            ("電話番号", "user.contact.phone_number"),
            ("телефон", "user.contact.phone_number"),
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
            "company.name",
            "product.name",
            "file.name",
            "product.names",
            "order.code",
            "host.name",
        ] {
            let found = meant(&taxonomy, key).map(|category| category.key.to_string());
            assert_eq!(found, None, "{key}");
        }
    }
}
