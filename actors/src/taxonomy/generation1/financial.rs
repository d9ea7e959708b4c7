//! Bank accounts and payment cards, as generation 1 spelt them.

/// Lengths of IBANs by country (ISO 13616 registry).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 \
     DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 \
     IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 \
     OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 \
     UA29 VA22 VG24 XK20 YE30";

pub(super) fn bank_account(raw: &str) -> Option<String> {
    let compact: String = raw
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect::<String>()
        .to_uppercase();
    if let Some((routing, account)) = compact.split_once('/') {
        let account_ok = (1..=17).contains(&account.len()) && account.bytes().all(|b| b.is_ascii_digit());
        return if is_aba(routing) && account_ok {
            Some(compact)
        } else {
            None
        };
    }
    if is_iban(&compact) { Some(compact) } else { None }
}

fn is_iban(iban: &str) -> bool {
    let Some(country) = iban.get(..2) else {
        return false;
    };
    let length = IBAN_LENGTHS
        .split_whitespace()
        .find_map(|entry| entry.strip_prefix(country)?.parse::<usize>().ok());
    if length != Some(iban.len()) || !iban.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let (head, tail) = iban.split_at(4);
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

pub(super) fn payment_card(raw: &str) -> Option<String> {
    let compact: String = raw.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits: Vec<u32> = compact.chars().map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    let zeros = digits.iter().all(|digit| *digit == 0);
    if (12..=19).contains(&digits.len()) && luhn(&digits) && !zeros {
        Some(compact)
    } else {
        None
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
