//! Checked expressions: what the language's text becomes, ready to be evaluated over slots.
//!
//! A slot holds one scalar: a field of the event, a `let` binding, a field of a leg, of a state. Paths are resolved to slots when
//! the file is checked, so evaluation looks nothing up by name.

pub mod ast;
pub mod check;
pub mod checked;
pub mod condition;
pub mod eval;
mod functions;
mod lex;
pub mod names;
pub mod parse;
pub mod scope;

use crate::engine::value::Value;

/// Index of a scalar in the scope of a record.
pub type Slot = u16;

/// A typed expression. The checker has made sure that operand types fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal that is no text.
    Const(Value<'static>),
    /// A text.
    Text(String),
    /// The value of a slot.
    Slot(Slot),
    /// `!x`, of bool.
    Not(Box<Expr>),
    /// `-x`, of int, decimal or money.
    Neg(Box<Expr>),
    /// `a && b`, of bool; `b` is looked at only when needed.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`, of bool; `b` is looked at only when needed.
    Or(Box<Expr>, Box<Expr>),
    /// `a == b`, of one type; either may be null. Decimals compare as numbers.
    Equal(Box<Expr>, Box<Expr>),
    /// `a < b` and so on: of int, decimal, string, time; money with money of its currency (else it fails), or with the int literal 0.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `a + b`, `a - b`, `a * b`: int with int, decimal with decimal, money ± money, money * decimal or int. Never rounds: it fails.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `if ? yes : no`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A call of a built-in function.
    Call(Function, Vec<Expr>),
}

/// An order between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// An operation on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
}

/// The built-in functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `money(amount: decimal, currency: string)`: fails on an unknown currency.
    Money,
    /// `zero(currency: string | currency of a money)`: no money of a currency; fails on an unknown one.
    Zero,
    /// `x.amount` of money: its decimal, with at least the currency's minor units.
    AmountOf,
    /// `x.currency` of money: its three letters.
    CurrencyOf,
    /// `decimal(text: string)` or `decimal(int)`: fails on text that is no decimal.
    Decimal,
    /// `string(x)` of int, decimal, uuid, time, bool or string.
    String,
    /// `lower(text)`.
    Lower,
    /// `upper(text)`.
    Upper,
    /// `size(text)`: its number of characters.
    Size,
    /// `text.startsWith(prefix)`.
    StartsWith,
    /// `text.endsWith(suffix)`.
    EndsWith,
    /// `text.contains(part)`.
    Contains,
    /// `abs(x)` of int, decimal or money.
    Abs,
    /// `coalesce(optional, other)`: the first that is not null.
    Coalesce,
}

/// What becomes of a record when an expression fails or a requirement is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Otherwise {
    /// A dead letter with this code.
    Reject(String),
    /// The task stops: only the operator can decide.
    Stop,
}

/// Why an expression had no value: rare and large, and therefore in a box wherever it may come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More digits than are held: nothing is ever rounded.
    #[error("the result has more digits than are held, and nothing is rounded")]
    Overflow,
    /// Two currencies in one sum or comparison.
    #[error("{0} and {1} are different currencies")]
    Currencies(&'static str, &'static str),
    /// No currency of ISO 4217.
    #[error("{0:?} is no currency of ISO 4217")]
    UnknownCurrency(String),
    /// Text that is no decimal.
    #[error("{0:?} is no decimal number")]
    NotADecimal(String),
    /// A null where a value is needed, or a type that the checker should have refused.
    #[error("a value of another type than the checker promised: {0}")]
    Type(&'static str),
}
