//! The files of an application: topologies and event schemas under the paths of the command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::exit::{Exit, Failure};
use crate::engine::topology::Sources;

/// Where topologies are looked for when no path is given.
pub const DEFAULT_PATH: &str = "topologies";

/// Reads the topologies under these paths: a file is one, a directory has those of its `*.yaml` files that lie directly in it.
/// Event schemas are in `events/*.json` beside them.
///
/// # Errors
/// When a path can't be read, or there is no topology at all.
pub fn read(paths: &[PathBuf]) -> Result<Sources, Failure> {
    let default = [PathBuf::from(DEFAULT_PATH)];
    let paths = if paths.is_empty() { &default } else { paths };
    let mut topologies = BTreeMap::new();
    let mut events = BTreeMap::new();
    for path in paths {
        let (files, folder) = match path.is_dir() {
            true => (files(path, &["yaml", "yml"])?, path.as_path()),
            false => (vec![path.clone()], path.parent().unwrap_or(Path::new(""))),
        };
        let schemas = match folder.join("events") {
            events if events.is_dir() => self::files(&events, &["json"])?,
            _ => Vec::new(),
        };
        take(files, &mut topologies)?;
        take(schemas, &mut events)?;
    }
    if topologies.is_empty() {
        let named = paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(Exit::CONFIGURATION, format!("{named}: there is no topology here (*.yaml)")));
    }
    Ok(Sources { topologies: topologies.into_values().collect(), events: events.into_values().collect() })
}

/// Reads the files; one that was reached by two paths counts once.
fn take(files: Vec<PathBuf>, into: &mut BTreeMap<PathBuf, (String, String)>) -> Result<(), Failure> {
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let place = fs::canonicalize(&file).map_err(|error| unreadable(&file, &error))?;
        into.entry(place).or_insert_with(|| (file.display().to_string(), text));
    }
    Ok(())
}

/// The files of a folder with one of these extensions, in the order of their names.
///
/// # Errors
/// When the folder can't be read.
pub fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| unreadable(folder, &error))?;
    let fits = |path: &PathBuf| path.is_file() && path.extension().and_then(|it| it.to_str()).is_some_and(|it| extensions.contains(&it));
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|it| it.path()).filter(fits).collect();
    paths.sort();
    Ok(paths)
}

/// A file or folder that can't be read.
#[must_use]
pub fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::CONFIGURATION, format!("{}: can't be read: {error}", path.display()))
}
