//! `filter`: goes on only when the condition holds; else the record is filtered, which is no error.

use super::{Flow, Halt, Next, Way, halt};
use crate::engine::expr::condition::Condition;
use crate::engine::plan::Step;

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, that: &'r Condition) -> Result<Next, Box<Halt>> {
    match that.holds(flow.slots, flow.texts) {
        Ok(true) => Ok(Next::Step),
        Ok(false) => Ok(Next::End(Way::Filtered)),
        Err(fault) => Err(halt(step, &fault, None)),
    }
}
