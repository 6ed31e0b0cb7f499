//! The text of an expression as a tree, before its names and types are looked at.

use std::ops::Range;

use rust_decimal::Decimal;

use super::{Arithmetic, Comparison, Otherwise};

/// Bytes of an expression's text.
pub type Span = Range<usize>;

/// Something wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part of its text.
    pub span: Span,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// A problem with a part of the text.
    #[must_use]
    pub fn new(span: Span, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, reason: reason.into(), hint: hint.into() }
    }
}

/// An expression, and what becomes of the record when it fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The expression.
    pub ast: Ast,
    /// `else …`, and where it stands.
    pub otherwise: Option<(Otherwise, Span)>,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Ast {
    /// Its bytes in the text.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// A name in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Its bytes in the text.
    pub span: Span,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `42`
    Int(i64),
    /// `1.50`
    Decimal(Decimal),
    /// `"text"`
    Text(String),
    /// `name`
    Name(String),
    /// `x.name`
    Member(Box<Ast>, Name),
    /// `f(x, y)`; `x.f(y)` is another way to write it.
    Call(Name, Vec<Ast>),
    /// `!x`
    Not(Box<Ast>),
    /// `-x`
    Negative(Box<Ast>),
    /// `x && y`
    And(Box<Ast>, Box<Ast>),
    /// `x || y`
    Or(Box<Ast>, Box<Ast>),
    /// `x == y`, or `x != y` when the first is `false`
    Equal(bool, Box<Ast>, Box<Ast>),
    /// `x < y` and so on
    Compare(Comparison, Box<Ast>, Box<Ast>),
    /// `x + y` and so on
    Arithmetic(Arithmetic, Box<Ast>, Box<Ast>),
    /// `x ? y : z`
    If(Box<Ast>, Box<Ast>, Box<Ast>),
}
