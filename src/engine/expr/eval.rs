//! Evaluates expressions over the slots of a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Arithmetic, Comparison, Expr, Fault, Function, Slot};
use crate::engine::decimal;
use crate::engine::json::encode;
use crate::engine::value::{Currency, Money, Value};

/// The value of an expression. Text is borrowed from the expression or the slots.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn eval<'v>(expr: &'v Expr, slots: &'v [Value<'_>]) -> Result<Value<'v>, Fault> {
    Ok(match expr {
        Expr::Const(it) => borrowed(it),
        Expr::Slot(slot) => borrowed(slot_value(*slot, slots)),
        Expr::Not(_) | Expr::And(..) | Expr::Or(..) | Expr::Equal(..) | Expr::Compare(..) => Value::Bool(truth(expr, slots)?),
        Expr::Neg(it) => return with(it, slots, negated),
        Expr::Arithmetic(how, a, b) => return both(a, b, slots, |a, b| arithmetic(*how, a, b)),
        Expr::If(condition, yes, no) => eval(if truth(condition, slots)? { yes } else { no }, slots)?,
        Expr::Call(function, arguments) => return call(*function, arguments, slots),
    })
}

/// Whether a condition holds.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn truth(expr: &Expr, slots: &[Value<'_>]) -> Result<bool, Fault> {
    Ok(match expr {
        Expr::Not(it) => !truth(it, slots)?,
        Expr::And(a, b) => truth(a, slots)? && truth(b, slots)?,
        Expr::Or(a, b) => truth(a, slots)? || truth(b, slots)?,
        Expr::Equal(a, b) => both(a, b, slots, |a, b| Ok(equal(a, b)))?,
        Expr::Compare(how, a, b) => {
            let order = both(a, b, slots, order)?;
            match how {
                Comparison::Less => order == Ordering::Less,
                Comparison::LessOrEqual => order != Ordering::Greater,
                Comparison::Greater => order == Ordering::Greater,
                Comparison::GreaterOrEqual => order != Ordering::Less,
            }
        }
        _ => with(expr, slots, |it| match it {
            Value::Bool(it) => Ok(*it),
            _ => Err(Fault::Type("a condition")),
        })?,
    })
}

/// Has the value of an expression looked at. What is there already, as most is, is not copied for that.
///
/// # Errors
/// What the topology's `else` decides about.
#[inline]
pub fn with<T>(expr: &Expr, slots: &[Value<'_>], look: impl FnOnce(&Value<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    match present(expr, slots) {
        Some(it) => look(it),
        None => look(&eval(expr, slots)?),
    }
}

/// The same, of two expressions.
#[inline]
fn both<T>(a: &Expr, b: &Expr, slots: &[Value<'_>], look: impl FnOnce(&Value<'_>, &Value<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    match (present(a, slots), present(b, slots)) {
        (Some(a), Some(b)) => look(a, b),
        _ => look(&eval(a, slots)?, &eval(b, slots)?),
    }
}

/// The value of a literal or a slot.
#[inline]
fn present<'v>(expr: &'v Expr, slots: &'v [Value<'_>]) -> Option<&'v Value<'v>> {
    match expr {
        Expr::Const(it) => Some(it),
        Expr::Slot(slot) => Some(slot_value(*slot, slots)),
        _ => None,
    }
}

/// The value of a slot.
#[inline]
pub fn slot_value<'v, 's>(slot: Slot, slots: &'v [Value<'s>]) -> &'v Value<'s> {
    slots.get(usize::from(slot)).unwrap_or(&Value::Null)
}

fn borrowed<'v>(value: &'v Value<'_>) -> Value<'v> {
    match value {
        Value::Str(it) => Value::Str(Cow::Borrowed(it)),
        Value::Json(it) => Value::Json(Cow::Borrowed(it)),
        Value::Null => Value::Null,
        Value::Bool(it) => Value::Bool(*it),
        Value::Int(it) => Value::Int(*it),
        Value::Decimal(it) => Value::Decimal(*it),
        Value::Money(it) => Value::Money(*it),
        Value::Time(it) => Value::Time(*it),
        Value::Uuid(it) => Value::Uuid(*it),
    }
}

fn negated(value: &Value<'_>) -> Result<Value<'static>, Fault> {
    match value {
        Value::Int(it) => it.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        Value::Decimal(it) => Ok(Value::Decimal(-*it)),
        Value::Money(it) => Ok(Value::Money(Money { amount: -it.amount, currency: it.currency })),
        _ => Err(Fault::Type("-")),
    }
}

fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Int(int), Value::Decimal(decimal)) | (Value::Decimal(decimal), Value::Int(int)) => *decimal == (*int).into(),
        _ => a == b,
    }
}

fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Fault> {
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Int(b)) => a.cmp(&(*b).into()),
        (Value::Int(a), Value::Decimal(b)) => rust_decimal::Decimal::from(*a).cmp(b),
        (Value::Money(a), Value::Int(b)) => a.amount.cmp(&(*b).into()),
        (Value::Int(a), Value::Money(b)) => rust_decimal::Decimal::from(*a).cmp(&b.amount),
        (Value::Money(a), Value::Money(b)) => {
            same_currency(*a, *b)?;
            a.amount.cmp(&b.amount)
        }
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        _ => return Err(Fault::Type("a comparison")),
    })
}

fn arithmetic(how: Arithmetic, a: &Value<'_>, b: &Value<'_>) -> Result<Value<'static>, Fault> {
    let decimals = |a, b| match how {
        Arithmetic::Add => decimal::add(a, b),
        Arithmetic::Subtract => decimal::subtract(a, b),
        Arithmetic::Multiply => decimal::multiply(a, b),
    };
    let money = |money: Money, by| Ok(Value::Money(Money { amount: decimal::multiply(money.amount, by)?, currency: money.currency }));
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => match how {
            Arithmetic::Add => a.checked_add(*b),
            Arithmetic::Subtract => a.checked_sub(*b),
            Arithmetic::Multiply => a.checked_mul(*b),
        }
        .map(Value::Int)
        .ok_or(Fault::Overflow),
        (Value::Decimal(a), Value::Decimal(b)) => decimals(*a, *b).map(Value::Decimal),
        (Value::Decimal(a), Value::Int(b)) => decimals(*a, (*b).into()).map(Value::Decimal),
        (Value::Int(a), Value::Decimal(b)) => decimals((*a).into(), *b).map(Value::Decimal),
        (Value::Money(a), Value::Money(b)) if how != Arithmetic::Multiply => {
            same_currency(*a, *b)?;
            Ok(Value::Money(Money { amount: decimals(a.amount, b.amount)?, currency: a.currency }))
        }
        (Value::Money(a), Value::Decimal(b)) | (Value::Decimal(b), Value::Money(a)) if how == Arithmetic::Multiply => money(*a, *b),
        (Value::Money(a), Value::Int(b)) | (Value::Int(b), Value::Money(a)) if how == Arithmetic::Multiply => money(*a, (*b).into()),
        _ => Err(Fault::Type("arithmetic")),
    }
}

fn same_currency(a: Money, b: Money) -> Result<(), Fault> {
    if a.currency == b.currency {
        return Ok(());
    }
    Err(Fault::Currencies(a.currency.as_str(), b.currency.as_str()))
}

fn currency(value: &Value<'_>) -> Result<Currency, Fault> {
    match value {
        Value::Str(it) => Currency::of(it).ok_or_else(|| Fault::UnknownCurrency(it.clone().into_owned())),
        Value::Money(it) => Ok(it.currency),
        _ => Err(Fault::Type("a currency")),
    }
}

fn call<'v>(function: Function, arguments: &'v [Expr], slots: &'v [Value<'_>]) -> Result<Value<'v>, Fault> {
    const NONE: &Expr = &Expr::Const(Value::Null);
    let [first, second] = [0, 1].map(|it| arguments.get(it).unwrap_or(NONE));
    let text = |of: &'v Expr| match eval(of, slots)? {
        Value::Str(it) => Ok(it),
        _ => Err(Fault::Type("a string")),
    };
    Ok(match function {
        Function::Money => {
            let amount = with(first, slots, |it| match it {
                Value::Decimal(it) => Ok(*it),
                Value::Int(it) => Ok((*it).into()),
                _ => Err(Fault::Type("money()")),
            })?;
            Value::Money(Money { amount, currency: with(second, slots, currency)? })
        }
        Function::Zero => Value::Money(Money { amount: rust_decimal::Decimal::ZERO, currency: with(first, slots, currency)? }),
        Function::AmountOf => Value::Decimal(decimal::amount_of(with(first, slots, |it| money(it, ".amount"))?)),
        Function::CurrencyOf => Value::Str(Cow::Borrowed(with(first, slots, |it| money(it, ".currency"))?.currency.as_str())),
        Function::Decimal => with(first, slots, |it| match it {
            Value::Int(it) => Ok(Value::Decimal((*it).into())),
            Value::Decimal(it) => Ok(Value::Decimal(*it)),
            Value::Str(it) => decimal::parse(it).map(Value::Decimal).ok_or_else(|| Fault::NotADecimal(it.clone().into_owned())),
            _ => Err(Fault::Type("decimal()")),
        })?,
        Function::String => {
            let mut bytes = Vec::new();
            with(first, slots, |it| Ok(encode::text(it, &mut bytes)))?;
            Value::Str(Cow::Owned(String::from_utf8(bytes).map_err(|_| Fault::Type("string()"))?))
        }
        Function::Lower => Value::Str(Cow::Owned(text(first)?.to_lowercase())),
        Function::Upper => Value::Str(Cow::Owned(text(first)?.to_uppercase())),
        Function::Size => Value::Int(i64::try_from(text(first)?.chars().count()).map_err(|_| Fault::Overflow)?),
        Function::StartsWith => Value::Bool(text(first)?.starts_with(text(second)?.as_ref())),
        Function::EndsWith => Value::Bool(text(first)?.ends_with(text(second)?.as_ref())),
        Function::Contains => Value::Bool(text(first)?.contains(text(second)?.as_ref())),
        Function::Abs => with(first, slots, |it| match it {
            Value::Int(it) => it.checked_abs().map(Value::Int).ok_or(Fault::Overflow),
            Value::Decimal(it) => Ok(Value::Decimal(it.abs())),
            Value::Money(it) => Ok(Value::Money(Money { amount: it.amount.abs(), currency: it.currency })),
            _ => Err(Fault::Type("abs()")),
        })?,
        Function::Coalesce => match eval(first, slots)? {
            Value::Null => eval(second, slots)?,
            it => it,
        },
    })
}

/// The money that a value is. `part`: what of it is asked for.
#[inline]
pub fn money(value: &Value<'_>, part: &'static str) -> Result<Money, Fault> {
    match value {
        Value::Money(it) => Ok(*it),
        _ => Err(Fault::Type(part)),
    }
}
