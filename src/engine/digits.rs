//! Decimal digits and numbers, eight digits at a time.

use super::bytes::{each, word};
use super::pen::Put;

/// Powers of ten, as far as the digits of a word reach.
pub const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many digits bytes begin with, and their number; more than 19 make no sense of it.
#[inline]
#[must_use]
pub fn leading(bytes: &[u8]) -> (usize, u64) {
    let (mut count, mut number) = (0, 0_u64);
    loop {
        let apart = values(word(bytes.get(count..).unwrap_or_default()));
        let digits = (others(apart).trailing_zeros() / 8) as usize;
        // What is no digit is moved out, and zeros in before the others.
        let more = eight(apart.unbounded_shl(64 - 8 * digits as u32));
        if count == 0 && digits < 8 {
            return (digits, more);
        }
        number = number.wrapping_mul(POWERS.get(digits).copied().unwrap_or(0)).wrapping_add(more);
        count += digits;
        if digits < 8 {
            return (count, number);
        }
    }
}

/// The values of the digits in a word; what is none has another one than 0 to 9.
#[inline]
#[must_use]
pub const fn values(word: u64) -> u64 {
    word ^ each(b'0')
}

/// The highest bits of bytes that are no digits' values: the lowest bit that is set is right, those above it may be wrong.
#[inline]
#[must_use]
pub const fn others(values: u64) -> u64 {
    (values.wrapping_add(each(0x80 - 10)) | values) & each(0x80)
}

/// At each byte the number of two digits, this one and the next.
#[inline]
#[must_use]
pub const fn pairs(values: u64) -> u64 {
    values.wrapping_mul(10).wrapping_add(values >> 8)
}

/// The number of eight digits: of two make numbers below 100, of those below 10,000, and one of these.
#[inline]
const fn eight(values: u64) -> u64 {
    const EVERY_FOURTH: u64 = 0x0000_00FF_0000_00FF;
    const FIRST_OF_TWO: u64 = 100 | 1_000_000 << 32;
    const SECOND_OF_TWO: u64 = 1 | 10_000 << 32;
    let pairs = pairs(values);
    let (first, second) = (pairs & EVERY_FOURTH, (pairs >> 16) & EVERY_FOURTH);
    first.wrapping_mul(FIRST_OF_TWO).wrapping_add(second.wrapping_mul(SECOND_OF_TWO)) >> 32
}

/// Appends the digits of a number.
#[inline]
pub fn write(number: u64, into: &mut impl Put) {
    if number < EIGHT {
        let digits = of(number);
        // Zero has a digit, too.
        let zeros = zero_bits(digits | 1 << 56);
        return into.put_word((digits | each(b'0')) >> zeros, 8 - zeros / 8);
    }
    if number < EIGHT * EIGHT {
        let (high, low) = (of(number / EIGHT), of(number % EIGHT));
        let zeros = zero_bits(high);
        let text = u128::from(high | each(b'0')) | u128::from(low | each(b'0')) << 64;
        return into.put((text >> zeros).to_le_bytes(), 16 - zeros / 8);
    }
    write_long(number, into);
}

/// How many bits the zeros take that digits begin with: eight for each.
#[inline]
pub const fn zero_bits(digits: u64) -> usize {
    (digits.trailing_zeros() & 0x38) as usize
}

#[cold]
#[inline(never)]
fn write_long(number: u64, into: &mut impl Put) {
    write(number / EIGHT, into);
    into.put_word(of(number % EIGHT) | each(b'0'), 8);
}

/// The least number of more than eight digits.
pub const EIGHT: u64 = 100_000_000;

/// The values of the eight digits of a number below [`EIGHT`]: halves are made of it, halves of these, and of those digits.
#[inline]
#[must_use]
pub const fn of(number: u64) -> u64 {
    let (high, low) = (number / 10_000, number % 10_000);
    let halves = high | low << 32;
    // By multiplication, in all parts at once: exact as far as the parts go.
    let hundreds = (halves.wrapping_mul(10_486) >> 20) & 0x0000_007F_0000_007F;
    let pairs = hundreds | (halves - hundreds * 100) << 16;
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000F_000F_000F_000F;
    tens | (pairs - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_parts_of_a_number_are_divided_exactly() {
        for number in (0..EIGHT).step_by(9_973).chain([0, 1, 9, 10, EIGHT - 1, 99_999_999, 10_000, 9_999]).chain(0..10_000) {
            let number = number.min(EIGHT - 1);
            assert_eq!((of(number) | each(b'0')).to_le_bytes(), *format!("{number:08}").as_bytes());
            assert_eq!(eight(of(number)), number);
        }
    }

    proptest! {
        #[test]
        fn digits_are_counted_and_read(digits in "[0-9]{0,19}", tail in prop::option::of("[^0-9].{0,9}")) {
            let text = format!("{digits}{}", tail.unwrap_or_default());
            let number = if digits.is_empty() { 0 } else { digits.parse().unwrap() };
            prop_assert_eq!(leading(text.as_bytes()), (digits.len(), number), "{}", text);
        }

        #[test]
        fn numbers_are_written_as_they_are(number in any::<u64>(), bits in 0..64) {
            let mut text = b"x".to_vec();
            write(number >> bits, &mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), format!("x{}", number >> bits));
        }

        #[test]
        fn any_bytes_end_the_digits(digits in "[0-9]{0,12}", tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let bytes = [digits.as_bytes(), &tail].concat();
            prop_assert_eq!(leading(&bytes).0, bytes.iter().take_while(|it| it.is_ascii_digit()).count());
        }
    }
}
