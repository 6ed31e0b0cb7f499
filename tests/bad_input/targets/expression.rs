//! Any text as an expression: read, checked, evaluated.

use goyt::engine::expr::scope::{Entry, Fields, Scope, Variable};
use goyt::engine::expr::{Fault, ast::Problem, check, eval, parse};
use goyt::engine::value::{Currency, Money, Texts, Type, Value};
use rust_decimal::Decimal;

const NAMES: [&str; 8] = ["bool", "int", "decimal", "money", "string", "time", "uuid", "list"];

/// The names that may be used, one of each type, and each again as an optional one: `maybe_int`.
pub fn scope() -> Scope {
    let mut names = Fields::new();
    for (slot, of) in (0_u16..).zip(types()) {
        let name = NAMES[usize::from(slot)];
        let optional = Type::Optional(Box::new(of.clone()));
        names.insert(name.to_owned(), Entry::Value(Variable { slot, of, one_of: Vec::new() }));
        names.insert(format!("maybe_{name}"), Entry::Value(Variable { slot: slot + 8, of: optional, one_of: Vec::new() }));
    }
    names.insert("event".to_owned(), Entry::Fields(names.clone()));
    Scope { names, facts: Default::default() }
}

fn types() -> [Type; 8] {
    [Type::Bool, Type::Int, Type::Decimal, Type::Money, Type::String, Type::Time, Type::Uuid, Type::List]
}

/// Slots as they commonly are, at their edges, and with nothing in the optional ones.
fn slots() -> Vec<Vec<Value<'static>>> {
    let values = |int: i64, amount: Decimal, code: &[u8; 3], text: &'static str| {
        vec![
            Value::Bool(int % 2 == 0),
            Value::Int(int),
            Value::Decimal(amount),
            Value::Money(Money { amount, currency: Currency(*code) }),
            Value::Str(text),
            Value::Time(int),
            Value::Uuid(7),
            Value::Json("[1]"),
        ]
    };
    let sets = [
        values(3, Decimal::new(150, 2), b"EUR", "EUR"),
        values(i64::MAX, Decimal::MAX, b"KES", "12.50"),
        values(i64::MIN, Decimal::MIN, b"JPY", ""),
        values(0, Decimal::from_i128_with_scale(1, 28), b"XOF", "\0\u{1F4B0}"),
    ];
    let mut all = Vec::new();
    for set in sets {
        all.push(set.iter().cloned().chain(set.iter().cloned()).collect());
        all.push(set.iter().cloned().chain(vec![Value::Null; 8]).collect());
    }
    all
}

/// An expression is refused with a place in its text, or has the type that it was checked for, or fails as it was said that it can.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = match parse::parse(text) {
        Ok(it) => it,
        Err(problem) => return told(text, &problem),
    };
    drop(parse::parse_otherwise(text));
    assert!(text.get(parsed.ast.span.clone()).is_some());
    let checked = match check::check(&parsed.ast, &scope()) {
        Ok(it) => it,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word: {text}");
            return problems.iter().for_each(|it| told(text, it));
        }
    };
    for slots in slots() {
        let texts = Texts::new();
        match eval::eval(&checked.expr, &slots, &texts).map_err(|it| *it) {
            Ok(value) => {
                assert!(is(&value, &checked.of), "{value:?} is no {}: {text}", checked.of);
                assert_eq!(eval::eval(&checked.expr, &slots, &texts).as_ref(), Ok(&value), "{text}");
            }
            Err(Fault::Type(what)) => panic!("the checker let {what} pass: {text}"),
            // Integers need no `else`.
            Err(Fault::Overflow) => {}
            Err(fault) => assert!(checked.fallible.is_some(), "{fault}, and nobody said that it can fail: {text}"),
        }
    }
}

fn told(text: &str, problem: &Problem) {
    assert!(text.get(problem.span.clone()).is_some(), "{problem:?} is no place in {text:?}");
    assert!(!problem.reason.is_empty() && !problem.hint.is_empty(), "{problem:?}");
}

fn is(value: &Value<'_>, of: &Type) -> bool {
    match (value, of) {
        (Value::Null, Type::Optional(_) | Type::Null) => true,
        (_, Type::Optional(inner)) => is(value, inner),
        (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Decimal(_), Type::Decimal)
        | (Value::Money(_), Type::Money)
        | (Value::Str(_), Type::String)
        | (Value::Time(_), Type::Time)
        | (Value::Uuid(_), Type::Uuid)
        | (Value::Json(_), Type::List) => true,
        _ => false,
    }
}
