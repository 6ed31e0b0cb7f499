//! Exact decimal arithmetic: what would have to be rounded fails instead.
//!
//! `rust_decimal` holds 28 digits and rounds silently when they run out, so each result's scale is checked.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::engine::bytes::each;
use crate::engine::digits;
use crate::engine::expr::Fault;
use crate::engine::pen::Put;
use crate::engine::value::Money;

/// Most digits before and after the point in the text form of the contract.
const WHOLE_DIGITS_MAX: usize = 18;
const FRACTION_DIGITS_MAX: usize = 8;

/// Reads `-?[0-9]{1,18}(\.[0-9]{1,8})?`; keeps trailing zeros as scale.
#[must_use]
pub fn parse(text: &str) -> Option<Decimal> {
    take(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(it, _)| it)
}

/// The same of what bytes begin with; and what follows it.
#[inline]
#[must_use]
pub fn take(text: &[u8]) -> Option<(Decimal, &[u8])> {
    let negative = text.first() == Some(&b'-');
    let unsigned = text.get(usize::from(negative)..)?;
    let (whole_digits, whole) = digits::leading(unsigned);
    let (mut rest, mut decimals, mut scale) = (unsigned.get(whole_digits..)?, 0, 0);
    if let [b'.', fraction @ ..] = rest {
        (scale, decimals) = digits::leading(fraction);
        rest = fraction.get(scale..)?;
        if scale == 0 {
            return None;
        }
    }
    if whole_digits == 0 || WHOLE_DIGITS_MAX < whole_digits || FRACTION_DIGITS_MAX < scale {
        return None;
    }
    let power = *digits::POWERS.get(scale)?;
    let scale = u32::try_from(scale).ok()?;
    let number = match whole.checked_mul(power).and_then(|it| i64::try_from(it.checked_add(decimals)?).ok()) {
        Some(it) => of(if negative { -it } else { it }, scale),
        None => {
            let mantissa = i128::from(whole) * i128::from(power) + i128::from(decimals);
            Decimal::try_from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale).ok()
        }
    };
    number.map(|it| (it, rest))
}

/// The number `mantissa` / 10^`scale`, if there is such a scale.
#[inline]
#[must_use]
pub fn of(mantissa: i64, scale: u32) -> Option<Decimal> {
    of_digits(mantissa.unsigned_abs(), mantissa < 0, scale)
}

/// The same, of the digits of the mantissa and its sign.
#[inline]
#[must_use]
pub fn of_digits(digits: u64, negative: bool, scale: u32) -> Option<Decimal> {
    let (low, high) = (digits as u32, (digits >> 32) as u32);
    (scale <= Decimal::MAX_SCALE).then(|| Decimal::from_parts(low, high, 0, negative, scale))
}

/// The mantissa of a number, if 64 bits are enough for it.
#[inline]
#[must_use]
pub fn mantissa(number: Decimal) -> Option<i64> {
    let parts = number.unpack();
    let digits = i64::try_from(u64::from(parts.mid) << 32 | u64::from(parts.lo)).ok()?;
    (parts.hi == 0).then_some(if parts.negative { -digits } else { digits })
}

/// `a + b`, exactly.
///
/// # Errors
/// [`Fault::Overflow`] when more digits are needed than there are.
#[inline]
pub fn add(a: Decimal, b: Decimal) -> Result<Decimal, Fault> {
    // Nearly all amounts of one currency.
    if a.scale() == b.scale()
        && let (Some(of_a), Some(of_b)) = (mantissa(a), mantissa(b))
        && let Some(sum) = of_a.checked_add(of_b).and_then(|it| of(it, a.scale()))
    {
        return Ok(sum);
    }
    add_any(a, b)
}

#[inline(never)]
fn add_any(a: Decimal, b: Decimal) -> Result<Decimal, Fault> {
    match (a.is_zero(), b.is_zero()) {
        // A zero may be returned with the other's scale, which the check below would take for rounding.
        (true, _) => return Ok(widen(b, a.scale())),
        (_, true) => return Ok(widen(a, b.scale())),
        (false, false) => {}
    }
    let sum = a.checked_add(b).ok_or(Fault::Overflow)?;
    if sum.scale() < a.scale().max(b.scale()) && !sum.is_zero() { Err(Fault::Overflow) } else { Ok(sum) }
}

/// `a - b`, exactly.
///
/// # Errors
/// [`Fault::Overflow`] when more digits are needed than there are.
pub fn subtract(a: Decimal, b: Decimal) -> Result<Decimal, Fault> {
    add(a, -b)
}

/// `a * b`, exactly.
///
/// # Errors
/// [`Fault::Overflow`] when more digits are needed than there are.
pub fn multiply(a: Decimal, b: Decimal) -> Result<Decimal, Fault> {
    if a.is_zero() || b.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let product = a.checked_mul(b).ok_or(Fault::Overflow)?;
    if product.scale() == a.scale() + b.scale() { Ok(product) } else { Err(Fault::Overflow) }
}

/// How a number compares with zero.
#[inline]
#[must_use]
pub fn sign(number: Decimal) -> Ordering {
    match (number.is_zero(), number.is_sign_negative()) {
        (true, _) => Ordering::Equal,
        (false, true) => Ordering::Less,
        (false, false) => Ordering::Greater,
    }
}

/// The same number with at least `scale` decimals, if there is room for them.
#[inline]
#[must_use]
pub fn widen(number: Decimal, scale: u32) -> Decimal {
    if scale <= number.scale() {
        return number;
    }
    let mut wide = number;
    wide.rescale(scale);
    if wide.scale() == scale { wide } else { number }
}

/// The amount of money with at least the decimals of its currency's minor unit.
#[inline]
#[must_use]
pub fn amount_of(money: Money) -> Decimal {
    widen(money.amount, money.currency.minor_units())
}

/// Writes a number in plain digits, as `-12.50`.
#[inline]
pub fn write(number: Decimal, into: &mut impl Put) {
    let parts = number.unpack();
    let (mantissa, scale) = (u64::from(parts.mid) << 32 | u64::from(parts.lo), parts.scale as usize);
    if parts.hi != 0 || WORD_DIGITS <= scale || WORD_END <= mantissa {
        return write_wide(number, into);
    }
    if parts.negative && mantissa != 0 {
        into.push(b'-');
    }
    let digits = digits::of(mantissa);
    // At least one digit stands before the point.
    let zeros = digits::zero_bits(digits | 1 << (8 * (7 - scale)));
    let text = (digits | each(b'0')) >> zeros;
    let whole_bits = 8 * (8 - scale) - zeros;
    let decimals = u64::MAX << whole_bits;
    let text = text & !decimals | u64::from(b'.') << whole_bits | (text & decimals) << 8;
    into.put_word(text, whole_bits / 8 + scale + usize::from(scale != 0));
}

/// Digits that fit into a word together with a point, and the least number that has more.
const WORD_DIGITS: usize = 7;
const WORD_END: u64 = digits::POWERS[WORD_DIGITS];

/// Of numbers with more digits.
#[inline(never)]
fn write_wide(number: Decimal, into: &mut impl Put) {
    let parts = number.unpack();
    let (mantissa, scale) = (u64::from(parts.mid) << 32 | u64::from(parts.lo), parts.scale as usize);
    let Some(power) = digits::POWERS.get(scale).filter(|_| parts.hi == 0) else { return write_long(number, into) };
    if parts.negative && mantissa != 0 {
        into.push(b'-');
    }
    digits::write(mantissa / power, into);
    if scale != 0 {
        into.push(b'.');
        into.put_word((digits::of(mantissa % power) | each(b'0')) >> (8 * (8 - scale)), scale);
    }
}

/// Of numbers that need more than 64 bits, in which division is cheap, or have more decimals than amounts have.
#[cold]
fn write_long(number: Decimal, into: &mut impl Put) {
    // Zero has no sign.
    let number = if number.is_zero() { number.abs() } else { number };
    into.append(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: Decimal) -> String {
        let mut bytes = Vec::new();
        write(number, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_goes_there_and_back() {
        for it in ["0", "0.00", "1", "1000.00", "-12.5", "0.0001", "-0.01", "999999999999999999.99999999", "9007199254740993.01"] {
            assert_eq!(text(parse(it).unwrap()), it);
        }
        assert_eq!(text(-Decimal::ZERO), "0");
        assert_eq!(text(-Decimal::new(0, 12)), "0.000000000000");
        for it in [Decimal::MAX, Decimal::MIN, Decimal::new(-1, 28), Decimal::new(i64::MIN, 3), Decimal::from_parts(0, 0, 1, true, 28)] {
            assert_eq!(text(it), it.to_string());
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_their_own_text(mantissa in any::<i64>(), bits in 0..64, scale in 0_u32..=28) {
            let it = Decimal::new(mantissa >> bits, 0);
            prop_assert_eq!(text(it), it.to_string());
            let it = Decimal::from_i128_with_scale(i128::from(mantissa >> bits), scale);
            prop_assert_eq!(text(it), if it.is_zero() { it.abs().to_string() } else { it.to_string() });
        }

        /// As a regular expression has it, and as `rust_decimal` reads it.
        #[test]
        fn amounts_are_read_as_the_contract_has_them(text in "-{0,2}[0-9]{0,20}[.x]{0,2}[0-9]{0,10}", tail in "[ .0-9-]?") {
            let text = text + &tail;
            let unsigned = text.strip_prefix('-').unwrap_or(&text);
            let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            let digits = |it: &str, most| (1..=most).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
            let expected = (digits(whole, 18) && digits(fraction, 8)).then(|| text.parse::<Decimal>().unwrap());
            prop_assert_eq!(parse(&text), expected);
            prop_assert_eq!(parse(&text).map(|it| it.scale()), expected.map(|it| it.scale()));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for it in ["", "-", ".5", "5.", "1.2.3", "1e3", "NaN", "+1", " 1", "1 ", "0x1", "١", "1.123456789", "1234567890123456789"] {
            assert_eq!(parse(it), None, "{it:?}");
        }
    }

    #[test]
    fn sums_are_exact_or_fail() {
        let sum = |a, b| add(parse(a).unwrap(), parse(b).unwrap()).map(text);
        assert_eq!(sum("0.1", "0.2"), Ok("0.3".into()));
        assert_eq!(sum("9007199254740993.01", "0.0001"), Ok("9007199254740993.0101".into()));
        assert_eq!(sum("1.50", "-1.50"), Ok("0.00".into()));
        assert_eq!(sum("0.000", "1"), Ok("1.000".into()));
        let most = Decimal::MAX;
        assert_eq!(add(most, parse("0.01").unwrap()), Err(Fault::Overflow));
        assert_eq!(add(most, most), Err(Fault::Overflow));
        let nearly = Decimal::from_i128_with_scale(79_228_162_514_264_337_593_543_950_335, 8);
        assert_eq!(add(nearly, nearly), Err(Fault::Overflow), "rust_decimal alone would drop a digit here");
    }

    #[test]
    fn products_are_exact_or_fail() {
        let product = |a, b| multiply(parse(a).unwrap(), parse(b).unwrap()).map(text);
        assert_eq!(product("1.10", "2"), Ok("2.20".into()));
        assert_eq!(product("0", "12.34"), Ok("0".into()));
        assert_eq!(product("999999999999999999.99999999", "1.00000001"), Err(Fault::Overflow));
    }
}
