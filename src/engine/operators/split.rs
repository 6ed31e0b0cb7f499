//! `split`: one record, many legs; the steps that follow run once for each.

use super::{Flow, Halt, Way, halt, run as run_steps};
use crate::engine::plan::{Leg, Step};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, legs: &'r [Leg], rest: &'r [Step]) -> Result<Way, Box<Halt>> {
    let place = flow.place;
    let mut way = Way::Filtered;
    for (leg, number) in legs.iter().zip(1_u32..) {
        if number != 1 {
            flow.enter(step);
        }
        if let Some(when) = &leg.when
            && !when.holds(flow.slots, flow.texts).map_err(|it| halt(step, &it, None))?
        {
            continue;
        }
        for field in &leg.fields {
            flow.bind(step, field)?;
        }
        flow.place = place * 256 + number;
        // A record went through when one of its legs did.
        match run_steps(flow, rest)? {
            Way::Through => way = Way::Through,
            Way::Duplicate if way == Way::Filtered => way = Way::Duplicate,
            Way::Duplicate | Way::Filtered => {}
        }
    }
    flow.place = place;
    Ok(way)
}
