//! Rules on the code itself, checked on its text. The layers and the code map are read from ARCHITECTURE.md, so that they stay true.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const FILE_LINES_MAX: usize = 500;
const FOLDER_FILES_MAX: usize = 15;

/// What must not be left behind.
const LEFTOVERS: [&str; 5] = ["FIXME", "XXX", "dbg!(", "todo!(", "#[ignore"];

/// What may stand only under some paths of `src/`: the text, the paths, and why.
const CONFINED: [(&str, &[&str], &str); 12] = [
    ("rdkafka::", &["src/adapters/kafka/"], "A5: the Kafka client is known to its adapter alone"),
    ("rdkafka_sys", &["src/adapters/kafka/"], "A5: the Kafka client is known to its adapter alone"),
    ("rocksdb::", &["src/adapters/rocks/"], "A5: RocksDB is known to its adapter alone"),
    ("tokio::", &["src/adapters/http/", "src/cli/"], "A5: nothing on the way of a record is asynchronous"),
    ("async ", &["src/adapters/http/", "src/cli/"], "A6: nothing on the way of a record is asynchronous"),
    ("unsafe ", &["src/adapters/kafka/raw"], "A5: unsafe code is kept in one place"),
    ("SystemTime::now", &["src/adapters/clock.rs"], "A1: take the time from runtime::ports::Clock"),
    ("Instant::now", &["src/adapters/"], "A1: take the time from runtime::ports::Clock"),
    ("thread::sleep", &["src/adapters/"], "A1: wait by runtime::ports::Clock"),
    ("env::var", &["src/config/", "src/cli/"], "settings come from config"),
    ("println!(", &[], "data and messages go through the command line's writer"),
    ("process::exit", &["src/main.rs", "src/cli/"], "errors are returned: the exit code is made in one place"),
];

/// What must not stand under a path of `src/`: the path, the text, and why.
const BANNED: [(&str, &str, &str); 4] = [
    ("src/runtime/", "cfg!(", "A9: the loop that is simulated is the loop that runs"),
    ("src/sim/", "engine::task", "A9: the simulation drives workers, and never a task"),
    ("src/sim/", "runtime::tasks::Tasks", "A9: the simulation drives workers, and never a task"),
    ("src/sim/", "tasks_mut", "A9: the simulation drives workers, and never a task"),
];

/// The conditions under which code of `src/runtime/` may be compiled (A9): tests, and mistakes made on purpose.
const RUNTIME_CONDITIONS: [&str; 3] = ["#[cfg(test)]", "#[cfg(feature = \"mutants\")]", "#[cfg(not(feature = \"mutants\"))]"];
/// The file that alone may have the latter.
const MUTANTS: &str = "src/runtime/mutant.rs";

/// Words of the shipped topologies' domain (A2). A word counts where no letter stands before it: `rebalance` is none.
const DOMAIN: [&str; 6] = ["wallet", "customer", "kyc", "balance", "payment", "ledger"];

/// What tests must not do. The one place that may is `tests/support/wait.rs`.
const NOT_IN_TESTS: [&str; 2] = ["thread::sleep", "time::sleep"];

/// This file names what it forbids.
const THIS_FILE: &str = "tests/tidy.rs";

#[test]
fn layers_are_named_downwards_only() {
    let layers = layers(&read("ARCHITECTURE.md"));
    report(sources("src").iter().flat_map(|it| names_upwards(it, &layers)));
}

#[test]
fn the_code_map_is_the_tree() {
    let map = code_map(&read("ARCHITECTURE.md"));
    report(map_faults(&map, &folders(&sources("src"))));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    report(all_sources().iter().flat_map(form_faults));
}

#[test]
fn folders_are_small() {
    report(folder_faults(&all_sources()));
}

#[test]
fn powers_stay_where_they_belong() {
    report(sources("src").iter().flat_map(power_faults));
}

#[test]
fn the_simulated_loop_is_the_one_that_runs() {
    report(sources("src").iter().flat_map(simulation_faults));
}

#[test]
fn src_knows_no_domain() {
    report(sources("src").iter().flat_map(domain_faults));
}

#[test]
fn tests_wait_for_conditions() {
    report(sources("tests").iter().flat_map(test_faults));
}

/// A file of Rust: its path from the root of the repository, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// One finding: `src/a.rs:12: what`.
    fn at(&self, offset: usize, what: impl std::fmt::Display) -> String {
        let line = 1 + self.text[..offset].matches('\n').count();
        format!("{}:{line}: {what}", self.path)
    }

    /// `src/runtime/worker.rs` is of the layer `runtime`; `src/lib.rs` is of none.
    fn layer(&self) -> Option<&str> {
        let (layer, _file) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(layer)
    }

    fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _file)| folder)
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
            || self.path.contains("/tests/")
    }

    /// The text with comments blanked out and without the tests at its end; offsets are those of the text.
    fn code(&self) -> String {
        let product = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let line = |line: &str| match line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':')) {
            Some((at, _)) => format!("{}{}", &line[..at], " ".repeat(line.len() - at)),
            None => line.to_owned(),
        };
        product.split('\n').map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Lines such as `runtime -> engine config` of the block ```layers: who may name whom.
fn layers(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let block =
        architecture.split("```layers\n").nth(1).and_then(|it| it.split("```").next()).expect("ARCHITECTURE.md has a block ```layers");
    let rule = |line: &str| {
        let (layer, below) = line.split_once("->").expect("a line of the layers has an arrow");
        (layer.trim().to_owned(), below.split_whitespace().map(str::to_owned).collect())
    };
    block.lines().map(rule).collect()
}

fn names_upwards(source: &Source, layers: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let Some(layer) = source.layer() else { return Vec::new() };
    let Some(below) = layers.get(layer) else {
        return vec![source.at(0, format!("`{layer}` is not among the layers in ARCHITECTURE.md"))];
    };
    modules_named(&source.code())
        .into_iter()
        .filter(|(_, named)| named != layer && !below.contains(named))
        .map(|(offset, named)| source.at(offset, format!("`{layer}` must not name `{named}`")))
        .collect()
}

/// The top-level modules that a text names: `crate::a::b` names `a`; `crate::{a::{b, c}, d}` names `a` and `d`.
fn modules_named(text: &str) -> Vec<(usize, String)> {
    text.match_indices("crate::")
        .flat_map(|(start, root)| first_words(&text[start + root.len()..]).into_iter().map(move |it| (start, it)))
        .collect()
}

/// `a::b` gives `a`; `{a::{b, c}, d}` gives `a` and `d`.
fn first_words(path: &str) -> Vec<String> {
    let word = |it: &str| it.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut words, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                words.push(word(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    words.retain(|it| !it.is_empty());
    words
}

/// The folders named in the first column of the table under "Code map".
fn code_map(architecture: &str) -> BTreeSet<String> {
    let section =
        architecture.split("\n## Code map\n").nth(1).and_then(|it| it.split("\n## ").next()).expect("ARCHITECTURE.md has a code map");
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/` |")).map(|(folder, _)| folder.to_owned()).collect()
}

/// The folders that hold more than tests.
fn folders(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().filter(|it| !it.is_test()).map(|it| it.folder().to_owned()).collect()
}

fn map_faults(map: &BTreeSet<String>, tree: &BTreeSet<String>) -> Vec<String> {
    let unnamed = tree.difference(map).map(|it| format!("ARCHITECTURE.md: the code map has no row for `{it}/`"));
    let gone = map.difference(tree).map(|it| format!("ARCHITECTURE.md: the code map names `{it}/`, which is not there"));
    unnamed.chain(gone).collect()
}

fn form_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !source.text.starts_with("//! ") {
        faults.push(source.at(0, "begin with `//!` and one sentence: what is this file for?"));
    }
    let lines = source.text.lines().count();
    if FILE_LINES_MAX < lines {
        faults.push(source.at(0, format!("{lines} lines, more than {FILE_LINES_MAX}: split it by responsibility")));
    }
    for leftover in LEFTOVERS.iter().filter(|_| source.path != THIS_FILE) {
        faults.extend(words(&source.text, leftover).into_iter().map(|offset| source.at(offset, format!("left behind: `{leftover}`"))));
    }
    faults
}

fn folder_faults(sources: &[Source]) -> Vec<String> {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources {
        *files.entry(source.folder()).or_default() += 1;
    }
    let large = files.into_iter().filter(|(_, count)| FOLDER_FILES_MAX < *count);
    large.map(|(folder, count)| format!("{folder}/: {count} files, more than {FOLDER_FILES_MAX}: group them")).collect()
}

fn power_faults(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let code = source.code();
    let outside = CONFINED.iter().filter(|(_, places, _)| !places.iter().any(|it| source.path.starts_with(it)));
    outside
        .flat_map(|(text, _, why)| words(&code, text).into_iter().map(move |offset| (offset, format!("`{}`: {why}", text.trim_end()))))
        .map(|(offset, what)| source.at(offset, what))
        .collect()
}

fn simulation_faults(source: &Source) -> Vec<String> {
    let code = source.code();
    let banned = BANNED.iter().filter(|(path, ..)| source.path.starts_with(path));
    let mut faults: Vec<String> = banned
        .flat_map(|(_, text, why)| code.match_indices(text).map(move |(at, _)| (at, why)))
        .map(|(at, why)| source.at(at, why))
        .collect();
    if source.path.starts_with("src/runtime/") {
        let allowed =
            |line: &str| RUNTIME_CONDITIONS.iter().enumerate().any(|(nth, it)| line == *it && (nth == 0 || source.path == MUTANTS));
        let conditions = code.match_indices("#[cfg").filter(|(at, _)| !allowed(code[*at..].lines().next().unwrap_or_default().trim()));
        faults.extend(conditions.map(|(at, _)| source.at(at, "A9: the loop that is simulated is the loop that runs")));
    }
    faults
}

fn domain_faults(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let product = source.text.split("#[cfg(test)]").next().unwrap_or_default().to_ascii_lowercase();
    let found = DOMAIN.iter().flat_map(|word| words(&product, word).into_iter().map(move |offset| (offset, word)));
    found.map(|(offset, word)| source.at(offset, format!("`{word}`: A2: src/ knows nothing of the topologies' domain"))).collect()
}

fn test_faults(source: &Source) -> Vec<String> {
    if [THIS_FILE, "tests/support/wait.rs"].contains(&source.path.as_str()) {
        return Vec::new();
    }
    let found = NOT_IN_TESTS.iter().flat_map(|text| source.text.match_indices(*text));
    found.map(|(offset, it)| source.at(offset, format!("`{it}`: wait for a condition with a deadline, support::wait"))).collect()
}

/// Where a text stands with no letter before it.
fn words(text: &str, word: &str) -> Vec<usize> {
    let starts = |offset: &usize| !text[..*offset].ends_with(|it: char| it.is_alphanumeric());
    text.match_indices(word).map(|(offset, _)| offset).filter(starts).collect()
}

fn report(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn all_sources() -> Vec<Source> {
    let mut sources = sources("src");
    sources.extend(self::sources("tests"));
    sources.extend(self::sources("benches"));
    sources
}

/// All files of Rust under a folder, in order.
fn sources(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(root().join(folder)).expect("a folder").map(|it| it.expect("an entry")).collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            sources.extend(self::sources(&path));
        } else if path.ends_with(".rs") {
            sources.push(Source { text: read(&path), path });
        }
    }
    sources
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rules can fail: for each, a text that breaks it and one that does not.
mod the_rules {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn modules_are_read_from_paths_and_groups() {
        let table = [
            ("use crate::engine::task::Task;", vec!["engine"]),
            ("use crate::{\n    cli::{a, b},\n    runtime, config,\n};\nx", vec!["cli", "runtime", "config"]),
            ("fn f(it: crate::cli::X) {}", vec!["cli"]),
            ("use std::fs;", vec![]),
        ];
        for (text, expected) in table {
            let named: Vec<String> = modules_named(text).into_iter().map(|(_, name)| name).collect();
            assert_eq!(named, expected, "{text}");
        }
    }

    #[test]
    fn a_layer_above_is_found_with_its_line() {
        let layers = layers("```layers\nengine ->\nruntime -> engine\n```");
        let upwards = source("src/engine/a.rs", "//! A.\n// crate::runtime in a comment\nuse crate::runtime::b;\n");
        assert_eq!(names_upwards(&upwards, &layers), ["src/engine/a.rs:3: `engine` must not name `runtime`"]);
        assert!(names_upwards(&source("src/runtime/a.rs", "use crate::{engine, runtime};"), &layers).is_empty());
        assert_eq!(names_upwards(&source("src/extra/a.rs", ""), &layers).len(), 1);
    }

    #[test]
    fn the_map_is_compared_both_ways() {
        let map =
            code_map("x\n## Code map\n| folder | what |\n|---|---|\n| `src/a/` | … |\n| `src/gone/` | … |\n## Next\n| `src/b/` | … |");
        let tree = folders(&[source("src/a/mod.rs", ""), source("src/b/mod.rs", ""), source("src/c/tests.rs", "")]);
        let faults = map_faults(&map, &tree);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("no row for `src/b/`") && faults[1].contains("names `src/gone/`"), "{faults:?}");
    }

    #[test]
    fn form_is_judged() {
        assert_eq!(form_faults(&source("src/a.rs", "fn f() {}")).len(), 1);
        assert_eq!(form_faults(&source("src/a.rs", &format!("//! A.\n{}", "\n".repeat(FILE_LINES_MAX)))).len(), 1);
        assert_eq!(form_faults(&source("src/a.rs", &format!("//! A.\n// {}", LEFTOVERS[0]))), ["src/a.rs:2: left behind: `FIXME`"]);
        assert!(form_faults(&source("src/a.rs", "//! A.\nfn f() {}")).is_empty());
    }

    #[test]
    fn a_large_folder_is_found() {
        let files = |count: usize| (0..count).map(|it| source(&format!("src/a/{it}.rs"), "")).collect::<Vec<_>>();
        assert!(folder_faults(&files(FOLDER_FILES_MAX)).is_empty());
        assert_eq!(folder_faults(&files(FOLDER_FILES_MAX + 1)).len(), 1);
    }

    #[test]
    fn powers_are_confined() {
        let table = [
            ("src/engine/a.rs", "use rocksdb::DB;", 1),
            ("src/adapters/rocks/a.rs", "use rocksdb::DB;", 0),
            ("src/engine/a.rs", "// rocksdb::DB would do\nlet url = \"https://rocksdb.org\";", 0),
            ("src/runtime/a.rs", "let now = Instant::now();", 1),
            ("src/runtime/a.rs", "let x = 1; #[cfg(test)] mod tests { Instant::now() }", 0),
            ("src/adapters/kafka/consumer.rs", "unsafe { f() }", 1),
            ("src/adapters/kafka/raw/list.rs", "unsafe { f() }", 0),
        ];
        for (path, text, faults) in table {
            assert_eq!(power_faults(&source(path, text)).len(), faults, "{path}: {text}");
        }
    }

    #[test]
    fn domain_words_are_found_but_not_rebalance() {
        assert_eq!(domain_faults(&source("src/engine/a.rs", "struct Wallet; // a balance")).len(), 2);
        assert!(
            domain_faults(&source("src/engine/a.rs", "fn rebalance() {}\n#[cfg(test)]\nmod tests { const WALLET: u8 = 1; }")).is_empty()
        );
        assert!(domain_faults(&source("src/engine/tests.rs", "struct Wallet;")).is_empty());
    }

    #[test]
    fn sleeping_tests_are_found() {
        assert_eq!(test_faults(&source("tests/a.rs", "std::thread::sleep(x)")).len(), 1);
        assert!(test_faults(&source("tests/support/wait.rs", "thread::sleep")).is_empty());
    }
}
