//! Bytes as words of eight: most of what an event has is short, and a call to compare or copy it would be most of the work.

/// The same byte eight times.
#[must_use]
pub const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The first eight bytes as a number, the first one lowest; zeros stand for those that are missing.
#[inline]
#[must_use]
pub fn word(bytes: &[u8]) -> u64 {
    if let Some(all) = bytes.first_chunk() {
        return u64::from_le_bytes(*all);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // They may overlap: what both have is the same.
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
    }
    bytes.iter().rev().fold(0, |word, it| word << 8 | u64::from(*it))
}

/// Appends the first bytes of a word.
#[inline]
fn append_word(word: u64, count: usize, into: &mut Vec<u8>) {
    let end = into.len() + count;
    into.extend_from_slice(&word.to_le_bytes());
    into.truncate(end);
}

/// Appends bytes.
#[inline]
pub fn append(bytes: &[u8], into: &mut Vec<u8>) {
    match bytes.len() {
        0..8 => append_word(word(bytes), bytes.len(), into),
        8..16 => append_ends::<8>(bytes, into),
        16..=32 => append_ends::<16>(bytes, into),
        _ => into.extend_from_slice(bytes),
    }
}

/// Appends N to twice N bytes: the first N, and over their end the last N.
#[inline]
fn append_ends<const N: usize>(bytes: &[u8], into: &mut Vec<u8>) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        let behind = into.len() + bytes.len() - N;
        into.extend_from_slice(first);
        into.truncate(behind);
        into.extend_from_slice(last);
    }
}

/// Whether both are the same.
#[inline]
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
    }
    a.len() == b.len()
        && match a.len() {
            0..8 => word(a) == word(b),
            8..16 => ends::<8>(a, b),
            16..=32 => ends::<16>(a, b),
            _ => a == b,
        }
}

/// Whether the first ones begin with the others.
#[inline]
#[must_use]
pub fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.get(..with.len()).is_some_and(|it| equal(it, with))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_equal_when_all_are(a in prop::collection::vec(any::<u8>(), 0..70), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            prop_assert!(equal(&a, &a.clone()) && begins(&a, &a) && begins(&[&a[..], b"x"].concat(), &a));
            prop_assert!(!equal(&a, &[&a[..], &[0]].concat()) && !begins(&a, &[&a[..], &[0]].concat()));
            if !a.is_empty() {
                let mut b = a.clone();
                b[at.index(a.len())] ^= 1 << bit;
                prop_assert!(!equal(&a, &b));
            }
        }

        #[test]
        fn bytes_are_appended_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..70), before in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut into = before.clone();
            append(&bytes, &mut into);
            prop_assert_eq!(into, [before, bytes].concat());
        }

        #[test]
        fn a_word_has_zeros_for_what_is_missing(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut eight = [0; 8];
            eight.iter_mut().zip(&bytes).for_each(|(place, it)| *place = *it);
            prop_assert_eq!(word(&bytes), u64::from_le_bytes(eight));
        }
    }
}
