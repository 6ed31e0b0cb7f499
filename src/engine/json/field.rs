//! A field on its way into its slot: what it must be, where it stands, and what is said when it is wrong.

use std::fmt;

use serde::de::IgnoredAny;

use super::reader::Unreadable;
use crate::engine::failure::{Failure, code};
use crate::engine::schema::{Kind, Property};

/// What was read, or why not: that is rare and large, and would be room and work in each result.
pub(super) type Read<T> = Result<T, Box<Ended>>;

/// Why the event was not read to its end.
pub(super) enum Ended {
    /// It is not what its schema says.
    Failed(Failure),
    /// It is no JSON, or has a value that can't be held.
    Unread(Unread),
}

/// What could not be read: the field, and whether it is to be a number.
pub(super) struct Unread {
    pub(super) why: Unreadable,
    pub(super) path: String,
    pub(super) number: bool,
}

impl From<&serde_json::Error> for Unread {
    fn from(error: &serde_json::Error) -> Self {
        Self { why: error.into(), path: String::new(), number: false }
    }
}

/// Where in the event a field stands: those of the envelope are taken notice of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the event itself.
    Event,
    /// In `metadata`.
    Metadata,
    /// Deeper.
    Inner,
}

/// The way to a field, linked from the inside out: written down only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Path<'p>(pub(super) Option<&'p Path<'p>>, pub(super) &'p str);

impl Path<'_> {
    pub(super) fn pointer(&self) -> String {
        match self.0 {
            None => String::new(),
            Some(outer) => format!("{}/{}", outer.pointer(), self.1.replace('~', "~0").replace('/', "~1")),
        }
    }
}

/// A field on its way: what it must be, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Field<'p> {
    pub(super) property: &'p Property,
    pub(super) place: Place,
    pub(super) outer: &'p Path<'p>,
}

impl Field<'_> {
    pub(super) fn path(&self) -> Path<'_> {
        Path(Some(self.outer), &self.property.name)
    }

    #[cold]
    pub(super) fn fail(&self, code: &'static str, message: String) -> Box<Ended> {
        Box::new(Ended::Failed(Failure::at(code, self.path().pointer(), message)))
    }

    #[cold]
    pub(super) fn wrong_type(&self, found: &str) -> Box<Ended> {
        self.fail(code::WRONG_TYPE, format!("{} is expected, not {found}", described(&self.property.kind)))
    }

    #[cold]
    pub(super) fn out_of_range(&self, it: &dyn fmt::Display, min: i64, max: i64) -> Box<Ended> {
        self.fail(code::OUT_OF_RANGE, format!("{it} is not within {min} to {max}"))
    }

    #[cold]
    pub(super) fn wrong_format(&self, text: &str, wrong: &str) -> Box<Ended> {
        self.fail(code::WRONG_FORMAT, format!("{text:?} {wrong}"))
    }

    #[cold]
    pub(super) fn misfit(&self, text: &str) -> Box<Ended> {
        let Kind::String { min_length, max_length, one_of } = &self.property.kind else { return self.wrong_type("a string") };
        self.fail(code::OUT_OF_RANGE, misfit(text, *min_length, *max_length, one_of))
    }

    #[cold]
    pub(super) fn unread(&self, why: Unreadable) -> Box<Ended> {
        Box::new(Ended::Unread(Unread { why, path: self.path().pointer(), number: matches!(self.property.kind, Kind::Int { .. }) }))
    }

    #[cold]
    pub(super) fn missing(&self, how: &str) -> Box<Ended> {
        self.fail(code::MISSING_FIELD, how.to_owned())
    }

    #[cold]
    pub(super) fn twice(&self) -> Box<Ended> {
        self.fail(code::DUPLICATE_FIELD, "the field occurs twice".to_owned())
    }

    pub(super) fn null(&self) -> Read<()> {
        if self.property.nullable { Ok(()) } else { Err(self.missing("null is not allowed here")) }
    }
}

/// What is wrong with a text that could not be read to its end. JSON may have numbers of any size, and escapes of half a character: that is
/// JSON, but not what a field can be.
pub(super) fn unreadable(text: &str, unread: Unread) -> Failure {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Failure::at(code::NOT_JSON, "", format!("the value is not JSON: {error}"));
    }
    if !text.trim_start().starts_with('{') {
        return not_an_object();
    }
    let (code, message) = match (unread.why, unread.number) {
        (Unreadable::Number(it), true) => (code::OUT_OF_RANGE, it),
        (Unreadable::Other(it), false) => (code::WRONG_FORMAT, it),
        (Unreadable::Number(it), false) | (Unreadable::Other(it), true) => (code::WRONG_TYPE, it),
        // What is JSON has no fault in its syntax, so this is not reached.
        (Unreadable::Syntax, _) => (code::NOT_JSON, "its syntax".to_owned()),
    };
    Failure::at(code, unread.path, format!("it is JSON, and can't be held: {message}"))
}

pub(super) fn not_an_object() -> Failure {
    Failure::at(code::NOT_AN_OBJECT, "", "the value is JSON, but no object")
}

fn misfit(text: &str, min_length: usize, max_length: usize, one_of: &[String]) -> String {
    if !one_of.is_empty() && !one_of.iter().any(|it| it == text) {
        return format!("{text:?} is none of {}", one_of.join(", "));
    }
    format!("{} characters are not within {min_length} to {max_length}", text.chars().count())
}

fn described(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a boolean",
        Kind::Int { .. } => "an integer",
        Kind::Decimal => "a decimal in a string",
        Kind::String { .. } => "a string",
        Kind::Currency => "a currency code",
        Kind::Uuid => "a UUID in a string",
        Kind::Time => "an instant in a string",
        Kind::Object(_) => "an object",
        Kind::List => "a list",
        Kind::Any => "anything",
    }
}
