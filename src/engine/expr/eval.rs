//! Evaluates expressions over the slots of a record.

use std::cmp::Ordering;

use super::{Arithmetic, Comparison, Expr, Fault, Function, Slot};
use crate::engine::decimal;
use crate::engine::json::encode;
use crate::engine::value::{Currency, Money, Texts, Value};

/// The value of an expression. Text is that of the expression or of the slots, or kept in `texts`.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn eval<'v>(expr: &'v Expr, slots: &[Value<'v>], texts: &'v Texts) -> Result<Value<'v>, Box<Fault>> {
    let mut value = Value::Null;
    compute(expr, slots, texts, &mut value).map(|()| value)
}

/// The same, right into its place: values are large, and are not to be moved from hand to hand.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn compute<'v>(expr: &'v Expr, slots: &[Value<'v>], texts: &'v Texts, into: &mut Value<'v>) -> Result<(), Box<Fault>> {
    *into = match expr {
        Expr::Slot(slot) => *slot_value(*slot, slots),
        Expr::Const(it) => *it,
        Expr::Text(it) => Value::Str(it),
        Expr::Not(_) | Expr::And(..) | Expr::Or(..) | Expr::Equal(..) | Expr::Compare(..) => Value::Bool(truth(expr, slots, texts)?),
        Expr::Neg(it) => negated(find(it, slots, texts, &mut Value::Null)?)?,
        Expr::Arithmetic(how, a, b) => {
            let (mut of_a, mut of_b) = (Value::Null, Value::Null);
            return arithmetic(*how, find(a, slots, texts, &mut of_a)?, find(b, slots, texts, &mut of_b)?, into);
        }
        Expr::If(condition, yes, no) => return compute(if truth(condition, slots, texts)? { yes } else { no }, slots, texts, into),
        Expr::Call(function, arguments) => call(*function, arguments, slots, texts)?,
    };
    Ok(())
}

/// The value of an expression: most are there already, others are computed into `room`.
#[inline]
fn find<'e, 'v>(expr: &'v Expr, slots: &'e [Value<'v>], texts: &'v Texts, room: &'e mut Value<'v>) -> Result<&'e Value<'v>, Box<Fault>> {
    match expr {
        Expr::Slot(slot) => Ok(slot_value(*slot, slots)),
        Expr::Const(it) => Ok(it),
        _ => compute(expr, slots, texts, room).map(|()| &*room),
    }
}

/// Whether a condition holds.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn truth<'v>(expr: &'v Expr, slots: &[Value<'v>], texts: &'v Texts) -> Result<bool, Box<Fault>> {
    Ok(match expr {
        Expr::Not(it) => !truth(it, slots, texts)?,
        Expr::And(a, b) => truth(a, slots, texts)? && truth(b, slots, texts)?,
        Expr::Or(a, b) => truth(a, slots, texts)? || truth(b, slots, texts)?,
        Expr::Equal(a, b) => {
            let (mut of_a, mut of_b) = (Value::Null, Value::Null);
            equal(find(a, slots, texts, &mut of_a)?, find(b, slots, texts, &mut of_b)?)
        }
        Expr::Compare(how, a, b) => {
            let (mut of_a, mut of_b) = (Value::Null, Value::Null);
            let order = order(find(a, slots, texts, &mut of_a)?, find(b, slots, texts, &mut of_b)?)?;
            match how {
                Comparison::Less => order == Ordering::Less,
                Comparison::LessOrEqual => order != Ordering::Greater,
                Comparison::Greater => order == Ordering::Greater,
                Comparison::GreaterOrEqual => order != Ordering::Less,
            }
        }
        _ => match eval(expr, slots, texts)? {
            Value::Bool(it) => it,
            _ => return Err(Fault::Type("a condition").into()),
        },
    })
}

/// The value of a slot.
#[inline]
#[must_use]
pub fn slot_value<'s, 'v>(slot: Slot, slots: &'s [Value<'v>]) -> &'s Value<'v> {
    slots.get(usize::from(slot)).unwrap_or(&Value::Null)
}

fn negated(value: &Value<'_>) -> Result<Value<'static>, Box<Fault>> {
    match value {
        Value::Int(it) => Ok(Value::Int(it.checked_neg().ok_or(Fault::Overflow)?)),
        Value::Decimal(it) => Ok(Value::Decimal(-*it)),
        Value::Money(it) => Ok(Value::Money(Money { amount: -it.amount, currency: it.currency })),
        _ => Err(Fault::Type("-").into()),
    }
}

fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Int(int), Value::Decimal(decimal)) | (Value::Decimal(decimal), Value::Int(int)) => *decimal == (*int).into(),
        _ => a == b,
    }
}

fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Box<Fault>> {
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Int(b)) => a.cmp(&(*b).into()),
        (Value::Int(a), Value::Decimal(b)) => rust_decimal::Decimal::from(*a).cmp(b),
        (Value::Money(a), Value::Int(0)) => decimal::sign(a.amount),
        (Value::Money(a), Value::Int(b)) => a.amount.cmp(&(*b).into()),
        (Value::Int(a), Value::Money(b)) => rust_decimal::Decimal::from(*a).cmp(&b.amount),
        (Value::Money(a), Value::Money(b)) => {
            same_currency(*a, *b)?;
            a.amount.cmp(&b.amount)
        }
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        _ => return Err(Fault::Type("a comparison").into()),
    })
}

#[inline]
fn arithmetic(how: Arithmetic, a: &Value<'_>, b: &Value<'_>, into: &mut Value<'_>) -> Result<(), Box<Fault>> {
    let decimals = |a, b| match how {
        Arithmetic::Add => decimal::add(a, b),
        Arithmetic::Subtract => decimal::subtract(a, b),
        Arithmetic::Multiply => decimal::multiply(a, b),
    };
    let times = |money: Money, by| {
        Ok::<_, Box<Fault>>(Value::Money(Money { amount: decimal::multiply(money.amount, by)?, currency: money.currency }))
    };
    *into = match (a, b) {
        (Value::Int(a), Value::Int(b)) => match how {
            Arithmetic::Add => a.checked_add(*b),
            Arithmetic::Subtract => a.checked_sub(*b),
            Arithmetic::Multiply => a.checked_mul(*b),
        }
        .map(Value::Int)
        .ok_or(Fault::Overflow)?,
        (Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(decimals(*a, *b)?),
        (Value::Decimal(a), Value::Int(b)) => Value::Decimal(decimals(*a, (*b).into())?),
        (Value::Int(a), Value::Decimal(b)) => Value::Decimal(decimals((*a).into(), *b)?),
        (Value::Money(a), Value::Money(b)) if how != Arithmetic::Multiply => {
            same_currency(*a, *b)?;
            Value::Money(Money { amount: decimals(a.amount, b.amount)?, currency: a.currency })
        }
        (Value::Money(a), Value::Decimal(b)) | (Value::Decimal(b), Value::Money(a)) if how == Arithmetic::Multiply => times(*a, *b)?,
        (Value::Money(a), Value::Int(b)) | (Value::Int(b), Value::Money(a)) if how == Arithmetic::Multiply => times(*a, (*b).into())?,
        _ => return Err(Fault::Type("arithmetic").into()),
    };
    Ok(())
}

fn same_currency(a: Money, b: Money) -> Result<(), Box<Fault>> {
    if a.currency == b.currency {
        return Ok(());
    }
    Err(Fault::Currencies(a.currency.as_str(), b.currency.as_str()).into())
}

fn currency(value: &Value<'_>) -> Result<Currency, Box<Fault>> {
    match value {
        Value::Str(it) => Ok(Currency::of(it).ok_or_else(|| Fault::UnknownCurrency((*it).to_owned()))?),
        Value::Money(it) => Ok(it.currency),
        _ => Err(Fault::Type("a currency").into()),
    }
}

fn call<'v>(function: Function, arguments: &'v [Expr], slots: &[Value<'v>], texts: &'v Texts) -> Result<Value<'v>, Box<Fault>> {
    const NONE: &Expr = &Expr::Const(Value::Null);
    let value = |nth: usize| eval(arguments.get(nth).unwrap_or(NONE), slots, texts);
    let text = |nth| match value(nth)? {
        Value::Str(it) => Ok(it),
        _ => Err(Box::new(Fault::Type("a string"))),
    };
    Ok(match function {
        Function::Money => {
            let amount = match value(0)? {
                Value::Decimal(it) => it,
                Value::Int(it) => it.into(),
                _ => return Err(Fault::Type("money()").into()),
            };
            Value::Money(Money { amount, currency: currency(&value(1)?)? })
        }
        Function::Zero => Value::Money(Money { amount: rust_decimal::Decimal::ZERO, currency: currency(&value(0)?)? }),
        Function::AmountOf => Value::Decimal(decimal::amount_of(*money(&value(0)?, ".amount")?)),
        Function::CurrencyOf => Value::Str(money(&value(0)?, ".currency")?.currency.as_str()),
        Function::Decimal => match value(0)? {
            Value::Int(it) => Value::Decimal(it.into()),
            Value::Decimal(it) => Value::Decimal(it),
            Value::Str(it) => decimal::parse(it).map(Value::Decimal).ok_or_else(|| Fault::NotADecimal(it.to_owned()))?,
            _ => return Err(Fault::Type("decimal()").into()),
        },
        Function::String => {
            let mut bytes = Vec::new();
            encode::text(&value(0)?, &mut bytes);
            Value::Str(texts.keep(String::from_utf8(bytes).map_err(|_| Fault::Type("string()"))?))
        }
        Function::Lower => Value::Str(texts.keep(text(0)?.to_lowercase())),
        Function::Upper => Value::Str(texts.keep(text(0)?.to_uppercase())),
        Function::Size => Value::Int(i64::try_from(text(0)?.chars().count()).map_err(|_| Fault::Overflow)?),
        Function::StartsWith => Value::Bool(text(0)?.starts_with(text(1)?)),
        Function::EndsWith => Value::Bool(text(0)?.ends_with(text(1)?)),
        Function::Contains => Value::Bool(text(0)?.contains(text(1)?)),
        Function::Abs => match value(0)? {
            Value::Int(it) => it.checked_abs().map(Value::Int).ok_or(Fault::Overflow)?,
            Value::Decimal(it) => Value::Decimal(it.abs()),
            Value::Money(it) => Value::Money(Money { amount: it.amount.abs(), currency: it.currency }),
            _ => return Err(Fault::Type("abs()").into()),
        },
        Function::Coalesce => match value(0)? {
            Value::Null => value(1)?,
            it => it,
        },
    })
}

/// The money that a value is. `part`: what of it is asked for.
#[inline]
pub fn money<'e>(value: &'e Value<'_>, part: &'static str) -> Result<&'e Money, Box<Fault>> {
    match value {
        Value::Money(it) => Ok(it),
        _ => Err(Fault::Type(part).into()),
    }
}
