//! Which partition has a key: known where the records come by a `key` step whose key is part of the store's.

use crate::engine::expr::Slot;
use crate::engine::json::encode;
use crate::engine::partition;
use crate::engine::plan::{Layout, Operand, Operator, Plan, Step, StorePlan, Subtopology};
use crate::engine::value::Value;

/// The partition of the repartition topic to which records with this key go; `None`: the store's key does not tell.
pub(super) fn partition(plan: &Plan, part: &Subtopology, store: &StorePlan, key: &[Value<'_>], partitions: i32) -> Option<i32> {
    let before = plan.subtopologies.iter().filter(|it| it.topology == part.topology);
    let (by, layout) = before.flat_map(|it| steps(&it.steps)).find_map(|it| match &it.operator {
        Operator::Key { by, to, layout } if *to == part.source => Some((by, layout)),
        _ => None,
    })?;
    let index = part.stores.iter().position(|it| it.id == store.id)?;
    let stored = steps(&part.steps).find_map(|it| by_of(&it.operator, index))?;
    let mut bytes = Vec::new();
    for (number, part) in by.iter().enumerate() {
        let behind = Operand::Slot(behind(part, layout)?);
        let value = stored.iter().position(|it| *it == behind).and_then(|it| key.get(it))?;
        if number != 0 {
            bytes.push(b'|');
        }
        encode::text(value, &mut bytes);
    }
    Some(partition::partition_of(&bytes, partitions))
}

/// Where the value of a part of the repartition key is behind it.
fn behind(part: &Operand, layout: &Layout) -> Option<Slot> {
    let Operand::Slot(before) = part else { return None };
    layout.fields.iter().find(|(it, ..)| it == before).map(|(_, behind, _)| *behind)
}

/// The key of a step that keeps this store.
fn by_of(operator: &Operator, index: usize) -> Option<&[Operand]> {
    match operator {
        Operator::Dedup { store, by, .. } | Operator::Unique { store, by } if *store == index => Some(by),
        Operator::Aggregate(it) if it.store == index => Some(&it.by),
        _ => None,
    }
}

/// All steps, those inside branches too.
fn steps(steps: &[Step]) -> Box<dyn Iterator<Item = &Step> + '_> {
    Box::new(steps.iter().flat_map(|step| {
        let inner: Box<dyn Iterator<Item = &Step>> = match &step.operator {
            Operator::Branch(cases) => Box::new(cases.iter().flat_map(|it| self::steps(&it.steps))),
            _ => Box::new(std::iter::empty()),
        };
        std::iter::once(step).chain(inner)
    }))
}
