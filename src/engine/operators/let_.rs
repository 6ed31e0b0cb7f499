//! `let`: computes values.

use super::{Flow, Halt, Next};
use crate::engine::plan::{Binding, Step};

pub(super) fn run(flow: &mut Flow<'_, '_>, step: &Step, bindings: &[Binding]) -> Result<Next, Halt> {
    for binding in bindings {
        flow.bind(step, binding)?;
    }
    Ok(Next::Step)
}
