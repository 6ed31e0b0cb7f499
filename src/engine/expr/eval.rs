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
        Expr::Slot(slot) => slot_value(*slot, slots),
        Expr::Not(_) | Expr::And(..) | Expr::Or(..) | Expr::Equal(..) | Expr::Compare(..) => Value::Bool(truth(expr, slots)?),
        Expr::Neg(it) => match eval(it, slots)? {
            Value::Int(it) => Value::Int(it.checked_neg().ok_or(Fault::Overflow)?),
            Value::Decimal(it) => Value::Decimal(-it),
            Value::Money(it) => Value::Money(Money { amount: -it.amount, currency: it.currency }),
            _ => return Err(Fault::Type("-")),
        },
        Expr::Arithmetic(how, a, b) => arithmetic(*how, &*look(a, slots)?, &*look(b, slots)?)?,
        Expr::If(condition, yes, no) => eval(if truth(condition, slots)? { yes } else { no }, slots)?,
        Expr::Call(function, arguments) => call(*function, arguments, slots)?,
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
        Expr::Equal(a, b) => equal(&*look(a, slots)?, &*look(b, slots)?),
        Expr::Compare(how, a, b) => {
            let order = order(&*look(a, slots)?, &*look(b, slots)?)?;
            match how {
                Comparison::Less => order == Ordering::Less,
                Comparison::LessOrEqual => order != Ordering::Greater,
                Comparison::Greater => order == Ordering::Greater,
                Comparison::GreaterOrEqual => order != Ordering::Less,
            }
        }
        _ => match *look(expr, slots)? {
            Value::Bool(it) => it,
            _ => return Err(Fault::Type("a condition")),
        },
    })
}

/// The value of an expression, only to be looked at: what is there already is not copied.
///
/// # Errors
/// What the topology's `else` decides about.
pub fn look<'v>(expr: &'v Expr, slots: &'v [Value<'_>]) -> Result<Cow<'v, Value<'v>>, Fault> {
    Ok(match expr {
        Expr::Const(it) => Cow::Borrowed(it),
        Expr::Slot(slot) => Cow::Borrowed(slots.get(usize::from(*slot)).unwrap_or(&Value::Null)),
        _ => Cow::Owned(eval(expr, slots)?),
    })
}

fn slot_value<'v>(slot: Slot, slots: &'v [Value<'_>]) -> Value<'v> {
    slots.get(usize::from(slot)).map_or(Value::Null, borrowed)
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

fn arithmetic<'v>(how: Arithmetic, a: &Value<'v>, b: &Value<'v>) -> Result<Value<'v>, Fault> {
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
    let argument = |n: usize| arguments.get(n).map_or(Err(Fault::Type("an argument")), |it| look(it, slots));
    let text = |n: usize| match argument(n)? {
        Cow::Borrowed(Value::Str(it)) => Ok(Cow::Borrowed(&**it)),
        Cow::Owned(Value::Str(it)) => Ok(it),
        _ => Err(Fault::Type("a string")),
    };
    Ok(match function {
        Function::Money => match (&*argument(0)?, &*argument(1)?) {
            (Value::Decimal(amount), code) => Value::Money(Money { amount: *amount, currency: currency(code)? }),
            (Value::Int(amount), code) => Value::Money(Money { amount: (*amount).into(), currency: currency(code)? }),
            _ => return Err(Fault::Type("money()")),
        },
        Function::Zero => Value::Money(Money { amount: rust_decimal::Decimal::ZERO, currency: currency(&*argument(0)?)? }),
        Function::AmountOf => match *argument(0)? {
            Value::Money(it) => Value::Decimal(decimal::amount_of(it)),
            _ => return Err(Fault::Type(".amount")),
        },
        Function::CurrencyOf => match *argument(0)? {
            Value::Money(it) => Value::Str(Cow::Borrowed(it.currency.as_str())),
            _ => return Err(Fault::Type(".currency")),
        },
        Function::Decimal => match &*argument(0)? {
            Value::Int(it) => Value::Decimal((*it).into()),
            Value::Decimal(it) => Value::Decimal(*it),
            Value::Str(it) => Value::Decimal(decimal::parse(it).ok_or_else(|| Fault::NotADecimal(it.clone().into_owned()))?),
            _ => return Err(Fault::Type("decimal()")),
        },
        Function::String => {
            let mut bytes = Vec::new();
            encode::text(&*argument(0)?, &mut bytes);
            Value::Str(Cow::Owned(String::from_utf8(bytes).map_err(|_| Fault::Type("string()"))?))
        }
        Function::Lower => Value::Str(Cow::Owned(text(0)?.to_lowercase())),
        Function::Upper => Value::Str(Cow::Owned(text(0)?.to_uppercase())),
        Function::Size => Value::Int(i64::try_from(text(0)?.chars().count()).map_err(|_| Fault::Overflow)?),
        Function::StartsWith => Value::Bool(text(0)?.starts_with(text(1)?.as_ref())),
        Function::EndsWith => Value::Bool(text(0)?.ends_with(text(1)?.as_ref())),
        Function::Contains => Value::Bool(text(0)?.contains(text(1)?.as_ref())),
        Function::Abs => match *argument(0)? {
            Value::Int(it) => Value::Int(it.checked_abs().ok_or(Fault::Overflow)?),
            Value::Decimal(it) => Value::Decimal(it.abs()),
            Value::Money(it) => Value::Money(Money { amount: it.amount.abs(), currency: it.currency }),
            _ => return Err(Fault::Type("abs()")),
        },
        Function::Coalesce => match argument(0)? {
            Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => eval(arguments.get(1).unwrap_or(&Expr::Const(Value::Null)), slots)?,
            Cow::Borrowed(it) => borrowed(it),
            Cow::Owned(it) => it,
        },
    })
}
