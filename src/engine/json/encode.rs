//! Writes JSON: strings with their escapes, values as the contract has them.

use std::fmt::{self, Write};

use super::reader::plain;
use crate::engine::pen::Put;
use crate::engine::value::Value;
use crate::engine::{decimal, digits};

/// Appends a JSON string.
pub fn string(text: &str, into: &mut impl Put) {
    into.push(b'"');
    inner(text, into);
    into.push(b'"');
}

/// Appends what stands between the quotation marks of a JSON string.
pub fn inner(text: &str, into: &mut impl Put) {
    if plain(text.as_bytes()) == text.len() {
        return into.append(text.as_bytes());
    }
    let quoted = serde_json::Value::from(text).to_string();
    into.append(quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or_default().as_bytes());
}

/// A field's name, with the colon behind it and, unless it is the first one, the comma before it, as compact JSON has them.
#[must_use]
pub fn lead(first: bool, name: &str) -> String {
    format!("{}{}:", if first { "" } else { "," }, serde_json::Value::from(name))
}

/// Appends a value: integers and booleans bare, all else as strings (amounts are never JSON numbers), lists as they were.
pub fn value(value: &Value<'_>, into: &mut impl Put) {
    match value {
        Value::Null => into.append(b"null"),
        Value::Bool(true) => into.append(b"true"),
        Value::Bool(false) => into.append(b"false"),
        Value::Int(it) => integer(*it, into),
        Value::Str(it) => string(it, into),
        Value::Json(it) => into.append(it.as_bytes()),
        Value::Decimal(_) | Value::Money(_) | Value::Time(_) | Value::Uuid(_) => {
            into.push(b'"');
            text(value, into);
            into.push(b'"');
        }
    }
}

/// Appends a value as plain text, as record keys have it: `789`, `kc-1`, `1000.00`.
pub fn text(value: &Value<'_>, into: &mut impl Put) {
    match value {
        Value::Null => {}
        Value::Bool(it) => into.append(if *it { b"true" } else { b"false" }),
        Value::Int(it) => integer(*it, into),
        Value::Str(it) | Value::Json(it) => into.append(it.as_bytes()),
        Value::Decimal(it) => decimal::write(*it, into),
        Value::Money(it) => {
            decimal::write(decimal::amount_of(*it), into);
            into.push(b' ');
            it.currency.write(into);
        }
        Value::Time(micros) => time(*micros, into),
        Value::Uuid(it) => uuid(*it, into),
    }
}

/// Appends a UUID in lower case, with hyphens.
#[inline]
pub fn uuid(it: u128, into: &mut impl Put) {
    let digits = hex(it.to_be_bytes());
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&digits[..8]);
    text[9..13].copy_from_slice(&digits[8..12]);
    text[14..18].copy_from_slice(&digits[12..16]);
    text[19..23].copy_from_slice(&digits[16..20]);
    text[24..].copy_from_slice(&digits[20..]);
    into.put(text, text.len());
}

/// The two digits of each byte. All are made alike, without a table: so the compiler makes sixteen at once.
#[inline]
fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (two, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes.map(u16::from)) {
        *two = ((byte >> 4 | byte << 8) & 0x0F0F).to_le_bytes();
    }
    digits.map(|it| it + b'0' + if 9 < it { b'a' - b'9' - 1 } else { 0 })
}

/// Appends an integer.
#[inline]
pub fn integer(it: i64, into: &mut impl Put) {
    if it < 0 {
        into.push(b'-');
    }
    digits::write(it.unsigned_abs(), into);
}

/// Takes what is formatted, without a text of its own.
struct Formatted<'p, P>(&'p mut P);

impl<P: Put> Write for Formatted<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.append(text.as_bytes());
        Ok(())
    }
}

fn time(micros: i64, into: &mut impl Put) {
    if let Ok(instant) = jiff::Timestamp::from_microsecond(micros) {
        // Writing into memory cannot fail.
        _ = write!(Formatted(into), "{instant}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_contract_has_them() {
        let cases = [
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Int(0), "0"),
            (Value::Str("a\"\\\n\u{1F4B0}"), "\"a\\\"\\\\\\n\u{1F4B0}\""),
            (Value::Decimal(decimal::parse("-12.50").unwrap()), "\"-12.50\""),
            (Value::Time(1_767_261_600_000_000), "\"2026-01-01T10:00:00Z\""),
            (Value::Uuid(1), "\"00000000-0000-0000-0000-000000000001\""),
            (Value::Null, "null"),
            (Value::Json("[1,{}]"), "[1,{}]"),
        ];
        for (it, json) in cases {
            let mut bytes = Vec::new();
            value(&it, &mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), json);
        }
    }
}
