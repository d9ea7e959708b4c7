//! Bank accounts and payment cards.

use super::normalised::{Invalid, Normalised};
use crate::codes::EventCode;

const BANK_ACCOUNT: Invalid = Invalid::new(
    EventCode::InvalidBankAccount,
    "must be an IBAN with a right checksum, or an ABA routing number and an account number (021000021/123456)",
);
const CARD: Invalid = Invalid::new(
    EventCode::InvalidPaymentCard,
    "must have 12 to 19 digits with a right checksum",
);

/// Lengths of IBANs by country (ISO 13616 registry).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 \
     DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 \
     IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 \
     OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 \
     UA29 VA22 VG24 XK20 YE30";

/// Lengths in countries that use IBANs without being in the registry.
const UNREGISTERED_LENGTHS: &str = "AO25 BF28 BJ28 CF27 CG27 CI28 CM27 CV25 DZ26 GA27 GQ27 GW25 IR26 KM27 MA28 MG27 \
     ML28 MZ25 NE28 SN28 TD27 TG28";

pub(super) fn bank_account(raw: &str) -> Result<Normalised, Invalid> {
    let compact: String = raw
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect::<String>()
        .to_uppercase();
    if let Some((routing, account)) = compact.split_once('/') {
        let account_ok = (1..=17).contains(&account.len()) && account.bytes().all(|b| b.is_ascii_digit());
        return if is_aba(routing) && account_ok {
            Ok(Normalised::value(compact))
        } else {
            Err(BANK_ACCOUNT)
        };
    }
    let length = |list: &str| {
        let country = compact.get(..2)?;
        list.split_whitespace()
            .find_map(|entry| entry.strip_prefix(country)?.parse::<usize>().ok())
    };
    let registered = length(IBAN_LENGTHS);
    if !is_iban(&compact, registered.or_else(|| length(UNREGISTERED_LENGTHS))) {
        return Err(BANK_ACCOUNT);
    }
    let warning = registered.is_none().then_some((
        EventCode::IbanUnregistered,
        "the country is not in the IBAN registry: only the length and the checksum were checked",
    ));
    Ok(Normalised {
        warning,
        ..Normalised::value(compact)
    })
}

/// Returns whether it is an IBAN (ISO 13616): letters of a country, check digits from 02 to 98 (ISO 7064, mod 97), and
/// the account.
fn is_iban(iban: &str, length: Option<usize>) -> bool {
    if length != Some(iban.len()) || !iban.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let (head, tail) = iban.split_at(4);
    if !head[2..].parse().is_ok_and(|check: u8| (2..=98).contains(&check)) {
        return false;
    }
    let remainder = tail.chars().chain(head.chars()).fold(0u32, |remainder, c| {
        let digit = c.to_digit(36).unwrap_or(0);
        (if digit < 10 { remainder * 10 } else { remainder * 100 } + digit) % 97
    });
    remainder == 1
}

/// Returns whether it is an ABA routing number: nine digits, weights 3, 7, 1.
fn is_aba(routing: &str) -> bool {
    let digits: Option<Vec<u32>> = routing.chars().map(|c| c.to_digit(10)).collect();
    digits.is_some_and(|digits| {
        let sum: u32 = digits
            .iter()
            .zip([3, 7, 1].iter().cycle())
            .map(|(digit, weight)| digit * weight)
            .sum();
        digits.len() == 9 && sum != 0 && sum.is_multiple_of(10)
    })
}

pub(super) fn payment_card(raw: &str) -> Result<String, Invalid> {
    let compact: String = raw.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits: Vec<u32> = compact
        .chars()
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()
        .ok_or(CARD)?;
    let zeros = digits.iter().all(|digit| *digit == 0);
    if (12..=19).contains(&digits.len()) && luhn(&digits) && !zeros {
        Ok(compact)
    } else {
        Err(CARD)
    }
}

/// Checks digits by ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 0 {
                *digit
            } else {
                (digit * 2) / 10 + (digit * 2) % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
