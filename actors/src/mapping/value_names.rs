//! Names of fields that look like values: senders put values into the places of names, as in an object whose names are
//! e-mail addresses.

use unicode_normalization::UnicodeNormalization as _;

use super::suggest::names::words;
use crate::ids::Timestamp;
use crate::percent;

/// Longest name that is taken for one, in characters.
const MAX_CHARS: usize = 64;
/// The most digits of a name: `address2` is a name, and `4915123456789` is not.
const MAX_DIGITS: usize = 4;
/// The least characters of a token.
const TOKEN: usize = 8;
/// The least characters of a short hash.
const SHORT_HASH: usize = 6;

/// Returns whether a name looks like a value: an address, a number, an id, a token, a plate, a sentence. This includes full
/// width and percent signs.
pub(super) fn looks_like_a_value(name: &str) -> bool {
    let plain: String = name.nfkc().collect();
    is_value(&plain) || percent::decoded(&plain).is_some_and(|decoded| looks_like_a_value(&decoded))
}

fn is_value(name: &str) -> bool {
    /// How an at sign is written for people, in HTML and in mails.
    const AT: [&str; 7] = ["@", "(at)", "[at]", "{at}", "&#64;", "&commat;", "=40"];
    let lower = name.to_lowercase();
    let is_long = name.chars().count() > MAX_CHARS;
    is_long
        || is_number(name)
        || AT.iter().any(|at| lower.contains(at))
        || is_url(name)
        || is_date(name)
        || is_address(name)
        || is_hexadecimal_id(name)
        || is_token(name)
        || is_plate(name)
        || is_street(name)
}

/// Returns whether a name has many digits, or only digits and signs. `0` to `99` are positions in an object.
fn is_number(name: &str) -> bool {
    let digits = name.chars().filter(|character| character.is_numeric()).count();
    let is_index = name.len() <= 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits > MAX_DIGITS || digits > 0 && !is_index && !name.chars().any(char::is_alphabetic)
}

/// Returns whether a name is an address with a scheme, or with a host and a path.
fn is_url(name: &str) -> bool {
    let host = name.split_once('/').map(|(host, _)| host);
    name.contains("://") || host.is_some_and(|host| host.contains('.') && !host.contains(' '))
}

fn is_date(name: &str) -> bool {
    name.get(..10)
        .is_some_and(|day| Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z")).is_some())
}

/// Returns whether a name is IPv4 or IPv6; in brackets, with a zone or the length of a network.
fn is_address(name: &str) -> bool {
    let bare = name.split(['/', '%']).next().unwrap_or_default();
    let bare = bare.strip_prefix('[').map_or(bare, |rest| rest.trim_end_matches(']'));
    bare.parse::<std::net::IpAddr>().is_ok()
}

/// Returns whether a name is a UUID or a MAC address, even with few digits.
fn is_hexadecimal_id(name: &str) -> bool {
    let parts: Vec<&str> = name.split(['-', ':']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_id = matches!(lengths[..], [8, 4, 4, 4, 12] | [2, 2, 2, 2, 2, 2]);
    is_id
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns whether a name has a token. A JWT is one, and a short hash (`f47ac10b`, but not `feed24`). Others have digits,
/// and the kind of their letters changes more often than in words: `cus_NffrFeUfNV2Hib`, but not `addressLine1Text`.
fn is_token(name: &str) -> bool {
    let is_jwt = name.starts_with("eyJ") && name.contains('.');
    is_jwt
        || name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|part| is_mixed(part) || is_short_hash(part))
}

fn is_mixed(part: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| part.bytes().any(|b| kind(&b));
    if part.len() < TOKEN || !has(u8::is_ascii_digit) || !has(u8::is_ascii_lowercase) || !has(u8::is_ascii_uppercase) {
        return false;
    }
    let kind = |b: u8| (b.is_ascii_digit(), b.is_ascii_uppercase());
    // One capital before small letters begins their word.
    let changes = part.as_bytes().windows(2).filter(|pair| {
        kind(pair[0]) != kind(pair[1]) && !(pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase())
    });
    part.len() < 3 * (changes.count() + 1)
}

fn is_short_hash(part: &str) -> bool {
    let without_last_digits = part.trim_end_matches(|c: char| c.is_ascii_digit());
    part.len() >= SHORT_HASH
        && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && part.bytes().filter(u8::is_ascii_digit).count() >= 2
        && without_last_digits.bytes().any(|b| b.is_ascii_digit())
}

/// Returns whether a name is the plate of a vehicle: groups of a few capitals and digits, with a space (`HB-X 123`).
fn is_plate(name: &str) -> bool {
    let groups: Vec<&str> = name.split([' ', '-', '·']).filter(|group| !group.is_empty()).collect();
    let is_group = |group: &&str| {
        let count = group.chars().count();
        count <= 4
            && (group.chars().all(|c| c.is_ascii_digit()) || (count <= 3 && group.chars().all(char::is_uppercase)))
    };
    let letters = groups
        .iter()
        .filter(|group| group.chars().all(char::is_uppercase))
        .count();
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    (2..=4).contains(&groups.len())
        && groups.iter().all(is_group)
        && digits >= 2
        && letters > 0
        && letters < groups.len()
        && (letters >= 2 || name.contains(' '))
}

/// Returns whether a name is a street with a number: `12 Main St`, `Hauptstr. 7`.
fn is_street(name: &str) -> bool {
    #[rustfmt::skip]
    const STREETS: [&str; 42] = [
        "st", "str", "street", "rd", "road", "ave", "avenue", "ln", "lane", "dr", "drive", "blvd", "boulevard", "ct", "court", "pl",
        "place", "sq", "square", "hwy", "way", "terrace", "strasse", "weg", "platz", "allee", "gasse", "ring", "ufer", "damm",
        "markt", "rue", "calle", "via", "avenida", "rua", "straat", "laan", "ulica", "ul", "gata", "vej",
    ];
    let words = words(name);
    let is_number = |word: &str| {
        word.bytes().any(|b| b.is_ascii_digit()) && word.trim_end_matches(char::is_alphabetic).len() >= word.len() - 1
    };
    let is_street_word = |word: &str| {
        STREETS.contains(&word)
            || [
                "strasse", "str", "weg", "platz", "allee", "gasse", "straat", "gatan", "vagen",
            ]
            .iter()
            .any(|end| word.len() > end.len() + 2 && word.ends_with(end))
    };
    let parts: Vec<&str> = words.split(' ').collect();
    // A number stands apart from the words, as in no field name of a program.
    name.contains(' ')
        && parts.len() >= 2
        && parts.iter().any(|word| is_street_word(word))
        && (parts.first().is_some_and(|word| is_number(word)) || parts.last().is_some_and(|word| is_number(word)))
        && !parts.iter().all(|word| STREETS.contains(word) || is_number(word))
        && !parts.contains(&"address")
        && !parts.contains(&"line")
}

/// Returns whether a field's name may be a person's: two or three words with a capital each, and none of them common in
/// names of fields. Names of event types are not looked at: `Order Completed` is one.
pub(super) fn is_a_person_s_name(name: &str) -> bool {
    let parts: Vec<&str> = name.trim().split(' ').collect();
    let is_capitalised = |part: &&str| {
        let mut letters = part.chars();
        letters.next().is_some_and(char::is_uppercase)
            && letters.clone().next().is_some()
            && letters.all(|c| c.is_lowercase() || c.is_uppercase() || matches!(c, '-' | '\'' | '’'))
            && part.chars().any(char::is_lowercase)
    };
    let is_of_fields = |part: &&str| {
        words(part)
            .split(' ')
            .any(|word| OF_FIELDS.contains(&word) || OF_FIELDS.contains(&word.trim_end_matches('s')))
    };
    (2..=3).contains(&parts.len()) && parts.iter().all(is_capitalised) && !parts.iter().any(is_of_fields)
}

/// Words of field names, in the singular.
#[rustfmt::skip]
const OF_FIELDS: &[&str] = &[
    "account", "action", "active", "activity", "address", "adresse", "age", "amount", "answer", "anrede", "api", "app", "area", "article",
    "artikel", "attribute", "bank", "betrag", "billing", "birth", "birthday", "body", "booking", "brand", "browser", "campaign", "card", "cart",
    "category", "channel", "check", "checkout", "city", "click", "client", "code", "comment", "company", "consent", "contact", "content",
    "count", "country", "county", "coupon", "created", "currency", "current", "custom", "customer", "data", "date", "datum", "day", "default",
    "delivery", "description", "detail", "device", "discount", "display", "document", "duration", "email", "end", "error", "event", "expiry",
    "external", "fax", "feedback", "fee", "field", "file", "first", "flag", "form", "format", "full", "gender", "given", "group", "guest",
    "health", "home", "house", "image", "info", "input", "insurance", "internal", "invoice", "ip", "is", "item", "job", "key", "kunde", "label",
    "language", "last", "lead", "level", "license", "line", "link", "list", "local", "locale", "location", "login", "mail", "market",
    "marketing", "member", "message", "method", "middle", "mobile", "mode", "model", "month", "name", "nachname", "net", "newsletter", "no",
    "note", "number", "nummer", "of", "offer", "opt", "option", "order", "ordered", "origin", "owner", "page", "paid", "parent", "partner",
    "passport", "password", "patient", "payment", "phone", "place", "plan", "platform", "postal", "postcode", "price", "primary", "priority",
    "privacy", "product", "profile", "project", "promo", "purchase", "quantity", "question", "rating", "reason", "recipient", "record",
    "reference", "referrer", "region", "remote", "request", "response", "result", "role", "sales", "sale", "score", "search", "secondary",
    "segment", "sender", "service", "session", "sex", "shipping", "shop", "site", "size", "sku", "source", "stage", "start", "state",
    "status", "step", "store", "street", "strasse", "string", "subject", "submitted", "subscription", "support", "survey", "tag", "tax",
    "team", "telefon", "tel", "test", "text", "ticket", "time", "timestamp", "title", "token", "total", "tracking", "transaction", "type",
    "unit", "update", "updated", "url", "user", "value", "vendor", "version", "visit", "vorname", "web", "website", "weight", "work", "year",
    "zahlung", "zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names() {
        for value in [
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
            "cus_NffrFeUfNV2Hib",
            "HB-X 123",
            "B-AB 1234",
            "AB 123 CD",
            "12 Main St",
            "221b Baker Street",
            "Hauptstr. 7",
            "Am Markt 1",
            "Musterstraße 12a",
            "f47ac10b",
            "a1b2c3d4",
            "sk_live_4eC39HqLyj",
            "price_1MoBy5Lk",
        ] {
            assert!(looks_like_a_value(value), "{value}");
        }
        for person in [
            "Ada Lovelace",
            "Grace Brewster Hopper",
            "Jean-Luc Picard",
            "Conor O'Neil",
            "Иван Петров",
            "José García",
        ] {
            assert!(is_a_person_s_name(person), "{person}");
        }
        for name in [
            "address2",
            "addressLine1Text",
            "ISO3166Alpha",
            "First name",
            "First Name",
            "Ship Date",
            "Order Total",
            "Address Line 1",
            "Line 1",
            "Step 2",
            "feed24",
            "face2face",
            "utf8",
            "oauth2Token",
            "x_509",
            "SHA-256",
            "UTF-8",
            "md5Hash",
            "base64Value",
            "isB2BCustomer",
            "Straße",
            "Straße 2",
            "street 1",
            "street_1",
            "E-Mail Adresse",
            "Postal Code",
            "line1",
            "ipv4Address",
            "utm_source",
            "Customer Name",
            "Vorname Nachname",
            "OrderID",
            "decade90",
        ] {
            assert!(!looks_like_a_value(name) && !is_a_person_s_name(name), "{name}");
        }
    }
}
