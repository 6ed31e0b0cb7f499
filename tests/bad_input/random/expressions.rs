//! Generated expressions: written as text they are read as what they were, and evaluated as they were checked.

use goyt::engine::expr::ast::{Ast, Kind, Name};
use goyt::engine::expr::{Arithmetic, Comparison, parse};
use proptest::prelude::*;

use super::as_text;
use crate::targets;

fn ast(kind: Kind) -> Ast {
    Ast { span: 0..0, kind }
}

fn name(text: &str) -> Name {
    Name { text: text.to_owned(), span: 0..0 }
}

/// Expressions, most of which have a type.
fn expressions() -> impl Strategy<Value = Ast> {
    let names = ["bool", "int", "decimal", "money", "string", "time", "uuid", "maybe_int", "maybe_decimal", "maybe_money", "maybe_string"];
    let text = prop_oneof![any::<String>(), "[A-Z]{3}", "[0-9]{1,3}\\.[0-9]{2}"];
    let leaf = prop_oneof![
        6 => prop::sample::select(names.to_vec()).prop_map(|it| Kind::Name(it.to_owned())),
        1 => Just(Kind::Null),
        1 => any::<bool>().prop_map(Kind::Bool),
        2 => (0..=i64::MAX).prop_map(Kind::Int),
        1 => (0_i64..10_000).prop_map(Kind::Int),
        2 => (0..10_i128.pow(26), 1_u32..=8).prop_map(|(it, scale)| Kind::Decimal(rust_decimal::Decimal::from_i128_with_scale(it / 10_i128.pow(8 - scale), scale))),
        2 => text.prop_map(Kind::Text),
    ];
    leaf.prop_map(ast).prop_recursive(5, 30, 3, |inner| {
        let one = || inner.clone().prop_map(Box::new);
        let comparisons = [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];
        let operators = [Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply];
        let functions = [
            ("money", 2),
            ("zero", 1),
            ("decimal", 1),
            ("string", 1),
            ("lower", 1),
            ("upper", 1),
            ("size", 1),
            ("startsWith", 2),
            ("endsWith", 2),
            ("contains", 2),
            ("abs", 1),
            ("coalesce", 2),
        ];
        let call = prop::sample::select(functions.to_vec()).prop_flat_map({
            let inner = inner.clone();
            move |(function, count)| prop::collection::vec(inner.clone(), count).prop_map(move |it| Kind::Call(name(function), it))
        });
        prop_oneof![
            one().prop_map(Kind::Not),
            one().prop_map(Kind::Negative),
            (one(), one()).prop_map(|(a, b)| Kind::And(a, b)),
            (one(), one()).prop_map(|(a, b)| Kind::Or(a, b)),
            (any::<bool>(), one(), one()).prop_map(|(same, a, b)| Kind::Equal(same, a, b)),
            (prop::sample::select(comparisons.to_vec()), one(), one()).prop_map(|(how, a, b)| Kind::Compare(how, a, b)),
            (prop::sample::select(operators.to_vec()), one(), one()).prop_map(|(how, a, b)| Kind::Arithmetic(how, a, b)),
            (one(), one(), one()).prop_map(|(a, b, c)| Kind::If(a, b, c)),
            (one(), prop::sample::select(vec!["amount", "currency"])).prop_map(|(of, field)| Kind::Member(of, name(field))),
            call,
        ]
        .prop_map(ast)
    })
}

/// An expression as text, every part of it in brackets.
fn written(of: &Ast) -> String {
    let two = |a: &Ast, sign: &str, b: &Ast| format!("({} {sign} {})", written(a), written(b));
    match &of.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(it) => it.to_string(),
        Kind::Int(it) => it.to_string(),
        Kind::Decimal(it) => as_text(*it),
        Kind::Text(it) => format!("\"{}\"", it.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")),
        Kind::Name(it) => it.clone(),
        Kind::Member(of, name) => format!("{}.{}", written(of), name.text),
        Kind::Call(name, arguments) => format!("{}({})", name.text, arguments.iter().map(written).collect::<Vec<_>>().join(", ")),
        Kind::Not(it) => format!("(!{})", written(it)),
        Kind::Negative(it) => format!("(-{})", written(it)),
        Kind::And(a, b) => two(a, "&&", b),
        Kind::Or(a, b) => two(a, "||", b),
        Kind::Equal(same, a, b) => two(a, if *same { "==" } else { "!=" }, b),
        Kind::Compare(how, a, b) => {
            let sign = match how {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            two(a, sign, b)
        }
        Kind::Arithmetic(how, a, b) => {
            let sign = match how {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
            };
            two(a, sign, b)
        }
        Kind::If(a, b, c) => format!("({} ? {} : {})", written(a), written(b), written(c)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(super::CASES) })]

    #[test]
    fn expressions_are_read_as_they_were_written(of in expressions()) {
        let text = written(&of);
        prop_assume!(text.len() <= 10_000);
        prop_assert_eq!(written(&parse::parse(&text).unwrap().ast), text);
    }

    #[test]
    fn expressions_are_evaluated_as_they_were_checked(of in expressions()) {
        targets::expression::run(written(&of).as_bytes());
    }
}
