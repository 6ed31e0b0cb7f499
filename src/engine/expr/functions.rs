//! The built-in functions: what they take and give. `x.f(y)` and `f(x, y)` are the same.

use super::ast::{Ast, Name, Span};
use super::check::Checker;
use super::checked::Checked;
use super::names::known_names;
use super::{Expr, Function};
use crate::engine::decimal;
use crate::engine::value::{Currency, Type, Value};

/// Name, function, how it is written.
const FUNCTIONS: [(&str, Function, &str); 12] = [
    ("money", Function::Money, "money(amount, currency)"),
    ("zero", Function::Zero, "zero(currency)"),
    ("decimal", Function::Decimal, "decimal(text)"),
    ("string", Function::String, "string(x)"),
    ("lower", Function::Lower, "lower(text)"),
    ("upper", Function::Upper, "upper(text)"),
    ("size", Function::Size, "size(text)"),
    ("startsWith", Function::StartsWith, "text.startsWith(prefix)"),
    ("endsWith", Function::EndsWith, "text.endsWith(suffix)"),
    ("contains", Function::Contains, "text.contains(part)"),
    ("abs", Function::Abs, "abs(x)"),
    ("coalesce", Function::Coalesce, "coalesce(optional, other)"),
];

/// Names that people look for here, and why they are not there.
const ABSENT: [(&[&str], &str); 2] = [
    (
        &["now", "random", "uuid", "today"],
        "there is no clock and no chance: a replay must give the same; an event's time is `event.timestamp`",
    ),
    (&["float", "double", "round", "div"], "nothing is rounded: amounts are exact decimals"),
];

/// Checks a call.
pub(super) fn check(checker: &mut Checker<'_>, span: &Span, name: &Name, arguments: &[Ast]) -> Option<Checked> {
    let Some((_, function, usage)) = FUNCTIONS.iter().find(|(it, _, _)| *it == name.text) else {
        let absent = ABSENT.iter().find(|(names, _)| names.contains(&name.text.as_str()));
        let hint = absent.map_or_else(|| known_names(&name.text, "functions", FUNCTIONS.map(|(it, _, _)| it)), |(_, it)| (*it).to_owned());
        return checker.problem(&name.span, format!("there is no function `{}`", name.text), hint);
    };
    let wanted = usage.matches(',').count() + 1 + usize::from(usage.starts_with("text."));
    if arguments.len() != wanted {
        let found = arguments.len();
        return checker.problem(span, format!("`{}` takes {wanted} value(s), not {found}", name.text), format!("write `{usage}`"));
    }
    let call = Call { checker, span, function: *function, usage };
    call.check(arguments)
}

struct Call<'c, 's, 'a> {
    checker: &'c mut Checker<'s>,
    span: &'a Span,
    function: Function,
    usage: &'static str,
}

impl Call<'_, '_, '_> {
    fn check(mut self, arguments: &[Ast]) -> Option<Checked> {
        match (self.function, arguments) {
            (Function::Money, [amount, currency]) => {
                let (amount, code) = (self.argument(amount, &[Type::Decimal]), self.argument(currency, &[Type::String]));
                let (amount, code) = (amount?, code?);
                self.currency(&code, &currency.span)?;
                Some(self.call(vec![amount, code], Type::Money))
            }
            (Function::Zero, [currency]) => {
                let code = self.argument(currency, &[Type::String])?;
                self.currency(&code, &currency.span)?;
                Some(self.call(vec![code], Type::Money))
            }
            (Function::Decimal, [of]) => self.decimal(of),
            (Function::String, [of]) => {
                let types = [Type::Int, Type::Decimal, Type::Uuid, Type::Time, Type::Bool, Type::String];
                let of = self.argument(of, &types)?;
                Some(self.call(vec![of], Type::String))
            }
            (Function::Lower | Function::Upper, [text]) => {
                let text = self.argument(text, &[Type::String])?;
                Some(self.call(vec![text], Type::String))
            }
            (Function::Size, [text]) => {
                let text = self.argument(text, &[Type::String])?;
                Some(self.call(vec![text], Type::Int))
            }
            (Function::StartsWith | Function::EndsWith | Function::Contains, [text, part]) => {
                let (text, part) = (self.argument(text, &[Type::String]), self.argument(part, &[Type::String]));
                let (text, part) = (text?, part?);
                Some(self.call(vec![text, part], Type::Bool))
            }
            (Function::Abs, [of]) => {
                let of = self.argument(of, &[Type::Int, Type::Decimal, Type::Money])?;
                let of_type = of.of.clone();
                Some(self.call(vec![of], of_type))
            }
            (Function::Coalesce, [first, other]) => self.coalesce(first, other),
            _ => None,
        }
    }

    fn call(&self, arguments: Vec<Checked>, of: Type) -> Checked {
        Checked::new(Expr::Call(self.function, arguments.into_iter().map(|it| it.expr).collect()), of)
    }

    /// An argument of one of the types.
    fn argument(&mut self, ast: &Ast, types: &[Type]) -> Option<Checked> {
        let mut of = self.checker.value(ast)?;
        for it in types {
            match of.adapted(it) {
                Ok(adapted) => return Some(adapted),
                Err(same) => of = *same,
            }
        }
        let wanted = types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
        let hint = match (types, &of.of) {
            ([Type::Decimal], Type::String) => "a number stands without quotes; a text becomes a decimal by `decimal(x)`".to_owned(),
            ([Type::Decimal], Type::Int) => "make it a decimal: `decimal(x)`".to_owned(),
            ([Type::Decimal], Type::Money) => "take its `.amount`".to_owned(),
            ([Type::String], Type::Money) => "take its `.currency`".to_owned(),
            ([Type::String], Type::Int | Type::Decimal | Type::Uuid | Type::Time | Type::Bool) => "make it a text: `string(x)`".to_owned(),
            _ => format!("write `{}`", self.usage),
        };
        self.checker.problem(&ast.span, format!("{wanted} is needed here, and this is of type {}", of.of), hint)
    }

    /// A literal code is looked up now, and that of other money is known to be good; any other text may be no currency.
    fn currency(&mut self, code: &Checked, span: &Span) -> Option<()> {
        match &code.expr {
            Expr::Call(Function::CurrencyOf, _) => Some(()),
            Expr::Text(it) if Currency::of(it).is_some() => Some(()),
            Expr::Text(it) => {
                self.checker.problem(span, format!("{it:?} is no currency of ISO 4217"), "a code has three capitals, such as \"EUR\"")
            }
            _ => {
                self.checker.can_fail(self.span, "the text may be no currency of ISO 4217");
                Some(())
            }
        }
    }

    fn decimal(&mut self, ast: &Ast) -> Option<Checked> {
        let of = self.argument(ast, &[Type::String, Type::Int])?;
        if let Some(text) = of.literal_text() {
            return match decimal::parse(text) {
                Some(it) => Some(Checked::new(Expr::Const(Value::Decimal(it)), Type::Decimal)),
                None => self.checker.problem(&ast.span, format!("{text:?} is no decimal"), "write it as `12.50`, without quotes"),
            };
        }
        if of.of == Type::String {
            self.checker.can_fail(self.span, "the text may be no decimal");
        }
        Some(self.call(vec![of], Type::Decimal))
    }

    fn coalesce(&mut self, first: &Ast, other: &Ast) -> Option<Checked> {
        let (a, b) = (self.checker.expr(first), self.checker.expr(other));
        let (a, b) = (a?, b?);
        let Type::Optional(inner) = a.of.clone() else {
            return self.checker.problem(&first.span, format!("this is of type {} and never null", a.of), "leave `coalesce` out");
        };
        let to = if matches!(b.of, Type::Optional(_)) { Type::Optional(inner) } else { *inner };
        match b.adapted(&to) {
            Ok(b) => Some(self.call(vec![a, b], to)),
            Err(b) => {
                let hint = "both must be of one type";
                self.checker.problem(&other.span, format!("{to} is needed here, and this is of type {}", b.of), hint)
            }
        }
    }
}
