//! Invariants as the judge of a simulated run.

use super::Invariant;
use crate::sim::facts::Facts;
use crate::sim::run::{Evidence, Judge};

/// Judges what is left of a run by these; `None`: there are none.
#[must_use]
pub fn judge(invariants: Vec<Invariant>) -> Option<Judge> {
    if invariants.is_empty() {
        return None;
    }
    Some(Box::new(move |evidence| {
        let facts = Facts::of(evidence.plan, evidence.cluster, |task, store| entries(evidence, task, store))?;
        let violations: Vec<String> = invariants.iter().flat_map(|it| it.violations(&facts)).collect();
        if violations.is_empty() { Ok(()) } else { Err(violations.join("; ")) }
    }))
}

/// A store where its task is open: on the disks of others there may be an older one.
fn entries(evidence: &Evidence<'_>, task: &str, store: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let disk = evidence.processes.iter().map(|it| &it.disk).find(|it| it.open_tasks().iter().any(|it| it == task))?;
    disk.entries(task, store)
}
