//! Goes through steps: which slots and stores they use, and gives them other numbers.

use std::collections::BTreeSet;

use crate::engine::expr::condition::{Comparison, Condition};
use crate::engine::expr::{Expr, Slot};
use crate::engine::plan::{Binding, Fold, Operand, Operator, Step, When};

/// The slots that steps read, those behind a `key` left out.
pub fn read(steps: &[Step]) -> BTreeSet<Slot> {
    let mut slots = BTreeSet::new();
    uses(steps, &mut |slot, written| slots.extend((!written).then_some(slot)));
    slots
}

/// The slots that steps write.
pub fn written(steps: &[Step]) -> BTreeSet<Slot> {
    let mut slots = BTreeSet::new();
    uses(steps, &mut |slot, written| slots.extend(written.then_some(slot)));
    slots
}

fn uses(steps: &[Step], each: &mut dyn FnMut(Slot, bool)) {
    for step in steps {
        // One walk for both: renumbering a copy to the same numbers.
        let mut operator = step.operator.clone();
        slots(&mut operator, &mut |slot, written| each(*slot, written), &mut |_| {});
        if let Operator::Branch(cases) = &step.operator {
            cases.iter().for_each(|it| uses(&it.steps, each));
        }
    }
}

/// The stores that steps use.
pub fn stores(steps: &[Step], each: &mut dyn FnMut(usize)) {
    for step in steps {
        let mut operator = step.operator.clone();
        slots(&mut operator, &mut |_, _| {}, &mut |store| each(*store));
        if let Operator::Branch(cases) = &step.operator {
            cases.iter().for_each(|it| stores(&it.steps, each));
        }
    }
}

/// The ids of the `key` steps.
pub fn keys(steps: &[Step], each: &mut dyn FnMut(&str)) {
    for step in steps {
        match &step.operator {
            Operator::Key { .. } => each(&step.id),
            Operator::Branch(cases) => cases.iter().for_each(|it| keys(&it.steps, each)),
            _ => {}
        }
    }
}

/// Gives the slots and the store of a step other numbers; the steps inside a branch are left as they are, and so are layouts.
pub fn renumber(operator: &mut Operator, slot: &mut dyn FnMut(&mut Slot), store: &mut dyn FnMut(&mut usize)) {
    slots(operator, &mut |it, _| slot(it), store);
}

/// Each slot of a step, and whether it is written; each store.
fn slots(operator: &mut Operator, slot: &mut dyn FnMut(&mut Slot, bool), store: &mut dyn FnMut(&mut usize)) {
    match operator {
        Operator::Let(it) => bindings(it, slot),
        Operator::Require { that, .. } | Operator::Filter { that } => condition(that, slot),
        Operator::Branch(cases) => {
            for case in cases {
                if let When::Holds(that) = &mut case.when {
                    condition(that, slot);
                }
            }
        }
        Operator::Split(legs) => {
            for leg in legs {
                leg.when.iter_mut().for_each(|it| condition(it, slot));
                bindings(&mut leg.fields, slot);
            }
        }
        Operator::Key { by, .. } => by.iter_mut().for_each(|it| operand(it, slot)),
        Operator::Dedup { store: at, by, .. } | Operator::Unique { store: at, by } => {
            store(at);
            by.iter_mut().for_each(|it| operand(it, slot));
        }
        Operator::Allot { store: at, into } => {
            store(at);
            slot(into, true);
        }
        Operator::Aggregate(it) => {
            store(&mut it.store);
            it.by.iter_mut().for_each(|it| operand(it, slot));
            fold(&mut it.fold, slot);
            if let Some(each) = &mut it.each {
                each.by.iter_mut().for_each(|it| operand(it, slot));
                fold(&mut each.fold, slot);
            }
        }
        Operator::Emit(it) => {
            it.key.iter_mut().for_each(|it| operand(it, slot));
            it.value.iter_mut().for_each(|it| operand(&mut it.value, slot));
        }
    }
}

fn fold(of: &mut Fold, slot: &mut dyn FnMut(&mut Slot, bool)) {
    bindings(&mut of.init, slot);
    bindings(&mut of.update, slot);
    of.state.iter_mut().for_each(|it| slot(it, true));
}

fn bindings(bindings: &mut [Binding], slot: &mut dyn FnMut(&mut Slot, bool)) {
    for it in bindings {
        expr(&mut it.value, slot);
        slot(&mut it.into, true);
    }
}

fn operand(of: &mut Operand, slot: &mut dyn FnMut(&mut Slot, bool)) {
    match of {
        Operand::Slot(it) | Operand::AmountOf(it) | Operand::CurrencyOf(it) => slot(it, false),
        Operand::Computed(it) => expr(it, slot),
    }
}

fn condition(of: &mut Condition, slot: &mut dyn FnMut(&mut Slot, bool)) {
    for it in of.comparisons_mut() {
        match it {
            Comparison::IsNull(it) | Comparison::IsText(it, _) => slot(it, false),
            Comparison::Other(it) => expr(it, slot),
        }
    }
}

fn expr(of: &mut Expr, slot: &mut dyn FnMut(&mut Slot, bool)) {
    match of {
        Expr::Const(_) | Expr::Text(_) => {}
        Expr::Slot(it) => slot(it, false),
        Expr::Not(a) | Expr::Neg(a) => expr(a, slot),
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Equal(a, b) | Expr::Compare(_, a, b) | Expr::Arithmetic(_, a, b) => {
            expr(a, slot);
            expr(b, slot);
        }
        Expr::If(a, b, c) => {
            expr(a, slot);
            expr(b, slot);
            expr(c, slot);
        }
        Expr::Call(_, arguments) => arguments.iter_mut().for_each(|it| expr(it, slot)),
    }
}
