//! Categories by the names that fields commonly have.

use std::sync::Arc;

use crate::taxonomy::{Category, Taxonomy};

/// Words with which a field's name ends, and the category that they mean. The longest that fits counts. Where one word says
/// too little, what the field is part of must be a person.
const NAMES: &[(&str, &[&str])] = &[
    (
        "user.contact.email",
        &["email", "e mail", "mail", "email address", "mail address"],
    ),
    (
        "user.contact.phone_number",
        &[
            "phone",
            "telephone",
            "tel",
            "mobile",
            "cell",
            "msisdn",
            "phone number",
            "mobile number",
            "telephone number",
        ],
    ),
    ("user.contact.fax_number", &["fax", "fax number"]),
    (
        "user.contact.url",
        &["profile url", "linkedin", "homepage", "profile link"],
    ),
    (
        "user.unique_id",
        &[
            "customer id",
            "user id",
            "account id",
            "member id",
            "contact id",
            "subscriber id",
            "client id",
            "crm id",
            "customer number",
            "person id",
        ],
    ),
    (
        "user.unique_id.pseudonymous",
        &["anonymous id", "session id", "visitor id", "distinct id", "pseudonym"],
    ),
    (
        "user.account.username",
        &["username", "user name", "login", "nickname", "screen name", "handle"],
    ),
    (
        "user.government_id.national_identification_number",
        &[
            "ssn",
            "social security number",
            "national id",
            "nino",
            "pesel",
            "tax id",
            "national insurance number",
            "personal number",
        ],
    ),
    (
        "user.government_id.passport_number",
        &["passport", "passport number", "passport no"],
    ),
    (
        "user.government_id.drivers_license_number",
        &[
            "drivers license",
            "driver license",
            "driving licence",
            "license number",
            "drivers license number",
        ],
    ),
    (
        "user.government_id.vehicle_registration",
        &["license plate", "number plate", "vehicle registration", "plate number"],
    ),
    (
        "user.financial.bank_account",
        &["iban", "bank account", "bank account number"],
    ),
    (
        "user.financial.credit_card",
        &["card number", "pan", "credit card", "credit card number", "cc number"],
    ),
    (
        "user.health_and_medical.record_id",
        &["mrn", "medical record number", "patient id", "patient number"],
    ),
    (
        "user.health_and_medical.insurance_beneficiary_id",
        &["insurance number", "insurance id", "policy holder id"],
    ),
    (
        "user.device.device_id",
        &["device id", "idfa", "gaid", "idfv", "advertising id"],
    ),
    ("user.device.cookie_id", &["cookie id", "cookie", "ga client id"]),
    (
        "user.device.ip_address",
        &["ip", "ip address", "remote addr", "client ip", "remote address"],
    ),
    ("user.device.mac_address", &["mac", "mac address"]),
    ("user.device.user_agent", &["user agent", "useragent"]),
    (
        "user.name",
        &[
            "full name",
            "fullname",
            "display name",
            "customer name",
            "contact name",
            "recipient name",
            "card holder",
            "cardholder",
            "account holder",
        ],
    ),
    (
        "user.name.first",
        &["first name", "firstname", "given name", "forename", "fname"],
    ),
    (
        "user.name.last",
        &["last name", "lastname", "surname", "family name", "lname"],
    ),
    (
        "user.demographic.date_of_birth",
        &["birthday", "birthdate", "birth date", "date of birth", "dob", "born"],
    ),
    ("user.demographic.age_range", &["age", "age range", "age group"]),
    (
        "user.contact.address.street",
        &[
            "street",
            "street address",
            "address line",
            "address line1",
            "line1",
            "address1",
            "street name",
        ],
    ),
    ("user.contact.address.city", &["city", "town", "locality"]),
    ("user.contact.address.state", &["state", "region", "province", "county"]),
    (
        "user.contact.address.postal_code",
        &["zip", "zip code", "postcode", "post code", "postal code", "plz"],
    ),
    ("user.contact.address.country", &["country", "country code"]),
    (
        "user.location.precise",
        &["coordinates", "geo", "lat lng", "gps", "lat long"],
    ),
    ("user.demographic.gender", &["gender", "sex"]),
    (
        "user.demographic.language",
        &["language", "locale", "lang", "preferred language"],
    ),
    ("user.demographic.marital_status", &["marital status"]),
    (
        "user.demographic.race_ethnicity",
        &["ethnicity", "race", "ethnic origin"],
    ),
    (
        "user.demographic.religious_belief",
        &["religion", "religious belief", "denomination"],
    ),
    (
        "user.demographic.political_opinion",
        &["political opinion", "party membership"],
    ),
    ("user.demographic.sexual_orientation", &["sexual orientation"]),
    (
        "user.health_and_medical",
        &[
            "diagnosis",
            "allergies",
            "medication",
            "symptoms",
            "health status",
            "disability",
        ],
    ),
    (
        "user.biometric",
        &["fingerprint", "face template", "voice print", "biometric"],
    ),
    ("user.criminal_history", &["criminal record", "convictions"]),
    ("user.job_title", &["job title", "occupation", "job"]),
    ("user.workplace", &["employer", "workplace"]),
    (
        "user.content.private",
        &["message", "comment", "message body", "note to courier", "free text"],
    ),
    (
        "user.authorization.password",
        &["password", "passwd", "pwd", "passphrase"],
    ),
    (
        "user.privacy_preferences",
        &[
            "consent",
            "consents",
            "opt in",
            "optin",
            "marketing consent",
            "newsletter consent",
            "privacy preferences",
        ],
    ),
];

/// The same for words that mean this only of a person.
const OF_A_PERSON: &[(&str, &[&str])] = &[
    ("user.name", &["name"]),
    ("user.unique_id", &["id", "number", "uid", "uuid", "reference"]),
    ("user.name.first", &["first"]),
    ("user.name.last", &["last"]),
    ("user.contact.address.street", &["address"]),
];

/// What a person is called in a payload.
const PEOPLE: &[&str] = &[
    "customer",
    "user",
    "person",
    "contact",
    "recipient",
    "subscriber",
    "employee",
    "patient",
    "client",
    "owner",
    "buyer",
    "payer",
    "guest",
    "member",
    "applicant",
    "passenger",
    "student",
    "lead",
    "profile",
    "sender",
    "participant",
    "traveller",
];

/// A name in lower-case words: `firstName`, `first_name` and `FIRST-NAME` are one.
fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        let starts = letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if starts || !letter.is_alphanumeric() {
            text.push(' ');
        }
        if letter.is_alphanumeric() {
            text.extend(letter.to_lowercase());
        }
        before = letter;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a name is these words, or ends with them.
fn ends_with(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

/// The category that a field's name speaks for.
pub(super) fn category<'t>(taxonomy: &'t Taxonomy, parents: &[&str], name: &str) -> Option<&'t Arc<Category>> {
    let name = words(name);
    // What the operator calls a category of their own is its name as well.
    let of_its_own = taxonomy.categories().iter().find(|category| {
        let last = category.key.rsplit('.').next().unwrap_or_default().replace('_', " ");
        let in_table = NAMES.iter().any(|(key, _)| *key == &*category.key);
        // One word of the tables' categories may say too little.
        (words(&category.label) == name || last == name) && (!in_table || name.contains(' '))
    });
    let parents: Vec<String> = parents.iter().map(|parent| words(parent)).collect();
    let is_of_a_person = parents.last().is_some_and(|parent| {
        let singular = parent.strip_suffix('s').unwrap_or(parent);
        PEOPLE
            .iter()
            .any(|person| ends_with(parent, person) || ends_with(singular, person))
    });
    let more: &[(&str, &[&str])] = if is_of_a_person { OF_A_PERSON } else { &[] };
    let candidates = NAMES
        .iter()
        .chain(more)
        .flat_map(|(key, endings)| endings.iter().map(move |ending| (*key, *ending)));
    of_its_own.or_else(|| {
        candidates
            .filter(|(_, ending)| ends_with(&name, ending))
            .max_by_key(|(_, ending)| ending.len())
            .and_then(|(key, _)| taxonomy.get(key))
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
            ("ÄrztinName", "ärztin name"),
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
}
