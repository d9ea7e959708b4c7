//! The tokens of JSON.

use std::borrow::Cow;

use super::{JsonFault, JsonFaultKind};

/// The fault that ended reading, without its place, which the reader knows.
pub(super) type Wrong = JsonFaultKind;

/// A place in a text, and the values that can be read from there.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn fault(&self, wrong: Wrong) -> JsonFault {
        JsonFault::at(wrong, self.text, self.at)
    }

    /// Returns the next byte that is no white space. Returns `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Steps over the byte that [`Self::next`] gave.
    #[inline]
    pub(super) const fn step(&mut self) {
        self.at += 1;
    }

    /// Steps over this byte, which must come next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        if self.next() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(Wrong::Syntax)
    }

    /// Checks that only white space follows.
    pub(super) fn end(&mut self) -> Result<(), Wrong> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(Wrong::Syntax),
        }
    }

    pub(super) fn literal(&mut self, word: &str) -> Result<(), Wrong> {
        let is_there = self
            .text
            .as_bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if is_there {
            self.at += word.len();
            return Ok(());
        }
        Err(Wrong::Syntax)
    }

    /// Reads a number without changing its text.
    pub(super) fn number(&mut self) -> Result<&'a str, Wrong> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.since(start))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(Wrong::Syntax);
        }
        Ok(())
    }

    /// Reads a text in quotation marks; borrowed, unless something in it is escaped.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.expect(b'"')?;
        let start = self.at;
        if self.plain()? == b'"' {
            let text = self.since(start);
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = self.since(start).to_owned();
        loop {
            text.push(self.escape()?);
            let start = self.at;
            let end = self.plain()?;
            text.push_str(self.since(start));
            if end == b'"' {
                self.at += 1;
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// Steps over a text in quotation marks.
    pub(super) fn skip_string(&mut self) -> Result<(), Wrong> {
        self.expect(b'"')?;
        while self.plain()? == b'\\' {
            self.escape()?;
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over characters that stand for themselves, up to a quotation mark or a backslash.
    #[inline]
    fn plain(&mut self) -> Result<u8, Wrong> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (words, tail) = rest.as_chunks::<8>();
        let word = words.iter().map(|word| first_mark(u64::from_le_bytes(*word)));
        self.at += match word.enumerate().find_map(|(nth, mark)| Some(nth * 8 + mark?)) {
            Some(end) => end,
            None => {
                let end = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                words.len() * 8 + end.unwrap_or(tail.len())
            }
        };
        match self.byte() {
            Some(byte @ (b'"' | b'\\')) => Ok(byte),
            _ => Err(Wrong::Syntax),
        }
    }

    /// Reads an escape sequence, from its backslash on.
    fn escape(&mut self) -> Result<char, Wrong> {
        self.at += 1;
        let escaped = self.byte().ok_or(Wrong::Syntax)?;
        let character = match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Wrong::Syntax),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads the rest of `\uXXXX`, and of the one behind it if both are a pair of surrogates.
    fn unicode(&mut self) -> Result<char, Wrong> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Wrong::Syntax);
        }
        if self.byte() != Some(b'\\') {
            return Err(Wrong::Syntax);
        }
        self.at += 1;
        if self.byte() != Some(b'u') {
            return Err(Wrong::Syntax);
        }
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(Wrong::Syntax);
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(Wrong::Syntax)
    }

    fn hexadecimal(&mut self) -> Result<u32, Wrong> {
        self.at += 1;
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            number = number * 16 + digit.ok_or(Wrong::Syntax)?;
            self.at += 1;
        }
        Ok(number)
    }
}

/// Returns the place of the first of eight bytes (the lowest one first) that is a quotation mark, a backslash or a
/// control character. It examines all eight at once, because most sent bytes are texts. Returns `None` without such a
/// byte.
#[inline]
const fn first_mark(word: u64) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    /// Sets the highest bit of each byte that is less than this one. A borrow may set that of a byte above the first, too.
    const fn less(word: u64, than: u64) -> u64 {
        word.wrapping_sub(ONES * than) & !word & HIGH
    }
    let marks = less(word, 0x20) | less(word ^ (ONES * b'"' as u64), 1) | less(word ^ (ONES * b'\\' as u64), 1);
    if marks == 0 {
        return None;
    }
    Some(marks.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_ends_where_a_look_at_each_byte_finds_its_end(text in "[ -~\\x00-\\x25\\\\\\\\\\PC]{0,40}") {
            let mut reader = Reader::new(&text);
            let end = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let found = reader.plain();
            prop_assert_eq!(reader.at, end.unwrap_or(text.len()));
            let last = end.and_then(|end| text.as_bytes().get(end)).filter(|byte| **byte >= b' ');
            prop_assert_eq!(found.ok(), last.copied());
        }
    }
}
