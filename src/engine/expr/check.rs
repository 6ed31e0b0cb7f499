//! Names and types: tree → [`Expr`] over slots, or all problems of the expression.
//!
//! There is no null surprise: an optional value can't be used until it was tested. `a != null && a > 0` is fine, since the right of
//! `&&` is looked at only when the left holds; so are the branches of `?:`. The conditions of steps before count too ([`Scope::facts`]).
//! And there is no silent failure: what can fail is told to the caller, who insists on an `else`.

use rust_decimal::Decimal;

use super::ast::{Ast, Kind, Name, Problem, Span};
use super::checked::{Checked, alike, joined};
use super::names::known_names;
use super::scope::{Entry, Facts, Fields, Scope, Variable};
use super::{Arithmetic, Comparison, Expr, functions};
use crate::engine::value::{Type, Value};

/// Checks an expression.
///
/// # Errors
/// All its problems.
pub fn check(ast: &Ast, scope: &Scope) -> Result<Checked, Vec<Problem>> {
    let mut checker = Checker { names: &scope.names, facts: scope.facts.clone(), problems: Vec::new(), fallible: None };
    let checked = checker.expr(ast);
    match checked {
        Some(mut it) if checker.problems.is_empty() => {
            it.fallible = checker.fallible;
            Ok(it)
        }
        _ => Err(checker.problems),
    }
}

/// The opposite of a condition.
fn negated(of: Checked) -> Checked {
    let mut not = Checked::new(Expr::Not(Box::new(of.expr)), Type::Bool);
    (not.if_true, not.if_false) = (of.if_false, of.if_true);
    not
}

/// What a path leads to.
enum Found<'s> {
    Entry(&'s Entry),
    Value(Checked),
}

pub(super) struct Checker<'s> {
    names: &'s Fields,
    facts: Facts,
    pub(super) problems: Vec<Problem>,
    fallible: Option<(Span, &'static str)>,
}

impl<'s> Checker<'s> {
    pub(super) fn problem<T>(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(span.clone(), reason, hint));
        None
    }

    /// Notes that a part can fail.
    pub(super) fn can_fail(&mut self, span: &Span, how: &'static str) {
        self.fallible.get_or_insert_with(|| (span.clone(), how));
    }

    /// Checks with more that is known.
    fn knowing(&mut self, facts: &Facts, ast: &Ast) -> Option<Checked> {
        let before = self.facts.clone();
        self.facts.extend(facts);
        let checked = self.expr(ast);
        self.facts = before;
        checked
    }

    /// The type and the expression of a part; `None` when it has problems, which are noted. It calls itself for each level of the
    /// tree, so what a kind needs is kept in functions of their own, and out of its frame.
    pub(super) fn expr(&mut self, ast: &Ast) -> Option<Checked> {
        match &ast.kind {
            Kind::Null => Some(Checked::new(Expr::Const(Value::Null), Type::Null)),
            Kind::Bool(it) => Some(Checked::new(Expr::Const(Value::Bool(*it)), Type::Bool)),
            Kind::Int(it) => Some(Checked::new(Expr::Const(Value::Int(*it)), Type::Int)),
            Kind::Decimal(it) => Some(Checked::new(Expr::Const(Value::Decimal(*it)), Type::Decimal)),
            Kind::Text(it) => Some(Checked::text(it)),
            Kind::Name(_) | Kind::Member(..) => self.path_value(ast),
            Kind::Call(name, arguments) => functions::check(self, &ast.span, name, arguments),
            Kind::Not(of) => self.not(of),
            Kind::Negative(of) => self.negative(of),
            Kind::And(left, right) => self.and(left, right),
            Kind::Or(left, right) => self.or(left, right),
            Kind::Equal(true, left, right) => self.equal(&ast.span, left, right),
            Kind::Equal(false, left, right) => self.equal(&ast.span, left, right).map(negated),
            Kind::Compare(how, left, right) => self.compare(&ast.span, *how, left, right),
            Kind::Arithmetic(how, left, right) => self.arithmetic(&ast.span, *how, left, right),
            Kind::If(condition, yes, no) => self.choice(&ast.span, condition, yes, no),
        }
    }

    fn not(&mut self, of: &Ast) -> Option<Checked> {
        self.condition(of).map(negated)
    }

    fn and(&mut self, left: &Ast, right: &Ast) -> Option<Checked> {
        let a = self.condition(left);
        let known = a.as_ref().map(|it| it.if_true.clone()).unwrap_or_default();
        let b = self.condition_knowing(&known, right);
        let (a, b) = (a?, b?);
        let mut and = Checked::new(Expr::And(Box::new(a.expr), Box::new(b.expr)), Type::Bool);
        and.if_true = &a.if_true | &b.if_true;
        and.if_false = &a.if_false & &b.if_false;
        Some(and)
    }

    fn or(&mut self, left: &Ast, right: &Ast) -> Option<Checked> {
        let a = self.condition(left);
        let known = a.as_ref().map(|it| it.if_false.clone()).unwrap_or_default();
        let b = self.condition_knowing(&known, right);
        let (a, b) = (a?, b?);
        let mut or = Checked::new(Expr::Or(Box::new(a.expr), Box::new(b.expr)), Type::Bool);
        or.if_true = &a.if_true & &b.if_true;
        or.if_false = &a.if_false | &b.if_false;
        Some(or)
    }

    fn condition(&mut self, ast: &Ast) -> Option<Checked> {
        let of = self.value(ast)?;
        if of.of == Type::Bool {
            return Some(of);
        }
        let hint = "compare it with something, such as `x == …` or `x != null`";
        self.problem(&ast.span, format!("a condition is needed, and this is of type {}", of.of), hint)
    }

    fn condition_knowing(&mut self, facts: &Facts, ast: &Ast) -> Option<Checked> {
        let before = self.facts.clone();
        self.facts.extend(facts);
        let checked = self.condition(ast);
        self.facts = before;
        checked
    }

    /// A part whose value is needed: it can't be null.
    pub(super) fn value(&mut self, ast: &Ast) -> Option<Checked> {
        let of = self.expr(ast)?;
        match &of.of {
            Type::Null => {
                self.problem(&ast.span, "a value is needed, and this is null", "null can only be compared: `x == null`, `x != null`")
            }
            Type::Optional(_) => {
                let hint = "test it before: `… != null && …`, in a `require`, or in `when`; or give another value: `coalesce(…, other)`";
                self.problem(&ast.span, "this can be null, and a value is needed", hint)
            }
            _ => Some(of),
        }
    }

    fn path_value(&mut self, ast: &Ast) -> Option<Checked> {
        match self.path(ast)? {
            Found::Value(it) => Some(it),
            Found::Entry(Entry::Value(it)) => Some(self.variable(it)),
            Found::Entry(Entry::Fields(fields)) => {
                let hint = format!("name one of its fields: {}", listed(fields));
                self.problem(&ast.span, "this is an object, and a single value is needed", hint)
            }
            Found::Entry(Entry::Unusable { reason, hint }) => self.problem(&ast.span, reason, hint),
            Found::Entry(Entry::Broken) => None,
        }
    }

    fn variable(&self, of: &Variable) -> Checked {
        let known = self.facts.contains(&of.slot);
        let mut checked = Checked::new(Expr::Slot(of.slot), if known { of.of.required().clone() } else { of.of.clone() });
        checked.one_of.clone_from(&of.one_of);
        checked
    }

    fn path(&mut self, ast: &Ast) -> Option<Found<'s>> {
        match &ast.kind {
            Kind::Name(name) => match self.names.get(name) {
                Some(it) => Some(Found::Entry(it)),
                None => {
                    let names = self.names;
                    let hint = match names.get("event") {
                        Some(Entry::Fields(fields)) if fields.contains_key(name) => format!("it is a field of the event: `event.{name}`"),
                        _ => known_names(name, "names", names.keys().map(String::as_str)),
                    };
                    self.problem(&ast.span, format!("`{name}` is unknown"), hint)
                }
            },
            Kind::Member(of, name) => match self.path(of)? {
                Found::Entry(Entry::Fields(fields)) => match fields.get(&name.text) {
                    Some(it) => Some(Found::Entry(it)),
                    None => {
                        let hint = known_names(&name.text, "fields", fields.keys().map(String::as_str));
                        self.problem(&name.span, format!("there is no field `{}`", name.text), hint)
                    }
                },
                Found::Entry(Entry::Unusable { reason, hint }) => self.problem(&of.span, reason, hint),
                Found::Entry(Entry::Broken) => None,
                Found::Entry(Entry::Value(it)) => {
                    let value = self.variable(it);
                    self.member(value, &of.span, name)
                }
                Found::Value(value) => self.member(value, &of.span, name),
            },
            _ => self.expr(ast).map(Found::Value),
        }
    }

    /// `x.amount` and `x.currency` of money.
    fn member(&mut self, of: Checked, span: &Span, name: &Name) -> Option<Found<'s>> {
        if *of.of.required() != Type::Money {
            let hint = "only events, objects, legs, states and money have fields";
            return self.problem(&name.span, format!("this is of type {}: it has no field `{}`", of.of, name.text), hint);
        }
        if of.of != Type::Money {
            return self.problem(span, "this can be null, and a value is needed", "test it before: `… != null && …`");
        }
        let (function, of_type) = match name.text.as_str() {
            "amount" => (super::Function::AmountOf, Type::Decimal),
            "currency" => (super::Function::CurrencyOf, Type::String),
            other => {
                let hint = known_names(other, "fields of money", ["amount", "currency"]);
                return self.problem(&name.span, format!("money has no field `{other}`"), hint);
            }
        };
        Some(Found::Value(Checked::new(Expr::Call(function, vec![of.expr]), of_type)))
    }

    fn negative(&mut self, ast: &Ast) -> Option<Checked> {
        let of = self.value(ast)?;
        let negated = match (&of.expr, &of.of) {
            (Expr::Const(Value::Int(it)), _) => Expr::Const(Value::Int(it.checked_neg()?)),
            (Expr::Const(Value::Decimal(it)), _) => Expr::Const(Value::Decimal(-*it)),
            (_, Type::Int | Type::Decimal | Type::Money) => Expr::Neg(Box::new(of.expr)),
            _ => return self.problem(&ast.span, format!("a number is needed behind `-`, and this is of type {}", of.of), "remove the `-`"),
        };
        Some(Checked::new(negated, of.of))
    }

    fn equal(&mut self, span: &Span, left: &Ast, right: &Ast) -> Option<Checked> {
        match (&left.kind, &right.kind) {
            (Kind::Null, Kind::Null) => return self.problem(span, "null is always null", "compare a field with it"),
            (Kind::Null, _) => return self.null_test(right),
            (_, Kind::Null) => return self.null_test(left),
            _ => {}
        }
        let (a, b) = (self.expr(left), self.expr(right));
        let (a, b) = (a?, b?);
        for (money, other, at) in [(&a, &b, right), (&b, &a, left)] {
            if money.of == Type::Money && other.is_zero_literal() {
                let amount = Expr::Call(super::Function::AmountOf, vec![money.expr.clone()]);
                return Some(Checked::new(Expr::Equal(Box::new(amount), Box::new(Expr::Const(Value::Decimal(Decimal::ZERO)))), Type::Bool));
            }
            self.one_of(money, other, &at.span);
        }
        let (a, b) = match alike(a, b) {
            Ok(both) => both,
            Err(both) => return self.unlike_values(span, &both.0, &both.1),
        };
        if matches!(a.of.required(), Type::List | Type::Record(_)) {
            return self.problem(span, "lists are carried, never looked into", "compare single values");
        }
        let mut equal = Checked::new(Expr::Const(Value::Null), Type::Bool);
        for (it, other) in [(&a, &b), (&b, &a)] {
            if let (Expr::Slot(slot), Type::Optional(_), false) = (&it.expr, &it.of, matches!(other.of, Type::Optional(_))) {
                equal.if_true.insert(*slot);
            }
        }
        equal.expr = Expr::Equal(Box::new(a.expr), Box::new(b.expr));
        Some(equal)
    }

    /// A text that an enum can never be is a slip of the pen.
    pub(super) fn one_of(&mut self, of: &Checked, other: &Checked, span: &Span) {
        let Some(text) = other.literal_text() else { return };
        if !of.one_of.is_empty() && !of.one_of.iter().any(|it| it == text) {
            let hint = known_names(text, "values", of.one_of.iter().map(String::as_str));
            let _: Option<()> = self.problem(span, format!("it is never {text:?}"), hint);
        }
    }

    fn null_test(&mut self, ast: &Ast) -> Option<Checked> {
        // What is known already may be tested again; what can never be null is not worth a test.
        let facts = std::mem::take(&mut self.facts);
        let declared = self.expr(ast);
        self.facts = facts;
        let of = declared?;
        if !matches!(of.of, Type::Optional(_)) {
            return self.problem(&ast.span, format!("this is of type {} and never null", of.of), "remove the test");
        }
        let mut test = Checked::new(Expr::Const(Value::Null), Type::Bool);
        if let Expr::Slot(slot) = of.expr {
            test.if_false.insert(slot);
        }
        test.expr = Expr::Equal(Box::new(of.expr), Box::new(Expr::Const(Value::Null)));
        Some(test)
    }

    fn compare(&mut self, span: &Span, how: Comparison, left: &Ast, right: &Ast) -> Option<Checked> {
        let (a, b) = (self.value(left), self.value(right));
        let (a, b) = (a?, b?);
        if a.of == Type::Money && b.is_zero_literal() || b.of == Type::Money && a.is_zero_literal() {
            let side = |it: Checked| Box::new(if it.of == Type::Money { it.expr } else { Expr::Const(Value::Int(0)) });
            return Some(Checked::new(Expr::Compare(how, side(a), side(b)), Type::Bool));
        }
        let (a, b) = match alike(a, b) {
            Ok(both) => both,
            Err(both) => return self.unlike_values(span, &both.0, &both.1),
        };
        match &a.of {
            Type::Int | Type::Decimal | Type::String | Type::Time => {}
            Type::Money => self.can_fail(span, "the currencies may differ"),
            other => return self.problem(span, format!("values of type {other} have no order"), "compare with `==` or `!=`"),
        }
        Some(Checked::new(Expr::Compare(how, Box::new(a.expr), Box::new(b.expr)), Type::Bool))
    }

    fn arithmetic(&mut self, span: &Span, how: Arithmetic, left: &Ast, right: &Ast) -> Option<Checked> {
        let (a, b) = (self.value(left), self.value(right));
        let (a, b) = (a?, b?);
        let multiply = how == Arithmetic::Multiply;
        let of = match (&a.of, &b.of) {
            (Type::Money, Type::Money) if multiply => {
                return self.problem(span, "money can't be multiplied by money", "multiply by a decimal: `x * y.amount`");
            }
            (Type::Money, Type::Money) => {
                self.can_fail(span, "the currencies may differ, or the digits may run out");
                Some(Type::Money)
            }
            (Type::Money, Type::Int | Type::Decimal) | (Type::Int | Type::Decimal, Type::Money) if multiply => {
                self.can_fail(span, "the digits may run out: nothing is rounded");
                Some(Type::Money)
            }
            (Type::Int, Type::Int) => Some(Type::Int),
            _ => None,
        };
        if let Some(of) = of {
            return Some(Checked::new(Expr::Arithmetic(how, Box::new(a.expr), Box::new(b.expr)), of));
        }
        let does = match how {
            Arithmetic::Add => "added",
            Arithmetic::Subtract => "subtracted",
            Arithmetic::Multiply => "multiplied",
        };
        let (a, b) = match alike(a, b) {
            Ok((a, b)) if a.of == Type::Decimal => (a, b),
            Ok((a, _)) => return self.problem(span, format!("values of type {} can't be {does}", a.of), "only int, decimal and money can"),
            Err(both) => return self.unlike(span, does, &both.0.of, &both.1.of),
        };
        self.can_fail(span, "the digits may run out: nothing is rounded");
        Some(Checked::new(Expr::Arithmetic(how, Box::new(a.expr), Box::new(b.expr)), Type::Decimal))
    }

    /// Two values that don't go together.
    fn unlike_values(&mut self, span: &Span, a: &Checked, b: &Checked) -> Option<Checked> {
        for (literal, of) in [(a, &b.of), (b, &a.of)] {
            if let (Some(text), Type::Uuid | Type::Time) = (literal.literal_text(), of.required()) {
                let example =
                    if *of.required() == Type::Time { "\"2025-12-28T10:00:00Z\"" } else { "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"" };
                return self.problem(span, format!("{text:?} is no {}", of.required()), format!("write it as {example}"));
            }
        }
        self.unlike(span, "compared", &a.of, &b.of)
    }

    /// Two types that don't go together.
    fn unlike(&mut self, span: &Span, does: &str, a: &Type, b: &Type) -> Option<Checked> {
        let hint = match (a.required(), b.required()) {
            (Type::Money, Type::Decimal | Type::Int) | (Type::Decimal | Type::Int, Type::Money) => {
                "of which currency? make it money with `money(x, currency)`, or take the other's `.amount`"
            }
            (Type::Decimal, Type::Int) | (Type::Int, Type::Decimal) => "make the int a decimal: `decimal(x)`",
            (Type::Decimal, Type::String) | (Type::String, Type::Decimal) => {
                "a number stands without quotes; a text becomes one by `decimal(x) else …`"
            }
            (_, Type::String) | (Type::String, _) => "make the other a text: `string(x)`",
            _ => "both must be of one type",
        };
        self.problem(span, format!("{a} and {b} can't be {does}"), hint)
    }

    fn choice(&mut self, span: &Span, condition: &Ast, yes: &Ast, no: &Ast) -> Option<Checked> {
        let condition = self.condition(condition);
        let (if_true, if_false) = condition.as_ref().map(|it| (it.if_true.clone(), it.if_false.clone())).unwrap_or_default();
        let (yes, no) = (self.knowing(&if_true, yes), self.knowing(&if_false, no));
        let (condition, yes, no) = (condition?, yes?, no?);
        let (yes, no) = match joined(yes, no) {
            Ok(both) => both,
            Err(both) => return self.unlike(span, "two results of one `? :`", &both.0.of, &both.1.of),
        };
        let of = yes.of.clone();
        Some(Checked::new(Expr::If(Box::new(condition.expr), Box::new(yes.expr), Box::new(no.expr)), of))
    }
}

fn listed(fields: &Fields) -> String {
    fields.keys().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}
