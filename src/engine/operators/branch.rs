//! `branch`: the first case that takes the record goes on with its own steps.

use super::{Flow, Halt, Way, halt, run as run_steps};
use crate::engine::plan::{Case, Step, When};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, cases: &'r [Case]) -> Result<Way, Box<Halt>> {
    for case in cases {
        let taken = match &case.when {
            When::Holds(that) => that.holds(flow.slots, flow.texts).map_err(|it| halt(step, &it, None))?,
            When::Event(event) => flow.event == *event,
            When::Otherwise => true,
        };
        if taken {
            return run_steps(flow, &case.steps);
        }
    }
    Ok(Way::Filtered)
}
