//! `let`: computes values.

use super::{Flow, Halt, Next};
use crate::engine::plan::{Binding, Step};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, bindings: &'r [Binding]) -> Result<Next, Box<Halt>> {
    for binding in bindings {
        flow.bind(step, binding)?;
    }
    Ok(Next::Step)
}
