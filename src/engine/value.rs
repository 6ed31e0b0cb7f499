//! The types and values of the topology language.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

/// The type of an expression, a field or a state.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A value of an expression; text is borrowed from the record where it can be.
#[derive(Debug, Clone, PartialEq)]
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
    Str(Cow<'a, str>),
    /// See [`Type::Time`].
    Time(i64),
    /// See [`Type::Uuid`].
    Uuid(u128),
    /// See [`Type::List`]: valid JSON text, as it was read.
    Json(Cow<'a, str>),
}

impl Value<'_> {
    /// Whether it is nothing.
    #[inline]
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same value, owning its text.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(it),
            Self::Int(it) => Value::Int(it),
            Self::Decimal(it) => Value::Decimal(it),
            Self::Money(it) => Value::Money(it),
            Self::Str(it) => Value::Str(Cow::Owned(it.into_owned())),
            Self::Time(it) => Value::Time(it),
            Self::Uuid(it) => Value::Uuid(it),
            Self::Json(it) => Value::Json(Cow::Owned(it.into_owned())),
        }
    }
}
