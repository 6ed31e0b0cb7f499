//! What a simulation is given, and what a run of it says in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::faults::Fault;
use super::invariants::Invariant;
use super::process::Process;
use super::workload::Sample;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::partition::Content;
use crate::engine::plan::Plan;

/// What is run.
pub struct Setup {
    /// The plan of all topologies together.
    pub plan: Arc<Plan>,
    /// The plan of each topology alone, of the same application: its replay is the reference.
    pub alone: Vec<Plan>,
    /// What is put in.
    pub source: Source,
    /// What users say must hold.
    pub invariants: Vec<Invariant>,
    /// A further check of the cluster when all is over: what is wrong, in words.
    pub judge: Option<Judge>,
}

/// Where the records of a run come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// They are drawn, at most so many, after these samples where there are any.
    Drawn(Vec<Sample>, u64),
    /// These, in this order.
    Given(Vec<Given>),
}

/// A record to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The topic.
    pub topic: String,
    /// What.
    pub content: Content,
}

/// Judges what is left of a run.
pub type Judge = Box<dyn Fn(&Evidence<'_>) -> Result<(), String> + Send + Sync>;

/// What a judge may look at.
pub struct Evidence<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// All topics.
    pub cluster: &'a Cluster,
    /// The processes, with the state of their tasks.
    pub processes: &'a [Process],
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its seed.
    pub seed: u64,
    /// The same for the same seed and the same code.
    pub digest: u64,
    /// Records put in.
    pub records: u64,
    /// Records of sources processed and committed, by the workers' own counts.
    pub commits: u64,
    /// Turns of the simulation.
    pub turns: u64,
    /// How often each fault happened.
    pub faults: BTreeMap<Fault, u64>,
    /// What must not be; `None`: all is well.
    pub violation: Option<String>,
    /// What happened, when it was asked for.
    pub trace: Vec<String>,
}
