//! A checked expression: its type, what it tells about nulls, and how literals take the type of what they stand beside.

use rust_decimal::Decimal;

use super::Expr;
use super::ast::Span;
use super::scope::Facts;
use crate::engine::value::{Type, Value};

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// To be evaluated.
    pub expr: Expr,
    /// Its type.
    pub of: Type,
    /// What is not null when it is a condition that holds.
    pub if_true: Facts,
    /// What is not null when it is a condition that does not hold.
    pub if_false: Facts,
    /// When not empty: the only texts that it can be.
    pub one_of: Vec<String>,
    /// The first part that can fail, and how.
    pub fallible: Option<(Span, &'static str)>,
}

impl Checked {
    pub(super) fn new(expr: Expr, of: Type) -> Self {
        Self { expr, of, if_true: Facts::new(), if_false: Facts::new(), one_of: Vec::new(), fallible: None }
    }

    /// A text, as a quoted scalar is one.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Expr::Text(text.to_owned()), Type::String)
    }

    /// The same as a value of the type, if it can be one: a literal adapts, a value can stand where it may be null.
    ///
    /// # Errors
    /// Itself, when it is of another type.
    pub fn adapted(mut self, to: &Type) -> Result<Self, Box<Self>> {
        if self.of == *to {
            return Ok(self);
        }
        if let Type::Optional(inner) = to {
            if self.of == Type::Null {
                self.of = to.clone();
                return Ok(self);
            }
            let mut adapted = self.adapted(inner)?;
            adapted.of = to.clone();
            return Ok(adapted);
        }
        let literal = match (&self.expr, to) {
            (Expr::Const(Value::Int(it)), Type::Decimal) => Some(Value::Decimal(Decimal::from(*it))),
            (Expr::Text(it), Type::Uuid) => uuid::Uuid::try_parse(it).ok().map(|it| Value::Uuid(it.as_u128())),
            (Expr::Text(it), Type::Time) => it.parse::<jiff::Timestamp>().ok().map(|it| Value::Time(it.as_microsecond())),
            _ => None,
        };
        match literal {
            Some(literal) => Ok(Self::new(Expr::Const(literal), to.clone())),
            None => Err(Box::new(self)),
        }
    }

    /// The value of a text literal.
    #[must_use]
    pub fn literal_text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Text(it) => Some(it),
            _ => None,
        }
    }

    pub(super) fn is_zero_literal(&self) -> bool {
        match &self.expr {
            Expr::Const(Value::Int(it)) => *it == 0,
            Expr::Const(Value::Decimal(it)) => it.is_zero(),
            _ => false,
        }
    }
}

/// Both as one type: of `T` and null it is optional T.
///
/// # Errors
/// Both, when there is none.
pub fn joined(a: Checked, b: Checked) -> Result<(Checked, Checked), Box<(Checked, Checked)>> {
    let optional = matches!(a.of, Type::Optional(_) | Type::Null) || matches!(b.of, Type::Optional(_) | Type::Null);
    let inner = if a.of == Type::Null { b.of.required() } else { a.of.required() };
    // An int literal beside a decimal is a decimal, whichever comes first.
    let inner = if *inner == Type::Int && *b.of.required() == Type::Decimal { Type::Decimal } else { inner.clone() };
    let to = if optional && inner != Type::Null { Type::Optional(Box::new(inner)) } else { inner };
    match (a.adapted(&to), b.adapted(&to)) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(Box::new((a.unwrap_or_else(|it| *it), b.unwrap_or_else(|it| *it)))),
    }
}

/// Both sides of an operator as one type: literals adapt to the other side.
///
/// # Errors
/// Both, when there is none.
pub(super) fn alike(a: Checked, b: Checked) -> Result<(Checked, Checked), Box<(Checked, Checked)>> {
    if a.of.required() == b.of.required() {
        return Ok((a, b));
    }
    let (to_a, to_b) = (a.of.required().clone(), b.of.required().clone());
    match a.adapted(&to_b) {
        Ok(a) => Ok((a, b)),
        Err(a) => match b.adapted(&to_a) {
            Ok(b) => Ok((*a, b)),
            Err(b) => Err(Box::new((*a, *b))),
        },
    }
}
