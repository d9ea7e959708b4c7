//! Telephone numbers that people type when they give none.

use rlibphonenumber::PhoneNumber;

use super::digits;

/// The most digits of a network or an area before the part that is looked at, as in `+49 170 0000000`.
const PREFIX: usize = 3;
/// So many zeros, or digits in a row from 1 or down to it, behind such a prefix. By chance one number in a million has
/// them.
const BEHIND_PREFIX: usize = 7;
/// So many of another digit: a number of seven equal digits may be a good number that somebody bought.
const REPEATED_BEHIND_PREFIX: usize = 8;
/// So many equal digits are a whole number: in plans of eight digits, `+47 22 22 22 22` is somebody's.
const REPEATED: usize = 9;
/// Digits that fill a short number too.
const FILLERS: [u8; 3] = [b'0', b'1', b'9'];

/// Returns whether the number within its country, or its part behind a short prefix, is one digit again and again, or
/// digits in a row.
pub(in crate::taxonomy) fn is_placeholder(value: &str) -> bool {
    let number = value.split(';').next().unwrap_or_default();
    let digits = number.trim_start_matches('+').as_bytes();
    if digits == b"12345678900" {
        return true;
    }
    // Most numbers are told by their end, without looking up where the calling code of one to three digits ends.
    let has_dull_end = digits.len().checked_sub(BEHIND_PREFIX).is_some_and(|start| {
        let end = &digits[start..];
        digits::is_repeated(end, BEHIND_PREFIX) || digits::is_in_a_row(end)
    });
    has_dull_end
        && number
            .parse::<PhoneNumber>()
            .is_ok_and(|number| is_dull(number.get_national_significant_number().as_bytes()))
}

fn is_dull(national: &[u8]) -> bool {
    let is_filled = || national.first().is_some_and(|first| FILLERS.contains(first));
    if digits::is_repeated(national, REPEATED) || (is_filled() && digits::is_repeated(national, BEHIND_PREFIX)) {
        return true;
    }
    (0..=PREFIX).any(|prefix| {
        let Some(rest) = national.get(prefix..).filter(|rest| rest.len() >= BEHIND_PREFIX) else {
            return false;
        };
        let is_zeros = rest.iter().all(|b| *b == b'0');
        let is_long = prefix > 0 && rest.len() >= REPEATED_BEHIND_PREFIX;
        is_zeros || (is_long && digits::is_repeated(rest, REPEATED_BEHIND_PREFIX)) || is_counted(national, prefix)
    })
}

/// Returns whether it counts up from 0 or 1, or down to 1 or 0. A whole number must count further: `+65 8765 4321` is
/// somebody's.
fn is_counted(national: &[u8], prefix: usize) -> bool {
    let rest = &national[prefix..];
    // Of a longer row, the whole is looked at.
    if prefix > 0 && digits::is_in_a_row(&national[prefix - 1..]) {
        return false;
    }
    let (first, last) = (rest.first(), rest.last());
    let is_up = rest.get(1).zip(first).is_some_and(|(second, first)| second > first);
    let is_from_start = if is_up {
        first == Some(&b'1') || (first == Some(&b'0') && rest.len() > BEHIND_PREFIX)
    } else {
        matches!(last, Some(b'0' | b'1')) && (prefix > 0 || rest.len() >= REPEATED)
    };
    digits::is_in_a_row(rest) && (is_from_start || (prefix == 0 && rest.len() > REPEATED))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn numbers_that_nobody_has() {
        let nobody = [
            "+82 10-0000-0000",
            "+49 170 0000000",
            "+46 70 000 00 00",
            "+33 6 00 00 00 00",
            "+86 138 0000 0000",
            "+44 7000 000000",
            "+55 11 99999-9999",
            "+49 151 11111111",
            "+34 611 111 111",
            "+31 6 12345678",
            "+82 10-1234-5678",
            "+48 123 456 789",
            "+33 6 12 34 56 78",
            "+33 1 23 45 67 89",
            "+44 7123 456789",
            "+44 20 1234 5678",
            "+61 412 345 678",
            "+351 912 345 678",
            "+34 612 345 678",
            "+43 664 1234567",
            "+41 79 123 45 67",
            "+90 532 123 45 67",
            "+62 812-3456-789",
            "+49 176 87654321",
            "+49 30 1234567",
            "+7 900 000-00-00",
            "+91 98765 43210",
            "+91 99999 99999",
            "+45 12 34 56 78",
            "+47 99 99 99 99",
            "+49 170 0000000 ext. 12",
            "+1 201 234 5678",
        ];
        let somebody = [
            "+47 22 22 22 22",
            "+45 33 33 33 33",
            "+65 8888 8888",
            "+65 8765 4321",
            "+1 212 555 0123",
            "+49 30 9000000",
            "+49 30 901820",
            "+49 30 123456",
            "+44 20 7946 0958",
            "+44 20 7890 1234",
            "+33 6 12 34 56 87",
            "+34 612 345 687",
            "+49 171 3456789",
            "+1 800 222 2222",
            "+353 1 800 0000",
        ];
        check("user.contact.phone_number", &somebody, &nobody);
    }
}
