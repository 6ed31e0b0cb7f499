//! `allot`: gives out an integer that no other task gives out: n × 8192 + partition, n counted in the task's store.

use super::{Flow, Halt, Next, ended};
use crate::engine::codec;
use crate::engine::expr::Slot;
use crate::engine::plan::Step;
use crate::engine::state::Key;
use crate::engine::value::Value;

/// Partitions that fit: more are refused.
pub const PARTITIONS_MAX: i64 = 8192;

const COUNTER: &[u8] = b"n";

pub(super) fn run(flow: &mut Flow<'_, '_>, step: &Step, store: usize, into: Slot) -> Result<Next, Box<Halt>> {
    flow.scratch.key.clear();
    flow.scratch.key.extend_from_slice(COUNTER);
    flow.scratch.hash = Key::of(COUNTER).hash();
    let last = if flow.read_state(store)? { codec::read_int(&mut &flow.scratch.value[..]) } else { Some(0) };
    let partition = i64::from(flow.record.source.partition);
    let n = last.and_then(|it| it.checked_add(1));
    let number = n.and_then(|it| it.checked_mul(PARTITIONS_MAX)).and_then(|it| it.checked_add(partition));
    let (Some(n), Some(number), true) = (n, number, partition < PARTITIONS_MAX) else {
        return Err(ended(step, None, format!("no number is left to give out in partition {partition}")));
    };
    flow.scratch.value.clear();
    codec::write_int(n, &mut flow.scratch.value);
    flow.write_state(store);
    if let Some(slot) = flow.slots.get_mut(usize::from(into)) {
        *slot = Value::Int(number);
    }
    Ok(Next::Step)
}
