//! `dedup`: goes on only with ids not seen within the window of event time.
//!
//! Whether an id counts as seen is told by its time alone, so that it does not matter when expired ids are swept away.

use super::{Flow, Halt, Next, Way, too_old};
use crate::engine::expr::Expr;
use crate::engine::plan::{Late, Step};
use crate::engine::record::Millis;
use crate::engine::state::dedup_keys;

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
    if may_be_there && flow.read_state(store)? && dedup_keys::read_time(&flow.scratch.value).is_some_and(|seen| oldest <= seen) {
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
