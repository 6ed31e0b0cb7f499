//! `dedup`: goes on only with ids not seen within the window of event time.
//!
//! Whether an id counts as seen is told by its time alone, so that it does not matter when expired ids are swept away.

use super::{Flow, Halt, Next, Scratch, Way, too_old};
use crate::engine::plan::{Late, Operand, Step};
use crate::engine::record::Millis;
use crate::engine::state::{Key, StoreError, dedup_keys, dedup_pages};

pub(super) fn run<'r>(
    flow: &mut Flow<'_, 'r>,
    step: &Step,
    store: usize,
    by: &'r [Operand],
    window_ms: i64,
    late: Late,
) -> Result<Next, Box<Halt>> {
    let time: Millis = flow.envelope.micros.div_euclid(1000);
    let oldest = flow.stream_time.saturating_sub(window_ms);
    if time < oldest {
        return match late {
            Late::Process => Ok(Next::Step),
            Late::Reject => Err(too_old(step, format!("the event is {} ms older than the dedup window reaches", oldest - time))),
        };
    }
    flow.state_key(step, by, dedup_keys::begin_id)?;
    if was_seen(flow, store, oldest)? {
        return Ok(Next::End(Way::Duplicate));
    }
    flow.scratch.value.clear();
    dedup_keys::write_time(time, &mut flow.scratch.value);
    flow.write_state(store);
    Ok(Next::Step)
}

/// Whether the id in the scratch memory was seen at `oldest` or later.
fn was_seen(flow: &mut Flow<'_, '_>, store: usize, oldest: Millis) -> Result<bool, Box<Halt>> {
    let Scratch { key, hash, place, page, value, .. } = &mut *flow.scratch;
    // By the transaction under way: whatever was before that, it was older, or this would not have been written.
    *place = flow.overlay.locate_open(store, Key::hashed(key, *hash), value);
    if place.is_known() {
        return Ok(dedup_keys::read_time(value).is_some_and(|seen| oldest <= seen));
    }
    for name in flow.pages.get(store).into_iter().flat_map(|it| it.with(*hash)) {
        if flow.overlay.get(flow.committed, store, Key::of(&name.indexed_key()), page)? {
            let id = dedup_keys::id_of(key).unwrap_or_default();
            let seen = dedup_pages::time_of(name, page, id).map_err(|it| StoreError::Damaged(it.to_string()))?;
            if seen.is_some_and(|it| oldest <= it) {
                return Ok(true);
            }
        }
    }
    let may_have_entry = flow.seen.get(store).is_none_or(|it| it.may_have(flow.scratch.key()));
    Ok(may_have_entry && flow.read_state(store)? && dedup_keys::read_time(&flow.scratch.value).is_some_and(|seen| oldest <= seen))
}
