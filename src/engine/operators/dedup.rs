//! `dedup`: goes on only with ids not seen within the window of event time.
//!
//! Whether an id counts as seen is told by its time alone, so that it does not matter when expired ids are swept away.

use super::{Flow, Halt, Next, Scratch, Way, too_old};
use crate::engine::expr::Expr;
use crate::engine::plan::{Late, Step};
use crate::engine::record::Millis;
use crate::engine::state::{Key, StoreError, dedup_keys, dedup_pages};

pub(super) fn run<'r>(
    flow: &mut Flow<'_, 'r>,
    step: &Step,
    store: usize,
    by: &'r [Expr],
    window_ms: i64,
    late: Late,
) -> Result<Next, Halt> {
    let time: Millis = flow.envelope.micros.div_euclid(1000);
    let oldest = flow.stream_time.saturating_sub(window_ms);
    if time < oldest {
        return match late {
            Late::Process => Ok(Next::Step),
            Late::Reject => Err(too_old(step, format!("the event is {} ms older than the dedup window reaches", oldest - time))),
        };
    }
    flow.state_key(step, by, dedup_keys::begin_id)?;
    let may_be_there = flow.seen.get(store).is_none_or(|it| it.may_have(flow.scratch.key()));
    if may_be_there && was_seen(flow, store, oldest)? {
        return Ok(Next::End(Way::Duplicate));
    }
    let scratch = &mut *flow.scratch;
    scratch.value.clear();
    dedup_keys::write_time(time, &mut scratch.value);
    if let Some(seen) = flow.seen.get_mut(store) {
        seen.add(scratch.key(), time);
    }
    flow.overlay.put(store, scratch.key(), Some(&scratch.value));
    Ok(Next::Step)
}

/// Whether the id in the scratch memory was seen at `oldest` or later.
fn was_seen(flow: &mut Flow<'_, '_>, store: usize, oldest: Millis) -> Result<bool, Halt> {
    let Scratch { key, hash, page, .. } = &mut *flow.scratch;
    for name in flow.pages.get(store).into_iter().flat_map(|it| it.with(*hash)) {
        if flow.overlay.get(flow.committed, store, Key::of(&name.indexed_key()), page)? {
            let id = dedup_keys::id_of(key).unwrap_or_default();
            let seen = dedup_pages::time_of(name, page, id).map_err(|it| StoreError::Damaged(it.to_string()))?;
            if seen.is_some_and(|it| oldest <= it) {
                return Ok(true);
            }
        }
    }
    Ok(flow.read_state(store)? && dedup_keys::read_time(&flow.scratch.value).is_some_and(|seen| oldest <= seen))
}
