//! Conditions as they are tested: one comparison after the other, each with what follows when it holds and when it does not. So `!`, `&&`,
//! `||` and `?:` cost nothing, and the commonest comparisons, those with null and with a literal, look at one slot.

use super::{Expr, Fault, Slot, eval};
use crate::engine::bytes;
use crate::engine::value::{Texts, Value};

/// A condition, ready to be tested.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    first: Then,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq)]
struct Test {
    that: Comparison,
    if_true: Then,
    if_false: Then,
}

/// What is compared. Numbered as [`Kind`](crate::engine::schema::Kind) is.
#[derive(Debug, Clone, PartialEq)]
#[repr(u8)]
pub enum Comparison {
    /// Whether a slot has nothing in it.
    IsNull(Slot),
    /// Whether a slot has this text in it.
    IsText(Slot, String),
    /// Any other condition.
    Other(Expr),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// The test at this index.
    Test(usize),
    /// The condition holds, or does not.
    End(bool),
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// What the topology's `else` decides about.
    pub fn holds<'v>(&'v self, slots: &[Value<'v>], texts: &'v Texts) -> Result<bool, Box<Fault>> {
        let mut then = self.first;
        loop {
            let index = match then {
                Then::Test(index) => index,
                Then::End(holds) => return Ok(holds),
            };
            let Some(test) = self.tests.get(index) else { return Ok(false) };
            let is = match &test.that {
                Comparison::IsNull(slot) => eval::slot_value(*slot, slots).is_null(),
                Comparison::IsText(slot, text) => {
                    matches!(eval::slot_value(*slot, slots), Value::Str(it) if bytes::equal(it.as_bytes(), text.as_bytes()))
                }
                Comparison::Other(expr) => eval::truth(expr, slots, texts)?,
            };
            then = if is { test.if_true } else { test.if_false };
        }
    }

    /// What it compares.
    pub fn comparisons_mut(&mut self) -> impl Iterator<Item = &mut Comparison> {
        self.tests.iter_mut().map(|it| &mut it.that)
    }

    /// Adds the tests of an expression; the first of them.
    fn add(&mut self, expr: Expr, if_true: Then, if_false: Then) -> Then {
        match expr {
            Expr::Not(it) => self.add(*it, if_false, if_true),
            Expr::And(a, b) => {
                let second = self.add(*b, if_true, if_false);
                self.add(*a, second, if_false)
            }
            Expr::Or(a, b) => {
                let second = self.add(*b, if_true, if_false);
                self.add(*a, if_true, second)
            }
            Expr::If(condition, yes, no) => {
                let (yes, no) = (self.add(*yes, if_true, if_false), self.add(*no, if_true, if_false));
                self.add(*condition, yes, no)
            }
            other => {
                self.tests.push(Test { that: other.into(), if_true, if_false });
                Then::Test(self.tests.len() - 1)
            }
        }
    }
}

impl From<Expr> for Condition {
    fn from(expr: Expr) -> Self {
        let mut condition = Self { first: Then::End(false), tests: Vec::new() };
        condition.first = condition.add(expr, Then::End(true), Then::End(false));
        condition
    }
}

impl From<Expr> for Comparison {
    fn from(expr: Expr) -> Self {
        if let Expr::Equal(a, b) = &expr {
            match (&**a, &**b) {
                (Expr::Slot(slot), Expr::Const(Value::Null)) | (Expr::Const(Value::Null), Expr::Slot(slot)) => return Self::IsNull(*slot),
                (Expr::Slot(slot), Expr::Text(text)) | (Expr::Text(text), Expr::Slot(slot)) => return Self::IsText(*slot, text.clone()),
                _ => {}
            }
        }
        Self::Other(expr)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Conditions over a bool, a text and an optional integer.
    fn conditions() -> impl Strategy<Value = Expr> {
        let equal = |slot, value| Expr::Equal(Box::new(Expr::Slot(slot)), Box::new(value));
        let leaf = prop_oneof![
            any::<bool>().prop_map(|it| Expr::Const(Value::Bool(it))),
            Just(Expr::Slot(0)),
            "[ab]".prop_map(move |it| equal(1, Expr::Text(it))),
            Just(equal(2, Expr::Const(Value::Null))),
            // Fails on null: what must not be looked at is not.
            Just(Expr::Compare(super::super::Comparison::Less, Box::new(Expr::Slot(2)), Box::new(Expr::Const(Value::Int(3))))),
        ];
        leaf.prop_recursive(5, 40, 3, |inner| {
            let boxed = || inner.clone().prop_map(Box::new);
            prop_oneof![
                boxed().prop_map(Expr::Not),
                (boxed(), boxed()).prop_map(|(a, b)| Expr::And(a, b)),
                (boxed(), boxed()).prop_map(|(a, b)| Expr::Or(a, b)),
                (boxed(), boxed(), boxed()).prop_map(|(a, b, c)| Expr::If(a, b, c)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_condition_holds_when_its_expression_is_true(expr in conditions(), bool in any::<bool>(), text in "[ab]", int in prop::option::of(0..5_i64)) {
            let slots = [Value::Bool(bool), Value::Str(&text), int.map_or(Value::Null, Value::Int)];
            let (condition, texts) = (Condition::from(expr.clone()), Texts::new());
            prop_assert_eq!(condition.holds(&slots, &texts), eval::truth(&expr, &slots, &texts));
        }
    }
}
