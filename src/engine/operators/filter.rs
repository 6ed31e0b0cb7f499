//! `filter`: goes on only when the condition holds; else the record is filtered, which is no error.

use super::{Flow, Halt, Next, Way, halt};
use crate::engine::expr::{Expr, eval};
use crate::engine::plan::Step;

pub(super) fn run(flow: &mut Flow<'_, '_>, step: &Step, that: &Expr) -> Result<Next, Halt> {
    match eval::truth(that, &flow.slots) {
        Ok(true) => Ok(Next::Step),
        Ok(false) => Ok(Next::End(Way::Filtered)),
        Err(fault) => Err(halt(step, &fault, None)),
    }
}
