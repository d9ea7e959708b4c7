//! Extensions of telephone numbers: as a parameter (RFC 3966), behind a label in many languages, or behind the pauses of a
//! dial string.

use std::borrow::Cow;

use super::normalised::Invalid;
use crate::codes::EventCode;

pub(super) const PHONE: Invalid = Invalid::new(
    EventCode::InvalidPhoneNumber,
    "must be a valid telephone number with its country code (+49…), or set the integration's defaultRegion",
);

/// Longest extension (RFC 3966 sets no limit; longer ones are a second number).
const MAX_EXTENSION: usize = 9;

/// Longest extension of a parameter, as libphonenumber has it.
const MAX_PARAMETER: usize = 20;

/// A number, and its extension if that is written apart.
pub(super) type Parted<'a> = (Cow<'a, str>, Option<String>);

/// The labels of an extension, in lower case and without a dot.
const LABELS: [&str; 69] = [
    "#",
    "~",
    "ankn",
    "anknytning",
    "anexo",
    "ap",
    "app",
    "apparat",
    "dahili",
    "durchwahl",
    "dw",
    "ext",
    "extensao",
    "extension",
    "extensión",
    "extensão",
    "extn",
    "int",
    "interno",
    "klapka",
    "kl",
    "linka",
    "lok",
    "lokal",
    "lokalnummer",
    "mell",
    "mellék",
    "nbst",
    "nebenstelle",
    "nst",
    "p",
    "post",
    "poste",
    "ramal",
    "toestel",
    "tst",
    "w",
    "wew",
    "wewn",
    "wewnętrzny",
    "x",
    "xt",
    "xtn",
    "alanumero",
    "vnitřní",
    "interior",
    "εσωτ",
    "εσωτερικό",
    "вн",
    "внутр",
    "внутренний",
    "внутрішній",
    "доб",
    "добавочный",
    "дод",
    "додатковий",
    "内線",
    "内线",
    "內線",
    "分机",
    "分機",
    "转",
    "轉",
    "転",
    "내선",
    "שלוחה",
    "تحويلة",
    "داخلي",
    "داخلی",
];

/// Words between a label and its extension: `ext. no. 5`.
const NOISE: [&str; 17] = [
    "#", "no", "nr", "num", "number", "nummer", "numero", "número", "numéro", "n°", "nº", "№", "号", "號", "番号",
    "번호", "מס",
];

/// Parameters that say how a call finds its way, and not whom it reaches (RFC 3966, RFC 4694, RFC 4904, RFC 4759).
const OF_ROUTING: [&str; 11] = [
    "isub",
    "isub-encoding",
    "npdi",
    "rn",
    "rn-context",
    "cic",
    "cic-context",
    "tgrp",
    "trunk-context",
    "enumdi",
    "cpc",
];

/// Returns whether it is the label of an extension. A parameter may have such a name: `;extension=101`, `;x=101`.
fn is_label(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_word = |label: &str| !matches!(label, "#" | "~" | "p" | "w" | "post") && label == name;
    LABELS.iter().any(|label| is_word(label))
}

/// Separates a number from its parameters (RFC 3966), in any order. The extension is returned, and the context is put
/// before the number. Parameters of routing, such as the subaddress (`isub`), do not belong to the number. Returns `None`
/// without parameters.
///
/// # Errors
/// A parameter with digits whose meaning is unknown: two people may differ by it.
pub(super) fn split_parameters(text: &str) -> Result<Option<Parted<'_>>, Invalid> {
    let Some((number, parameters)) = text.split_once(';').filter(|(_, rest)| rest.contains('=')) else {
        return Ok(None);
    };
    let (mut extension, mut context) = (None, "");
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim(), value.trim());
        if is_label(name) {
            let value = value.trim_end_matches(['#', ' ']);
            let is_sign = |c: &char| matches!(c, '-' | '.' | '(' | ')' | ' ');
            let digits: String = value.chars().filter(|c| !is_sign(c)).collect();
            if digits.len() > MAX_PARAMETER || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(PHONE);
            }
            if extension.as_ref().is_some_and(|former| *former != digits) {
                return Err(PHONE);
            }
            extension = Some(digits);
        } else if name.eq_ignore_ascii_case("phone-context") {
            context = value;
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(None);
        } else if !OF_ROUTING.iter().any(|known| name.eq_ignore_ascii_case(known))
            && parameter.contains(|c: char| c.is_ascii_digit())
        {
            return Err(PHONE);
        }
    }
    // A context that is a domain says whose private number it is: libphonenumber takes it for one of the region.
    let is_global = number.contains('+') || !context.starts_with('+');
    let main = if is_global {
        Cow::Borrowed(number)
    } else {
        let digits = number
            .find(|c: char| c.is_numeric())
            .map_or("", |place| &number[place..]);
        Cow::Owned(format!("{context}{digits}"))
    };
    Ok(Some((main, extension)))
}

/// Separates a number from its extension, if that follows a label or a pause. A label without an extension is dropped,
/// because a dial with letters would read it as digits.
pub(super) fn split_extension(text: &str) -> Parted<'_> {
    let is_plain = |b: u8| b.is_ascii_digit() || b" +()-./".contains(&b);
    if text.bytes().all(is_plain) {
        return (Cow::Borrowed(text), None);
    }
    let trimmed = without_remark(text).trim_end_matches([' ', ')', ']', '.', '#', ',', ';']);
    let head = trimmed.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &trimmed[head.len()..];
    let before = head.to_lowercase();
    let before = before.trim_end_matches([' ', '.', ':', '-', '(', '[', '=']);
    let main = labelled(before).or_else(|| paused(head).filter(|_| !digits.is_empty()));
    match main {
        Some(main) if digits.len() <= MAX_EXTENSION => {
            let main = main.trim_end_matches([' ', ',', ';', '(', '[', '-']);
            (Cow::Owned(main.to_owned()), Some(digits.to_owned()))
        }
        _ => (Cow::Borrowed(text.trim_end_matches([' ', '#', ',', ';'])), None),
    }
}

/// Returns the text without a remark in brackets at its end, if the remark has no digit: `ext. 101 (home)`.
fn without_remark(text: &str) -> &str {
    let text = text.trim_end();
    let Some((before, remark)) = text.strip_suffix(')').and_then(|inner| inner.rsplit_once('(')) else {
        return text;
    };
    if remark.contains(char::is_numeric) {
        text
    } else {
        before
    }
}

/// Returns what stands before the label of an extension, and before a word behind it that only says that a number
/// follows. Returns `None` without a label.
fn labelled(before: &str) -> Option<&str> {
    let of_label = |text: &'_ str| {
        let fits = |label: &&&str| {
            text.strip_suffix(**label)
                .is_some_and(|rest| !rest.ends_with(char::is_alphabetic) && rest.contains(|c: char| c.is_ascii_digit()))
        };
        LABELS.iter().filter(fits).map(|label| label.len()).max()
    };
    let behind_noise = NOISE.iter().find_map(|noise| {
        let rest = before.strip_suffix(noise)?;
        let rest = rest.trim_end_matches([' ', '.', ':', '-']);
        of_label(rest).map(|length| &rest[..rest.len() - length])
    });
    behind_noise.or_else(|| of_label(before).map(|length| &before[..before.len() - length]))
}

/// Returns what stands before the pauses of a dial string: `+49 30 901820,,101#`. Returns `None` without a pause.
fn paused(head: &str) -> Option<&str> {
    let main = head.trim_end_matches([',', ';', ' ', '#', '*']);
    let is_pause = head[main.len()..].contains([',', ';', '#']);
    (is_pause && main.contains(|c: char| c.is_ascii_digit())).then_some(main)
}
