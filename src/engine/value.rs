//! The types and values of the topology language.

use std::cell::OnceCell;
use std::fmt;

use rust_decimal::Decimal;

/// The type of an expression, a field or a state. Numbered as [`Kind`](crate::engine::schema::Kind) is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A 64-bit integer.
    Int,
    /// An exact decimal, at most 28 digits; an operation that would need more fails.
    Decimal,
    /// An exact decimal with its currency.
    Money,
    /// Text.
    String,
    /// An instant, microseconds since 1970.
    Time,
    /// A UUID.
    Uuid,
    /// JSON that is carried and written, never looked into: a list of any kind.
    List,
    /// Named fields, in order.
    Record(Vec<(String, Type)>),
    /// Of the type, or null.
    Optional(Box<Type>),
    /// What `null` alone is.
    Null,
}

impl Type {
    /// The type without its `Optional`.
    #[must_use]
    pub fn required(&self) -> &Self {
        match self {
            Self::Optional(inner) => inner,
            other => other,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal => f.write_str("decimal"),
            Self::Money => f.write_str("money"),
            Self::String => f.write_str("string"),
            Self::Time => f.write_str("time"),
            Self::Uuid => f.write_str("uuid"),
            Self::List => f.write_str("list"),
            Self::Null => f.write_str("null"),
            Self::Optional(inner) => write!(f, "optional {inner}"),
            Self::Record(fields) => {
                f.write_str("{ ")?;
                for (i, (name, of)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{name}: {of}")?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// The three letters of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(pub [u8; 3]);

/// An exact amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// The amount, in units of the currency.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

/// A value of an expression. Text stands in the record, in the plan, or in the record's [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing: of an optional type.
    Null,
    /// See [`Type::Bool`].
    Bool(bool),
    /// See [`Type::Int`].
    Int(i64),
    /// See [`Type::Decimal`].
    Decimal(Decimal),
    /// See [`Type::Money`].
    Money(Money),
    /// See [`Type::String`].
    Str(&'a str),
    /// See [`Type::Time`].
    Time(i64),
    /// See [`Type::Uuid`].
    Uuid(u128),
    /// See [`Type::List`]: valid JSON text, as it was read.
    Json(&'a str),
}

impl Value<'_> {
    /// Whether it is nothing.
    #[inline]
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Texts that stand nowhere else: escapes written out, what functions make, what a state has. Few records have any. They are kept until the
/// record is done with, so that values need not own them.
#[derive(Debug, Default)]
pub struct Texts(OnceCell<Box<Kept>>);

#[derive(Debug)]
struct Kept {
    text: String,
    others: Texts,
}

impl Texts {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Keeps a text.
    pub fn keep(&self, text: String) -> &str {
        let mut place = &self.0;
        while let Some(kept) = place.get() {
            place = &kept.others.0;
        }
        &place.get_or_init(|| Box::new(Kept { text, others: Self::new() })).text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_what_they_are_while_others_are_kept() {
        let texts = Texts::new();
        let kept: Vec<&str> = (0..100).map(|nth| texts.keep(nth.to_string())).collect();
        assert!(kept.iter().zip(0..).all(|(text, nth): (_, i32)| **text == nth.to_string()));
    }
}
