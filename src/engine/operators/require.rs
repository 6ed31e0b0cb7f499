//! `require`: goes on only when the condition holds; else the record fails.

use super::{Flow, Halt, Next, ended, halt};
use crate::engine::expr::Otherwise;
use crate::engine::expr::condition::Condition;
use crate::engine::plan::Step;

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, that: &'r Condition, otherwise: &Otherwise) -> Result<Next, Box<Halt>> {
    match that.holds(flow.slots, flow.texts) {
        Ok(true) => Ok(Next::Step),
        Ok(false) => Err(ended(step, Some(otherwise), format!("`{}` does not hold", step.id))),
        Err(fault) => Err(halt(step, &fault, Some(otherwise))),
    }
}
