//! What the fields of an event must be: the closed part of JSON Schema that event schemas may use, compiled.

use crate::engine::expr::Slot;
use crate::engine::json::encode;
use crate::engine::value::Type;

/// An object and its known properties. Unknown ones are never an error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectSchema {
    /// The known properties, in the order of the schema.
    pub properties: Vec<Property>,
}

/// A property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its name with the colon behind it, as compact JSON has it.
    pub lead: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it must be.
    pub kind: Kind,
    /// Where a scalar or a list goes; `None` when no step names it. (A nested object's fields have slots of their own.)
    pub slot: Option<Slot>,
}

impl Property {
    /// A property that must be there and goes to no slot.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), lead: encode::lead(true, name), required: true, nullable: false, kind, slot: None }
    }
}

/// What a property must be. Its number stands by itself: by default it would be hidden in one of the vectors, and looked for there.
#[derive(Debug, Clone, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A JSON integer (no fraction, no exponent) within bounds, both inclusive.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A string that is an exact decimal, `-?[0-9]{1,18}(\.[0-9]{1,8})?` (`"format": "decimal"`); never a JSON number.
    Decimal,
    /// A string.
    String {
        /// At least so many characters.
        min_length: usize,
        /// At most so many characters.
        max_length: usize,
        /// When not empty: one of these.
        one_of: Vec<String>,
    },
    /// A string of three letters `A`–`Z` (`"format": "currency"`).
    Currency,
    /// A string that is a UUID.
    Uuid,
    /// A string that is an instant of ISO 8601 in UTC.
    Time,
    /// An object.
    Object(ObjectSchema),
    /// A list of anything.
    List,
    /// Anything.
    Any,
}

impl Kind {
    /// The type of the property's value in expressions.
    #[must_use]
    pub fn value_type(&self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int { .. } => Type::Int,
            Self::Decimal => Type::Decimal,
            Self::String { .. } | Self::Currency => Type::String,
            Self::Uuid => Type::Uuid,
            Self::Time => Type::Time,
            Self::List | Self::Any => Type::List,
            Self::Object(object) => Type::Record(object.properties.iter().map(|it| (it.name.clone(), it.kind.value_type())).collect()),
        }
    }
}
