//! Goes through a JSON text from its beginning to its end. What is common is read here: plain strings, integers. The rest is left to
//! `serde_json`, each time for one value: escapes, fractions, lists, and what nobody reads.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::instant;
use crate::engine::bytes::{self, each};
use crate::engine::{decimal, digits};

/// A text, and what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Reader<'r> {
    text: &'r str,
    rest: &'r [u8],
}

/// The text is no JSON from here on, or the value can't be held.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// No JSON.
    Syntax,
    /// A number that is too large for any type.
    Number(String),
    /// Anything else, such as the escape of half a character; or no JSON, too.
    Other(String),
}

/// Digits that always fit into 64 bits.
const SHORT: usize = 18;

impl<'r> Reader<'r> {
    pub(super) fn of(text: &'r str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest {
                [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] => self.rest = rest,
                [other, ..] => return Some(*other),
                [] => return None,
            }
        }
    }

    /// Takes a byte, when it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match (self.peek(), self.rest) {
            (Some(next), [_, rest @ ..]) if next == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Within an object: takes the next key and what stands around it, or the object's end. `before`: what stands before the key, which
    /// is the opening brace of the first one, and the comma of the others.
    pub(super) fn key(&mut self, before: u8) -> Result<Option<Cow<'r, str>>, Unreadable> {
        if before == b',' && self.take(b'}') {
            return Ok(None);
        }
        if !self.take(before) {
            return Err(Unreadable::Syntax);
        }
        if before == b'{' && self.take(b'}') {
            return Ok(None);
        }
        let key = self.string()?;
        if self.take(b':') { Ok(Some(key)) } else { Err(Unreadable::Syntax) }
    }

    /// Within an object: takes what comes next when it is this name as compact JSON has it, with what stands before it and the colon.
    #[inline]
    pub(super) fn lead(&mut self, before: u8, lead: &str) -> bool {
        if let [first, rest @ ..] = self.rest
            && *first == before
            && let Some((begin, rest)) = rest.split_at_checked(lead.len())
            && bytes::equal(begin, lead.as_bytes())
        {
            self.rest = rest;
            return true;
        }
        false
    }

    /// Within an object: takes the next key as compact JSON has it, when it has no escapes, with what stands before it and the colon.
    #[inline]
    pub(super) fn plain_key(&mut self, before: u8) -> Option<&'r str> {
        let start = self.rest;
        if let [first, rest @ ..] = start
            && *first == before
        {
            self.rest = rest;
            if let Some(key) = self.plain_string()
                && let [b':', rest @ ..] = self.rest
            {
                self.rest = rest;
                return Some(key);
            }
            self.rest = start;
        }
        None
    }

    /// Within an object, behind a field: takes the object's end, when it comes right here.
    #[inline]
    pub(super) fn closes(&mut self) -> bool {
        let [b'}', rest @ ..] = self.rest else { return false };
        self.rest = rest;
        true
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<Cow<'r, str>, Unreadable> {
        if self.peek() != Some(b'"') {
            return Err(Unreadable::Syntax);
        }
        match self.plain_string() {
            Some(it) => Ok(Cow::Borrowed(it)),
            None => self.rest::<String>().map(Cow::Owned),
        }
    }

    /// Takes a string, when one begins right here that has no escapes.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<&'r str> {
        let [b'"', inner @ ..] = self.rest else { return None };
        self.string_of(inner, plain(inner))
    }

    /// Takes a string, when these bytes, which are behind its quotation mark, are followed by another one.
    #[inline]
    fn string_of(&mut self, inner: &[u8], length: usize) -> Option<&'r str> {
        let start = self.text.len() - inner.len();
        let [b'"', rest @ ..] = self.text.as_bytes().get(start + length..)? else { return None };
        self.rest = rest;
        self.text.get(start..start + length)
    }

    /// Takes a decimal amount in a string, when one begins right here.
    #[inline]
    pub(super) fn decimal(&mut self) -> Option<Decimal> {
        let [b'"', inner @ ..] = self.rest else { return None };
        let (number, [b'"', rest @ ..]) = decimal::take(inner)? else { return None };
        self.rest = rest;
        Some(number)
    }

    /// Takes a UUID in a string, when one begins right here.
    #[inline]
    pub(super) fn uuid(&mut self) -> Option<u128> {
        let [b'"', inner @ ..] = self.rest else { return None };
        let (text, [b'"', rest @ ..]) = inner.split_at_checked(UUID)? else { return None };
        let id = Uuid::try_parse_ascii(text).ok()?;
        self.rest = rest;
        Some(id.as_u128())
    }

    /// Takes an instant in a string, when one begins right here; it as it was written, too.
    #[inline]
    pub(super) fn instant(&mut self) -> Option<(&'r str, i64)> {
        let [b'"', inner @ ..] = self.rest else { return None };
        let (micros, length) = instant::common(inner)?;
        self.string_of(inner, length).map(|text| (text, micros))
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<Number, Unreadable> {
        self.rest()
    }

    /// Takes an integer, when one comes next that is certain to fit.
    #[inline]
    pub(super) fn short_integer(&mut self) -> Option<i64> {
        let negative = self.peek() == Some(b'-');
        let text = self.rest.get(usize::from(negative)..)?;
        let (length, number) = digits::leading(text);
        let (digits, rest) = text.split_at_checked(length)?;
        // JSON has no leading zeros, and -0 is no integer to `serde_json`.
        let leading_zero = digits.first() == Some(&b'0') && (1 < length || negative);
        let goes_on = matches!(rest, [b'.' | b'e' | b'E', ..]);
        if length == 0 || SHORT < length || leading_zero || goes_on {
            return None;
        }
        self.rest = rest;
        let number = number.cast_signed();
        Some(if negative { -number } else { number })
    }

    /// Takes a word, such as `true`.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Unreadable> {
        self.peek();
        self.rest = self.rest.strip_prefix(word.as_bytes()).ok_or(Unreadable::Syntax)?;
        Ok(())
    }

    /// Takes any value, as it stands there.
    pub(super) fn raw(&mut self) -> Result<&'r str, Unreadable> {
        self.rest::<&RawValue>().map(RawValue::get)
    }

    /// Takes any value.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<(), Unreadable> {
        if self.plain_string().is_some() {
            return Ok(());
        }
        self.peek();
        if self.plain_string().is_some() {
            return Ok(());
        }
        self.rest::<IgnoredAny>().map(drop)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    #[cold]
    fn rest<T: Deserialize<'r>>(&mut self) -> Result<T, Unreadable> {
        let left = self.text.get(self.text.len() - self.rest.len()..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(left).into_iter::<T>();
        match values.next() {
            Some(Ok(it)) => {
                self.rest = self.rest.get(values.byte_offset()..).unwrap_or_default();
                Ok(it)
            }
            Some(Err(error)) => Err((&error).into()),
            None => Err(Unreadable::Syntax),
        }
    }
}

/// Characters of a UUID.
pub(super) const UUID: usize = 36;

impl From<&serde_json::Error> for Unreadable {
    fn from(error: &serde_json::Error) -> Self {
        // Lines and columns may be those of one value alone.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        if message.starts_with("number") { Self::Number(message) } else { Self::Other(message) }
    }
}

/// How many bytes there are before one that can't stand in a string as it is. Eight are looked at together, as one number.
#[inline]
pub(super) fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
    }
    // What is missing in the last word is zeros, and they can't stand in a string.
    text.len() - rest.len() + special(bytes::word(rest)).trailing_zeros() as usize / 8
}

/// The highest bits of the bytes of a word that can't stand in a string as they are: the lowest bit that is set is right, those above it may
/// be wrong.
#[inline]
pub(super) const fn special(word: u64) -> u64 {
    // Borrowed from the highest bit of a byte that is less than what is taken from it. None of the three has that bit by itself.
    let borrows = word.wrapping_sub(each(0x20)) | (word ^ each(b'"')).wrapping_sub(each(1)) | (word ^ each(b'\\')).wrapping_sub(each(1));
    borrows & !word & each(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_bytes_end_before_the_first_special_one(bytes in prop::collection::vec(prop_oneof![0_u8..=255, 0x60_u8..0x80], 0..40)) {
            let first = bytes.iter().position(|it| *it < 0x20 || *it == b'"' || *it == b'\\');
            prop_assert_eq!(plain(&bytes), first.unwrap_or(bytes.len()));
        }

        #[test]
        fn strings_are_read_as_serde_json_reads_them(text in "[ -~é\u{0}-\u{1f}\\\\\"]{0,20}", tail in "[ ,}]?") {
            let json = format!("\"{text}\"{tail}");
            let expected = serde_json::Deserializer::from_str(&json).into_iter::<String>().next().and_then(Result::ok);
            prop_assert_eq!(Reader::of(&json).string().ok().map(Cow::into_owned), expected);
        }

        #[test]
        fn a_plain_key_is_read_as_any_key_is(key in "[ -~é\u{0}-\u{1f}\\\\\"]{0,20}", before in "[,{ ]", colon in "[: ]{1,2}") {
            let json = format!("{before}\"{key}\"{colon}1");
            let (mut plain, mut any) = (Reader::of(&json), Reader::of(&json));
            match plain.plain_key(b',') {
                Some(it) => {
                    prop_assert_eq!(Some(it.to_owned()), any.key(b',').ok().flatten().map(Cow::into_owned));
                    prop_assert_eq!(plain.rest, any.rest);
                }
                None => prop_assert_eq!(plain.rest.len(), json.len(), "nothing was taken"),
            }
        }

        #[test]
        fn integers_are_read_as_serde_json_reads_them(number in "-?[0-9]{1,20}([.e][0-9])?") {
            let json = format!(" {number},");
            let expected = serde_json::from_str::<Number>(&number).ok().and_then(|it| it.as_i64());
            match Reader::of(&json).short_integer() {
                Some(it) => prop_assert_eq!(Some(it), expected),
                None => prop_assert!(expected.is_none_or(|_| SHORT < number.trim_start_matches('-').len())),
            }
        }
    }
}
