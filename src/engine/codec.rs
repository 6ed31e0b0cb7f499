//! Bytes of values: in states and repartition records (compact, by type), and in state keys (in the order of the values).
//!
//! | type | in values | in keys |
//! |---|---|---|
//! | bool | 1 byte | 1 byte |
//! | int, time | zigzag varint | 8 bytes, big-endian, sign bit flipped |
//! | decimal | scale byte, zigzag varint of the mantissa | – |
//! | money | decimal, 3 letters | – |
//! | string, list | varint length, bytes | bytes with 00 → 00 FF, then 00 01 |
//! | uuid | 16 bytes | 16 bytes |
//! | optional | 0, or 1 and the value | 0, or 1 and the value |

use rust_decimal::Decimal;

use crate::engine::pen::Put;
use crate::engine::value::{Currency, Money, Texts, Type, Value};
use crate::engine::{bytes, decimal};

/// Bytes that are not what the type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are not of type {0}")]
pub struct Malformed(pub String);

/// Appends a value of the type. A value that does not fit the type is written as null would be; the checker rules that out.
#[inline]
pub fn write_value(value: &Value<'_>, of: &Type, into: &mut impl Put) {
    if matches!(of, Type::Optional(_)) && !value.is_null() {
        into.push(1);
    }
    match value {
        Value::Null => into.push(0),
        Value::Bool(it) => into.push(u8::from(*it)),
        Value::Int(it) | Value::Time(it) => write_int(*it, into),
        Value::Decimal(it) => write_decimal(*it, into),
        Value::Money(it) => {
            write_decimal(it.amount, into);
            it.currency.write(into);
        }
        Value::Str(it) | Value::Json(it) => write_bytes(it.as_bytes(), into),
        Value::Uuid(it) => into.put(it.to_be_bytes(), 16),
    }
}

/// Takes a value of the type off the front of `bytes`.
///
/// # Errors
/// When the bytes are not what the type says.
#[inline]
pub fn read_value<'b>(bytes: &mut &'b [u8], of: &Type) -> Result<Value<'b>, Malformed> {
    let mut value = Value::Null;
    read_into(&mut value, bytes, of, |it| it).map(|()| value).ok_or_else(|| malformed(of))
}

/// The same, right into its place: a value that is put together and moved on at once is waited for by the processor. `text`: where text is
/// held. `None`: the bytes are not what the type says.
#[inline]
pub fn read_into<'b, 'v>(place: &mut Value<'v>, bytes: &mut &'b [u8], of: &Type, text: impl Fn(&'b str) -> &'v str + Copy) -> Option<()> {
    let of = match of {
        Type::Optional(inner) => match next(bytes)? {
            0 => {
                *place = Value::Null;
                return Some(());
            }
            1 => inner,
            _ => return None,
        },
        of => of,
    };
    *place = match of {
        Type::Null if next(bytes)? == 0 => Value::Null,
        Type::Bool => Value::Bool(read_bool(bytes)?),
        Type::Int => Value::Int(read_int(bytes)?),
        Type::Time => Value::Time(read_int(bytes)?),
        Type::Decimal => Value::Decimal(read_decimal(bytes)?),
        Type::Money => {
            let amount = read_decimal(bytes)?;
            let (letters, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Value::Money(Money { amount, currency: Currency(*letters) })
        }
        Type::String => Value::Str(text(read_text(bytes)?)),
        Type::List => Value::Json(text(read_text(bytes)?)),
        Type::Uuid => Value::Uuid(u128::from_be_bytes(take(bytes, 16)?.try_into().ok()?)),
        // No type is optional twice.
        Type::Null | Type::Record(_) | Type::Optional(_) => return None,
    };
    Some(())
}

/// What is wrong with bytes that are not of the type.
#[cold]
pub fn malformed(of: &Type) -> Malformed {
    Malformed(of.to_string())
}

/// Appends a part of a state key.
pub fn write_key(value: &Value<'_>, into: &mut impl Put) {
    match value {
        Value::Null => into.push(0),
        Value::Bool(it) => into.push(u8::from(*it)),
        Value::Int(it) | Value::Time(it) => into.put((it ^ i64::MIN).to_be_bytes(), 8),
        Value::Uuid(it) => into.put(it.to_be_bytes(), 16),
        Value::Str(it) | Value::Json(it) => {
            for (index, part) in it.as_bytes().split(|it| *it == 0).enumerate() {
                if index != 0 {
                    into.append(&[0, 0xFF]);
                }
                into.append(part);
            }
            into.append(&[0, 1]);
        }
        // No key types: 1.0 and 1.00 are one number and two texts. The checker refuses them.
        Value::Decimal(it) => write_decimal(it.normalize(), into),
        Value::Money(it) => {
            write_decimal(it.amount.normalize(), into);
            it.currency.write(into);
        }
    }
}

/// Appends the code of a currency, which is a text, as a part of a state key.
#[inline]
pub fn write_currency_key(it: Currency, into: &mut impl Put) {
    let [a, b, c] = it.0;
    into.put([a, b, c, 0, 1], 5);
}

/// Takes a part of a state key off the front of `bytes`; a text is kept in `texts`.
///
/// # Errors
/// When the bytes are not what the type says.
pub fn read_key<'t>(bytes: &mut &[u8], of: &Type, texts: &'t Texts) -> Result<Value<'t>, Malformed> {
    let int = |bytes: &mut &[u8]| take(bytes, 8).and_then(|it| it.try_into().ok()).map(|it| i64::from_be_bytes(it) ^ i64::MIN);
    let read = match of.required() {
        Type::Bool => read_bool(bytes).map(Value::Bool),
        Type::Int => int(bytes).map(Value::Int),
        Type::Time => int(bytes).map(Value::Time),
        Type::Uuid => take(bytes, 16).and_then(|it| it.try_into().ok()).map(|it| Value::Uuid(u128::from_be_bytes(it))),
        Type::String => read_escaped(bytes).map(|it| Value::Str(texts.keep(it))),
        Type::Decimal | Type::Money | Type::List | Type::Record(_) | Type::Null | Type::Optional(_) => None,
    };
    read.ok_or_else(|| malformed(of))
}

/// Takes the parts of a state key off the front of `bytes`.
///
/// # Errors
/// When the bytes are not what the types say.
pub fn skip_keys(bytes: &mut &[u8], types: &[Type]) -> Result<(), Malformed> {
    types.iter().try_for_each(|of| read_key(bytes, of, &Texts::new()).map(drop))
}

/// Appends bytes behind their length.
pub fn write_bytes(it: &[u8], into: &mut impl Put) {
    if !write_short(it.len() as u64, into) {
        write_unsigned(it.len() as u128, into);
    }
    into.append(it);
}

/// Takes bytes behind their length.
#[must_use]
pub fn read_bytes<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = match read_short(bytes) {
        Some(it) => usize::try_from(it).ok()?,
        None => usize::try_from(read_unsigned(bytes)?).ok()?,
    };
    take(bytes, length)
}

/// Takes UTF-8 text behind its length.
#[must_use]
pub fn read_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    std::str::from_utf8(read_bytes(bytes)?).ok()
}

/// Takes `count` bytes.
#[must_use]
pub fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn write_wide(number: i128, into: &mut impl Put) {
    write_unsigned(((number << 1) ^ (number >> 127)).cast_unsigned(), into);
}

/// A number from its zigzag form.
fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Appends a 64-bit number.
pub fn write_int(number: i64, into: &mut impl Put) {
    let number = ((number << 1) ^ (number >> 63)).cast_unsigned();
    if !write_short(number, into) {
        write_unsigned(number.into(), into);
    }
}

/// Takes a 64-bit number.
#[must_use]
pub fn read_int(bytes: &mut &[u8]) -> Option<i64> {
    match read_short(bytes) {
        Some(it) => Some(signed(it)),
        None => read_signed(bytes).and_then(|it| i64::try_from(it).ok()),
    }
}

fn write_decimal(number: Decimal, into: &mut impl Put) {
    into.push(u8::try_from(number.scale()).unwrap_or(0));
    match decimal::mantissa(number) {
        Some(it) => write_int(it, into),
        None => write_wide(number.mantissa(), into),
    }
}

fn read_decimal(bytes: &mut &[u8]) -> Option<Decimal> {
    let scale = u32::from(next(bytes)?);
    match read_short(bytes) {
        // The zigzag form has the sign at its end.
        Some(it) => decimal::of_digits((it >> 1) + (it & 1), it & 1 == 1, scale),
        None => Decimal::try_from_i128_with_scale(read_signed(bytes)?, scale).ok(),
    }
}

fn read_bool(bytes: &mut &[u8]) -> Option<bool> {
    match take(bytes, 1)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

fn read_escaped(bytes: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        match take(bytes, 1)? {
            [0] => match take(bytes, 1)? {
                [0xFF] => text.push(0),
                [1] => return String::from_utf8(text).ok(),
                _ => return None,
            },
            other => text.extend_from_slice(other),
        }
    }
}

/// Most numbers have fewer bits: their groups of seven fit into the bytes of one word, and are put there, or taken, all at once.
const SHORT_BITS: u32 = 56;
/// The bit of each byte of a word that says that another byte follows.
const GOES_ON: u64 = 0x8080_8080_8080_8080;

/// Appends a number, if it is a short one.
#[inline]
fn write_short(number: u64, into: &mut impl Put) -> bool {
    if let Ok(it @ ..0x80) = u8::try_from(number) {
        into.push(it);
        return true;
    }
    if number >> SHORT_BITS != 0 {
        return false;
    }
    // The number of bits by seven, rounded up: exact for as many as there can be here.
    let count = ((u64::BITS - number.leading_zeros()) * 9 + 64) >> 6;
    let behind_last = u64::MAX << (8 * (count - 1));
    let word = groups_to_bytes(number) | GOES_ON & !behind_last;
    into.put_word(word, count as usize);
    true
}

/// Takes a number, if it is a short one.
#[inline]
fn read_short(bytes: &mut &[u8]) -> Option<u64> {
    if let Some((first @ ..0x80, rest)) = bytes.split_first() {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    // Behind the end stand zeros, which would be the last byte of a number: taking that fails.
    let word = bytes::word(bytes);
    let last = !word & GOES_ON;
    if last == 0 {
        return None;
    }
    *bytes = bytes.get(1 + last.trailing_zeros() as usize / 8..)?;
    // All bits up to the highest one of the last byte.
    let taken = word & (last ^ last.wrapping_sub(1));
    Some(bytes_to_groups(taken & !GOES_ON))
}

/// Appends a number of any length. Kept apart, as the way back is: who calls it for a long number does not have its work for all others.
#[cold]
#[inline(never)]
fn write_unsigned(mut number: u128, into: &mut impl Put) {
    while 0x80 <= number {
        into.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    into.push(low_bits(number));
}

fn low_bits(number: u128) -> u8 {
    u8::try_from(number & 0x7F).unwrap_or(0)
}

/// Eight groups of seven bits, each into a byte: halves are moved apart, then their halves, then theirs.
fn groups_to_bytes(number: u64) -> u64 {
    let number = number & 0x0FFF_FFFF | (number & 0x0FFF_FFFF << 28) << 4;
    let number = number & 0x0000_3FFF_0000_3FFF | (number & 0x0FFF_C000_0FFF_C000) << 2;
    number & 0x007F_007F_007F_007F | (number & 0x3F80_3F80_3F80_3F80) << 1
}

/// The opposite.
fn bytes_to_groups(word: u64) -> u64 {
    let word = word & 0x007F_007F_007F_007F | (word & 0x7F00_7F00_7F00_7F00) >> 1;
    let word = word & 0x0000_3FFF_0000_3FFF | (word & 0x3FFF_0000_3FFF_0000) >> 2;
    word & 0x0FFF_FFFF | (word & 0x0FFF_FFFF << 32) >> 4
}

#[cold]
#[inline(never)]
fn read_unsigned(bytes: &mut &[u8]) -> Option<u128> {
    let mut number = 0;
    for shift in (0..128).step_by(7) {
        let byte = next(bytes)?;
        // Of the last one there is room for two bits.
        if shift == 126 && 3 < byte {
            return None;
        }
        number |= u128::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn read_signed(bytes: &mut &[u8]) -> Option<i128> {
    let number = read_unsigned(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = (Value<'static>, Type)> {
        prop_oneof![
            any::<bool>().prop_map(|it| (Value::Bool(it), Type::Bool)),
            any::<i64>().prop_map(|it| (Value::Int(it), Type::Int)),
            any::<i64>().prop_map(|it| (Value::Time(it), Type::Time)),
            any::<u128>().prop_map(|it| (Value::Uuid(it), Type::Uuid)),
            any::<String>().prop_map(|it| (Value::Str(it.leak()), Type::String)),
            any::<String>().prop_map(|it| (Value::Str(it.leak()), Type::Optional(Box::new(Type::String)))),
            Just((Value::Null, Type::Optional(Box::new(Type::Int)))),
            (-(1_i128 << 95)..(1_i128 << 95), 0_u32..=28)
                .prop_map(|(m, s)| (Value::Decimal(Decimal::from_i128_with_scale(m, s)), Type::Decimal)),
            (any::<i64>(), 0_u32..=8).prop_map(|(m, s)| {
                let amount = Decimal::new(m, s);
                (Value::Money(Money { amount, currency: Currency(*b"KES") }), Type::Money)
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_value_goes_there_and_back((value, of) in values()) {
            let mut bytes = Vec::new();
            write_value(&value, &of, &mut bytes);
            bytes.push(7);
            let mut rest = &bytes[..];
            prop_assert_eq!(read_value(&mut rest, &of).unwrap(), value);
            prop_assert_eq!(rest, &[7]);
        }

        /// The bytes of what is stored and sent stay what they are, whatever makes them.
        #[test]
        fn a_number_is_groups_of_seven_bits_the_lowest_first(number in any::<i64>(), bits in 0_u32..64, before in 0_usize..9) {
            let number = number >> bits;
            let (mut expected, mut rest) = (vec![], ((number << 1) ^ (number >> 63)).cast_unsigned());
            while 0x80 <= rest {
                expected.push((rest & 0x7F) as u8 | 0x80);
                rest >>= 7;
            }
            expected.push(rest as u8);
            let mut bytes = Vec::new();
            write_int(number, &mut bytes);
            prop_assert_eq!(&bytes, &expected);
            bytes.resize(bytes.len() + before, 0x85);
            let mut rest = &bytes[..];
            prop_assert_eq!(read_int(&mut rest), Some(number));
            prop_assert_eq!(rest.len(), before);
        }

        #[test]
        fn keys_are_in_the_order_of_their_values(a in any::<(i64, String)>(), b in any::<(i64, String)>()) {
            let key = |it: &(i64, String)| {
                let mut bytes = Vec::new();
                write_key(&Value::Int(it.0), &mut bytes);
                write_key(&Value::Str(&it.1), &mut bytes);
                bytes
            };
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let (bytes, texts) = (key(&a), Texts::new());
            let mut rest = &bytes[..];
            prop_assert_eq!(read_key(&mut rest, &Type::Int, &texts).unwrap(), Value::Int(a.0));
            prop_assert_eq!(read_key(&mut rest, &Type::String, &texts).unwrap(), Value::Str(&a.1));
        }

        #[test]
        fn a_currency_is_the_key_that_its_code_is(code in "[A-Z]{3}") {
            let (mut by_currency, mut by_text) = (Vec::new(), Vec::new());
            write_currency_key(Currency(code.as_bytes().try_into().unwrap()), &mut by_currency);
            write_key(&Value::Str(&code), &mut by_text);
            prop_assert_eq!(by_currency, by_text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), (_, of) in values()) {
            let mut rest = &bytes[..];
            drop(read_value(&mut rest, &of));
            let mut rest = &bytes[..];
            drop(read_key(&mut rest, &of, &Texts::new()));
        }
    }
}
