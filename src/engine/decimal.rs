//! Exact decimal arithmetic: what would have to be rounded fails instead.
//!
//! `rust_decimal` holds 28 digits and rounds silently when they run out, so each result's scale is checked.

use rust_decimal::Decimal;

use crate::engine::expr::Fault;
use crate::engine::value::Money;

/// Most digits before and after the point in the text form of the contract.
const WHOLE_DIGITS_MAX: usize = 18;
const FRACTION_DIGITS_MAX: usize = 8;

/// Reads `-?[0-9]{1,18}(\.[0-9]{1,8})?`; keeps trailing zeros as scale.
#[must_use]
pub fn parse(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = digits.bytes().position(|it| it == b'.');
    let (whole, fraction) = match point.and_then(|at| digits.split_at_checked(at)) {
        Some((whole, fraction)) if 1 < fraction.len() => (whole, fraction.get(1..)?),
        Some(_) => return None,
        None => (digits, ""),
    };
    if whole.is_empty() || WHOLE_DIGITS_MAX < whole.len() || FRACTION_DIGITS_MAX < fraction.len() {
        return None;
    }
    let (whole, decimals, scale) = (number(whole)?, number(fraction)?, u32::try_from(fraction.len()).ok()?);
    match whole.checked_mul(10_i64.checked_pow(scale)?).and_then(|it| it.checked_add(decimals)) {
        Some(it) => of(if negative { -it } else { it }, scale),
        None => {
            let mantissa = i128::from(whole) * 10_i128.checked_pow(scale)? + i128::from(decimals);
            Decimal::try_from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale).ok()
        }
    }
}

/// The number `mantissa` / 10^`scale`, if there is such a scale.
#[inline]
#[must_use]
pub fn of(mantissa: i64, scale: u32) -> Option<Decimal> {
    let digits = mantissa.unsigned_abs();
    let (low, high) = (digits as u32, (digits >> 32) as u32);
    (scale <= Decimal::MAX_SCALE).then(|| Decimal::from_parts(low, high, 0, mantissa < 0, scale))
}

/// The mantissa of a number, if 64 bits are enough for it.
#[inline]
#[must_use]
pub fn mantissa(number: Decimal) -> Option<i64> {
    let parts = number.unpack();
    let digits = i64::try_from(u64::from(parts.mid) << 32 | u64::from(parts.lo)).ok()?;
    (parts.hi == 0).then_some(if parts.negative { -digits } else { digits })
}

/// The number of at most [`WHOLE_DIGITS_MAX`] digits.
fn number(digits: &str) -> Option<i64> {
    digits.bytes().try_fold(0, |number, it| it.is_ascii_digit().then(|| number * 10 + i64::from(it - b'0')))
}

/// `a + b`, exactly.
///
/// # Errors
/// [`Fault::Overflow`] when more digits are needed than there are.
pub fn add(a: Decimal, b: Decimal) -> Result<Decimal, Fault> {
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

/// The same number with at least `scale` decimals, if there is room for them.
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
#[must_use]
pub fn amount_of(money: Money) -> Decimal {
    widen(money.amount, money.currency.minor_units().unwrap_or(0))
}

/// Writes a number in plain digits, as `-12.50`.
pub fn write(number: Decimal, into: &mut Vec<u8>) {
    let parts = number.unpack();
    if parts.hi != 0 {
        // Needs more than 64 bits, in which division is cheap; nearly none does.
        into.extend_from_slice(number.to_string().as_bytes());
        return;
    }
    let mut rest = u64::from(parts.mid) << 32 | u64::from(parts.lo);
    let is_negative = parts.negative && rest != 0;
    let mut digit = || {
        let it = b'0' + (rest % 10) as u8;
        rest /= 10;
        (it, rest)
    };
    // The last digit first, into the end of room that is enough for all.
    let mut text = [0; CHARACTERS_MAX];
    let mut places = text.iter_mut().rev();
    if parts.scale != 0 {
        places.by_ref().take(parts.scale as usize).for_each(|it| *it = digit().0);
        places.by_ref().take(1).for_each(|it| *it = b'.');
    }
    for place in places.by_ref() {
        let (it, before) = digit();
        *place = it;
        if before == 0 {
            break;
        }
    }
    if is_negative {
        places.by_ref().take(1).for_each(|it| *it = b'-');
    }
    let begin = places.len();
    into.extend_from_slice(text.get(begin..).unwrap_or_default());
}

/// Characters of the longest number of 64 bits: 28 decimals, a digit and a point before them, a sign.
const CHARACTERS_MAX: usize = 31;

#[cfg(test)]
mod tests {
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
        for it in [Decimal::MAX, Decimal::MIN, Decimal::new(-1, 28), Decimal::new(i64::MIN, 3), Decimal::from_parts(0, 0, 1, true, 28)] {
            assert_eq!(text(it), it.to_string());
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
