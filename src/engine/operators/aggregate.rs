//! `aggregate`: folds the record into the state of its key, and with `each` into one of its parts.

use super::{Flow, Halt, Next, append_key, ended};
use crate::engine::codec;
use crate::engine::plan::{Aggregate, Each, Fold, Step, StorePlan};
use crate::engine::state::parts::{self, Found, PARTS_MAX};
use crate::engine::value::{Type, Value};

type Fields = [(String, Type)];

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, aggregate: &'r Aggregate) -> Result<Next, Box<Halt>> {
    let plan = flow.plan;
    let Some(store) = plan.stores.get(aggregate.store) else {
        return Err(ended(step, None, "the plan has no such store".to_owned()));
    };
    let (own, of_part) = store.value.split_at_checked(aggregate.fold.state.len()).unwrap_or((&store.value, &[]));
    flow.state_key(step, &aggregate.by, |_| {})?;
    let exists = flow.read_state(aggregate.store)?;
    let behind_own = fold(flow, step, store, (own, &aggregate.fold), exists.then_some(0))?;
    match &aggregate.each {
        None => {
            flow.scratch.value.clear();
            write(flow.slots, own, &aggregate.fold, &mut flow.scratch.value);
        }
        Some(each) => {
            let place = fold_part(flow, step, store, (of_part, each), behind_own)?;
            let scratch = &mut *flow.scratch;
            scratch.next.clear();
            write(flow.slots, own, &aggregate.fold, &mut scratch.next);
            let before = scratch.value.get(behind_own..behind_own + place.at.start).unwrap_or_default();
            scratch.next.extend_from_slice(before);
            write(flow.slots, of_part, &each.fold, &mut scratch.part);
            codec::write_bytes(&scratch.part, &mut scratch.next);
            let behind = scratch.value.get(behind_own + place.at.end..).unwrap_or_default();
            scratch.next.extend_from_slice(behind);
            std::mem::swap(&mut scratch.value, &mut scratch.next);
        }
    }
    flow.write_state(aggregate.store);
    Ok(Next::Step)
}

/// Folds the record into the part of its second key, whose bytes are left in the scratch memory. Gives where it is among the parts, which
/// begin at `parts` of the value.
fn fold_part<'r>(
    flow: &mut Flow<'_, 'r>,
    step: &Step,
    store: &StorePlan,
    (fields, each): (&Fields, &'r Each),
    parts: usize,
) -> Result<Found, Box<Halt>> {
    flow.scratch.part.clear();
    append_key(flow.slots, flow.texts, step, &each.by, &mut flow.scratch.part)?;
    let bytes = flow.scratch.value.get(parts..).unwrap_or_default();
    let damaged = || ended(step, None, format!("the state of store `{}`: an entry's parts can't be told apart", store.id));
    let place = parts::find(bytes, &flow.scratch.part).ok_or_else(damaged)?;
    if place.fields.is_none() && parts::all(bytes).is_none_or(|it| PARTS_MAX <= it.len()) {
        let message = format!("an entry of store `{}` has {PARTS_MAX} parts already; `each` is for few: put its key into `by`", store.id);
        return Err(ended(step, None, message));
    }
    let end = fold(flow, step, store, (fields, &each.fold), place.fields.map(|it| parts + it))?;
    if place.fields.is_some() && end != parts + place.at.end {
        return Err(damaged());
    }
    Ok(place)
}

/// Folds the record into a state: its fields are read from the value at `from` on, or are what they are at first. Gives where they end.
fn fold<'r>(
    flow: &mut Flow<'_, 'r>,
    step: &Step,
    store: &StorePlan,
    (fields, fold): (&Fields, &'r Fold),
    from: Option<usize>,
) -> Result<usize, Box<Halt>> {
    let mut end = 0;
    if let Some(from) = from {
        let mut bytes = flow.scratch.value.get(from..).unwrap_or_default();
        for ((_, of), slot) in fields.iter().zip(&fold.state) {
            let read = flow
                .slots
                .get_mut(usize::from(*slot))
                .and_then(|place| codec::read_into(place, &mut bytes, of, |it| flow.texts.keep(it.to_owned())));
            if read.is_none() {
                return Err(ended(step, None, format!("the state of store `{}`: {}", store.id, codec::malformed(of))));
            }
        }
        end = flow.scratch.value.len() - bytes.len();
    } else {
        for binding in &fold.init {
            flow.bind(step, binding)?;
        }
    }
    for binding in &fold.update {
        flow.bind(step, binding)?;
    }
    Ok(end)
}

/// Appends the fields of a state as the record left them.
fn write(slots: &[Value<'_>], fields: &Fields, fold: &Fold, into: &mut Vec<u8>) {
    for ((_, of), binding) in fields.iter().zip(&fold.update) {
        codec::write_value(slots.get(usize::from(binding.into)).unwrap_or(&Value::Null), of, into);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::record::{RecordRef, TopicPartition};
    use crate::engine::state::{Committed, StoreError};
    use crate::engine::task::effects::Effects;
    use crate::engine::task::{Outcome, Task};
    use crate::engine::topology::{self, Sources};

    const TOPOLOGY: &str = "
topology: kinds
inputs: [{ topic: sold, events: [SOLD@1] }]
steps:
  - aggregate:
      id: kinds
      by: event.shop
      init: { count: 0 }
      update: { count: state.count + 1 }
      each: { by: event.kind, init: { count_of_kind: 0 }, update: { count_of_kind: state.count_of_kind + 1 } }
";
    const SOLD: &str = r#"{ "type": "object", "required": ["shop", "kind"],
        "properties": { "shop": { "type": "string" }, "kind": { "type": "integer" } } }"#;

    struct Nothing;

    impl Committed for Nothing {
        fn get(&mut self, _: usize, _: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
            value.clear();
            Ok(false)
        }
    }

    #[test]
    fn an_entry_has_so_many_parts_and_then_the_task_stops() {
        let sources = Sources {
            topologies: vec![("kinds.yaml".into(), TOPOLOGY.to_owned())],
            events: vec![("SOLD@1.json".to_owned(), SOLD.to_owned())],
        };
        let plan = topology::plan("app", &sources).unwrap_or_else(|found| panic!("{found:#?}"));
        let part = plan.subtopologies[0].clone();
        let source = TopicPartition { topic: part.source, partition: 0 };
        let mut task = Task::new(Arc::new(part), 0, 1 << 20);
        let mut sell = |shop: &str, kind: usize| {
            let value = format!(
                r#"{{"eventType":"SOLD","eventId":"00000000-0000-4000-8000-{kind:012}","shop":"{shop}","kind":{kind},"timestamp":"2026-01-01T10:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#
            );
            let record = RecordRef { source, offset: 0, timestamp: Some(0), key: None, value: Some(value.as_bytes()), headers: &[] };
            task.process(record, 0, false, &mut Nothing, &mut Effects::default(), None)
        };
        // Downwards, so that each goes before the others.
        for kind in (1..=PARTS_MAX).rev() {
            assert_eq!(sell("one", kind), Ok(Outcome::Processed), "{kind}");
        }
        let stop = sell("one", 0).unwrap_err().to_string();
        assert_eq!(stop, "step `kinds`: an entry of store `kinds` has 1000 parts already; `each` is for few: put its key into `by`");
        assert_eq!(sell("one", 7), Ok(Outcome::Processed), "those that are there are none more");
        assert_eq!(sell("another", 0), Ok(Outcome::Processed));
    }
}
