//! Topology files: from text to a checked plan, or to all mistakes at once.
//!
//! text → [`tree`] → [`spec`] → [`check`] → [`cut`] → [`Plan`]. Each stage goes on as far as it can, so that one run tells all.

mod check;
mod cut;
pub mod describe;
pub mod editor;
mod events;
pub mod format;
pub mod mistake;
pub mod reading;
mod spec;
mod steps;
mod syntax;
mod topics;
pub mod tree;
mod visit;

use std::collections::BTreeMap;

pub use events::Schemas;
pub use mistake::Mistake;

use crate::engine::plan::Plan;
use mistake::Mistakes;
use topics::Topics;

/// The files of an application.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Topologies: path and text.
    pub topologies: Vec<(String, String)>,
    /// Event schemas: path and text. A file is named after its event: `<TYPE>@<MAJOR>.json`.
    pub events: Vec<(String, String)>,
}

/// The schemas of events: path and text of each.
///
/// # Errors
/// All mistakes in all files.
pub fn schemas(events: &[(String, String)]) -> Result<Schemas, Vec<Mistake>> {
    let mut found = Vec::new();
    let schemas = events::read(events, &mut found);
    if found.is_empty() { Ok(schemas) } else { Err(found) }
}

/// The plan of an application.
///
/// # Errors
/// All mistakes in all files.
pub fn plan(application_id: &str, sources: &Sources) -> Result<Plan, Vec<Mistake>> {
    let mut found = Vec::new();
    let schemas = events::read(&sources.events, &mut found);
    // By name, so that the plan does not depend on the order of the files.
    let mut checked: BTreeMap<String, (check::Checked, Mistakes<'_>)> = BTreeMap::new();
    for (file, text) in &sources.topologies {
        let mut mistakes = Mistakes::of(file, text);
        let Some(root) = tree::read(&mut mistakes) else {
            found.extend(mistakes.into_sorted());
            continue;
        };
        let spec = spec::read(&root, &mut mistakes);
        let topology = check::check(&spec, &schemas, &mut mistakes);
        if let (Some((_, first)), Some(name)) = (checked.get(&topology.name), spec.name) {
            let reason = format!("`{}` is the name of the topology in {} already", topology.name, first.file());
            mistakes.add(name.node.span.clone(), reason, "choose another name: it names state and topics");
            found.extend(mistakes.into_sorted());
        } else if topology.is_placed() {
            checked.insert(topology.name.clone(), (topology, mistakes));
        } else {
            found.extend(mistakes.into_sorted());
        }
    }
    let mut topics = Topics::of(application_id);
    let descriptions = checked.iter().map(|(name, (topology, _))| (name.clone(), topology.description.clone())).collect();
    let mut subtopologies = Vec::new();
    for (_, (topology, mut mistakes)) in checked {
        subtopologies.extend(cut::cut(&topology, &mut topics, &mut mistakes));
        found.extend(mistakes.into_sorted());
    }
    if found.is_empty() {
        return Ok(Plan { application_id: application_id.to_owned(), descriptions, topics: topics.into_topics(), subtopologies });
    }
    found.sort_by(|a, b| (&a.file, a.span.start, a.span.end).cmp(&(&b.file, b.span.start, b.span.end)));
    Err(found)
}
