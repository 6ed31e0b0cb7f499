//! Text that goes from an event into those derived from it: looked at once, written several times.

use super::encode;
use crate::engine::bytes::each;
use crate::engine::pen::Put;

/// The text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Text<'r> {
    /// ASCII that stands in JSON as it is. Nearly all is.
    Plain(&'r [u8]),
    /// Any other.
    Other(&'r str),
}

impl<'r> Text<'r> {
    /// The text of these bytes, if they are UTF-8.
    #[must_use]
    pub fn of(bytes: &'r [u8]) -> Option<Self> {
        if is_plain(bytes) {
            return Some(Self::Plain(bytes));
        }
        std::str::from_utf8(bytes).ok().map(Self::Other)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(it) => it,
            Self::Other(it) => it.as_bytes(),
        }
    }

    /// Appends what stands between the quotation marks of a JSON string.
    #[inline]
    pub fn write(&self, into: &mut impl Put) {
        match self {
            Self::Plain(it) => into.append(it),
            Self::Other(it) => encode::inner(it, into),
        }
    }
}

impl<'r> From<&'r str> for Text<'r> {
    #[inline]
    fn from(text: &'r str) -> Self {
        if is_plain(text.as_bytes()) { Self::Plain(text.as_bytes()) } else { Self::Other(text) }
    }
}

/// Whether all bytes are ASCII and none has to be escaped.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let special = words.iter().fold(0, |special, it| special | u64::from_le_bytes(*it) | super::reader::special(u64::from_le_bytes(*it)));
    special & each(0x80) == 0 && rest.iter().all(|it| matches!(it, 0x20..0x80) && !matches!(it, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_written_as_the_encoder_writes_it(text in "[ -~é\u{0}-\u{1f}\\\\\"]{0,30}") {
            let mut expected = Vec::new();
            encode::inner(&text, &mut expected);
            for it in [Text::of(text.as_bytes()).unwrap(), text.as_str().into()] {
                let mut written = Vec::new();
                it.write(&mut written);
                prop_assert_eq!(&written, &expected);
                prop_assert_eq!(it.as_bytes(), text.as_bytes());
            }
        }

        #[test]
        fn plain_is_what_needs_no_escapes(text in "[a-z0-9:.é\n\"\\\\]{0,20}") {
            let plain = text.bytes().all(|it| it.is_ascii() && it != b'"' && it != b'\\' && it != b'\n');
            prop_assert_eq!(matches!(Text::of(text.as_bytes()), Some(Text::Plain(_))), plain);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_no_text() {
        assert_eq!(Text::of(b"2026-01-01T10:00:00\xFF"), None);
        assert_eq!(Text::of("\u{7F}".as_bytes()), Some(Text::Plain(b"\x7F")));
    }
}
