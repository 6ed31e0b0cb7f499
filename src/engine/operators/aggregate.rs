//! `aggregate`: folds the record into the state of its key.

use super::{Flow, Halt, Next, ended};
use crate::engine::codec;
use crate::engine::plan::{Aggregate, Step};
use crate::engine::value::Value;

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, aggregate: &'r Aggregate) -> Result<Next, Halt> {
    let plan = flow.plan;
    let Some(store) = plan.stores.get(aggregate.store) else {
        return Err(ended(step, None, "the plan has no such store".to_owned()));
    };
    flow.state_key(step, &aggregate.by, |_| {})?;
    if flow.read_state(aggregate.store)? {
        let mut bytes = &flow.scratch.value[..];
        for ((_, of), slot) in store.value.iter().zip(&aggregate.state) {
            let read = flow
                .slots
                .get_mut(usize::from(*slot))
                .and_then(|place| codec::read_into(place, &mut bytes, of, |it| flow.texts.keep(it.to_owned())));
            if read.is_none() {
                return Err(ended(step, None, format!("the state of store `{}`: {}", store.id, codec::malformed(of))));
            }
        }
    } else {
        for binding in &aggregate.init {
            flow.bind(step, binding)?;
        }
    }
    for binding in &aggregate.update {
        flow.bind(step, binding)?;
    }
    flow.scratch.value.clear();
    for ((_, of), binding) in store.value.iter().zip(&aggregate.update) {
        let value = flow.slots.get(usize::from(binding.into)).unwrap_or(&Value::Null);
        codec::write_value(value, of, &mut flow.scratch.value);
    }
    flow.write_state(aggregate.store);
    Ok(Next::Step)
}
