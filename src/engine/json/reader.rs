//! Goes through a JSON text from its beginning to its end. What is common is read here: plain strings, integers. The rest is left to
//! `serde_json`, each time for one value: escapes, fractions, lists, and what nobody reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;

/// What is left of a text.
#[derive(Debug, Clone)]
pub(super) struct Reader<'r> {
    rest: &'r str,
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
        Self { rest: text }
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest.as_bytes().first()? {
                b' ' | b'\n' | b'\t' | b'\r' => self.pass(1),
                other => return Some(*other),
            }
        }
    }

    /// Takes a byte, when it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.pass(usize::from(is_next));
        is_next
    }

    /// Within an object: takes the next key and what stands around it, or the object's end. `first`: behind the opening brace.
    pub(super) fn key(&mut self, first: bool) -> Result<Option<Cow<'r, str>>, Unreadable> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !(first || self.take(b',')) {
            return Err(Unreadable::Syntax);
        }
        let key = self.string()?;
        if self.take(b':') { Ok(Some(key)) } else { Err(Unreadable::Syntax) }
    }

    /// Within an object: takes what comes next when it is this name in compact JSON, with the comma before it and the colon.
    pub(super) fn lead(&mut self, first: bool, lead: &str) -> bool {
        let behind = self.rest.strip_prefix(lead.get(usize::from(first)..).unwrap_or_default());
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
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
        let [b'"', inner @ ..] = self.rest.as_bytes() else { return None };
        let end = 1 + plain(inner);
        if self.rest.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        let text = self.rest.get(1..end);
        self.pass(end + 1);
        text
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<Number, Unreadable> {
        self.rest()
    }

    /// Takes an integer, when one comes next that is certain to fit.
    pub(super) fn short_integer(&mut self) -> Option<i64> {
        let negative = self.peek() == Some(b'-');
        let digits = self.rest.as_bytes().get(usize::from(negative)..)?;
        let (mut length, mut number) = (0, 0_u64);
        for digit in digits.iter().take_while(|it| it.is_ascii_digit()) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            length += 1;
        }
        // JSON has no leading zeros, and -0 is no integer to `serde_json`.
        let leading_zero = digits.first() == Some(&b'0') && (1 < length || negative);
        let goes_on = matches!(digits.get(length), Some(b'.' | b'e' | b'E'));
        if length == 0 || SHORT < length || leading_zero || goes_on {
            return None;
        }
        self.pass(usize::from(negative) + length);
        i64::try_from(number).ok().map(|it| if negative { -it } else { it })
    }

    /// Takes a word, such as `true`.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Unreadable> {
        self.peek();
        self.rest = self.rest.strip_prefix(word).ok_or(Unreadable::Syntax)?;
        Ok(())
    }

    /// Takes any value, as it stands there.
    pub(super) fn raw(&mut self) -> Result<&'r str, Unreadable> {
        self.rest::<&RawValue>().map(RawValue::get)
    }

    /// Takes any value.
    pub(super) fn skip(&mut self) -> Result<(), Unreadable> {
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

    fn rest<T: Deserialize<'r>>(&mut self) -> Result<T, Unreadable> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<T>();
        match values.next() {
            Some(Ok(it)) => {
                self.pass(values.byte_offset());
                Ok(it)
            }
            Some(Err(error)) => Err((&error).into()),
            None => Err(Unreadable::Syntax),
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

impl From<&serde_json::Error> for Unreadable {
    fn from(error: &serde_json::Error) -> Self {
        // Lines and columns may be those of one value alone.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        if message.starts_with("number") { Self::Number(message) } else { Self::Other(message) }
    }
}

/// How many bytes there are before one that can't stand in a string as it is. Eight are looked at together, as one number.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = special(word);
        if special != 0 {
            return index * 8 + usize::try_from(special.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let special = |it: &u8| *it < 0x20 || *it == b'"' || *it == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// The highest bits of the bytes of a word that can't stand in a string as they are: the lowest bit that is set is right, those above it may
/// be wrong.
#[inline]
pub(super) const fn special(word: u64) -> u64 {
    // Borrowed from the highest bit of a byte that is less than what is taken from it. None of the three has that bit by itself.
    let borrows = word.wrapping_sub(each(0x20)) | (word ^ each(b'"')).wrapping_sub(each(1)) | (word ^ each(b'\\')).wrapping_sub(each(1));
    borrows & !word & each(0x80)
}

/// The same byte eight times.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
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
