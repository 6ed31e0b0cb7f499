//! `unique`: goes on only with ids never seen, for ever.

use super::{Flow, Halt, Next, Way};
use crate::engine::plan::{Operand, Step};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, store: usize, by: &'r [Operand]) -> Result<Next, Box<Halt>> {
    flow.state_key(step, by, |_| {})?;
    if flow.read_state(store)? {
        return Ok(Next::End(Way::Duplicate));
    }
    // Which event claimed the id: for whoever asks why a later one had no effect.
    flow.overlay.put(store, flow.scratch.key(), Some(&flow.envelope.event_id.to_be_bytes()));
    Ok(Next::Step)
}
