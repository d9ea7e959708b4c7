//! The placeholders among the values of each kind.

use std::net::IpAddr;

use super::words::Words;
use super::{dates, digits, email, numbers, phones, syntax};
use crate::percent;
use crate::taxonomy::normalise::Normaliser;

impl Words {
    /// Returns whether a value is a placeholder. The value is normalised, without its scope or its country tag.
    pub(in crate::taxonomy) fn is_placeholder(&self, normaliser: Normaliser, value: &str) -> bool {
        match normaliser {
            Normaliser::Email => email::is_placeholder(self, value),
            Normaliser::Phone => phones::is_placeholder(value),
            Normaliser::Url => syntax::is_placeholder_url(value),
            Normaliser::Opaque | Normaliser::Username => self.is_free(value),
            Normaliser::Text => self.is_of_no_name(value),
            Normaliser::NationalId | Normaliser::Document | Normaliser::IssuedNumber => {
                numbers::is_placeholder(self, normaliser, value)
            }
            Normaliser::BankAccount => {
                let account = value
                    .split_once('/')
                    .map_or(value.get(4..), |(_, account)| Some(account));
                account.is_some_and(|account| account.bytes().all(|b| b == b'0'))
            }
            Normaliser::DeviceId => digits::is_placeholder(value, digits::REPEATED),
            Normaliser::MacAddress => digits::is_placeholder(value, digits::REPEATED),
            Normaliser::IpAddress => value.parse().is_ok_and(is_of_nobody),
            Normaliser::Name => self.is_of_no_name(value) || digits::is_one_letter(value),
            Normaliser::BirthDate => dates::is_placeholder(value),
            Normaliser::PostalCode => {
                digits::is_zeros(value) || digits::is_one_letter(value) || syntax::is_placeholder(value)
            }
            _ => false,
        }
    }

    fn is_free(&self, value: &str) -> bool {
        digits::is_placeholder(value, digits::REPEATED)
            || self.is_identifier_word(value)
            || syntax::is_placeholder(value)
            || syntax::is_masked(value)
            || (is_address(value) && email::is_placeholder(self, &value.to_lowercase()))
            || self.is_written_number(value)
            || percent::decoded(value).is_some_and(|decoded| self.is_free(&decoded))
            || syntax::unescaped(value).is_some_and(|plain| self.is_free(&plain))
    }

    /// Returns whether it is zero or another listed number, as a program prints a fraction: `0e0`, `0E-10`, `-1.0`.
    fn is_written_number(&self, value: &str) -> bool {
        let is_zeros = |text: &str| !text.is_empty() && text.bytes().all(|b| matches!(b, b'0' | b'.'));
        let digits = value.trim_start_matches(['-', '+']);
        if let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) {
            let power = exponent.trim_start_matches(['-', '+']);
            let is_power = power.len() <= 3 && !power.is_empty() && power.bytes().all(|b| b.is_ascii_digit());
            // A short id in hexadecimal may be 0e4: a printer writes a sign, or zeros.
            return is_zeros(mantissa) && is_power && (power.len() < exponent.len() || is_zeros(power));
        }
        let whole = value.trim_end_matches('0').strip_suffix('.');
        whole.is_some_and(|whole| whole.starts_with('-') && whole.len() > 1 && self.is_identifier_word(whole))
    }

    fn is_of_no_name(&self, value: &str) -> bool {
        self.is_name_word(value)
            || syntax::is_placeholder(value)
            || percent::decoded(value).is_some_and(|decoded| self.is_of_no_name(decoded.trim()))
            || syntax::unescaped(value).is_some_and(|plain| self.is_of_no_name(plain.trim()))
    }
}

/// Returns whether it has the form of an e-mail address. A handle (`@ada`) has nothing before its last at sign.
fn is_address(value: &str) -> bool {
    value
        .rsplit_once('@')
        .is_some_and(|(local, _)| !local.trim_matches('@').is_empty())
}

/// Returns whether many networks use an address inside, or it names no host. Addresses for documentation (RFC 5737,
/// 3849) are for trials.
fn is_of_nobody(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || is_shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn a_handle_is_somebody_s() {
        let somebody = [
            "@ada_lovelace",
            "@grace.hopper",
            "@1x",
            "@ada.test",
            "@Ada",
            "@@ada",
            "%40ada",
            "@ada@social.example",
            "ada@",
            "@user_1",
        ];
        let nobody = ["@", "@@", "@null", "@undefined", "@{user}", "%40null", "test@test.com"];
        for category in ["user.unique_id", "user.account.username", "user.device.cookie_id"] {
            check(category, &somebody, &nobody);
        }
    }
}
