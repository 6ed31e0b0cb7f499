//! The examples of docs/language.md and docs/tutorial.md are checked and run, so that the pages can't drift from the language.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A fenced block: what stands behind the fence, its text, and its line.
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new(), line: number + 1 }),
            (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    blocks
}

/// An example as files, as a reader would write them.
struct Example {
    folder: TempDir,
    name: String,
}

impl Example {
    fn of(topology: &str, events: &[(String, String)]) -> Self {
        let name = topology.lines().find_map(|it| it.strip_prefix("topology: ")).unwrap();
        let name = name.split_whitespace().next().unwrap().to_owned();
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("topologies/events")).unwrap();
        fs::create_dir_all(folder.path().join("topologies/tests")).unwrap();
        fs::write(folder.path().join(format!("topologies/{name}.yaml")), topology).unwrap();
        for (event, schema) in events {
            fs::write(folder.path().join(format!("topologies/events/{event}.json")), schema).unwrap();
        }
        Self { folder, name }
    }

    /// `goyt` with these arguments, and what it says.
    fn goyt(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_goyt")).args(arguments).current_dir(self.folder.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    fn test(&self, file: &str) -> (bool, String) {
        fs::write(self.folder.path().join(format!("topologies/tests/{}.yaml", self.name)), file).unwrap();
        self.goyt(&["test"])
    }
}

#[test]
fn the_examples_of_the_language_reference_are_what_the_page_says() {
    let blocks = blocks("language.md");
    let named = |info: &str| blocks.iter().filter_map(|it| Some((it.info.strip_prefix(info)?.to_owned(), it.text.clone()))).collect();
    let events: Vec<(String, String)> = named("json event ");
    let file = blocks.iter().find(|it| it.info == "yaml test").unwrap().text.clone();
    let samples = file.split_once("samples:\n").unwrap().1.split_once("tests:\n").unwrap().0;
    let (mut current, mut checked, mut run): (Option<Example>, u32, u32) = (None, 0, 0);
    for Block { info, text, line } in &blocks {
        let place = format!("docs/language.md:{line}");
        match info.as_str() {
            "yaml topology" => current = Some(Example::of(text, &events)),
            "yaml steps" => current = Some(Example::of(&with_steps(text), &events)),
            "yaml cases" => {
                let example = current.as_ref().unwrap();
                let (passed, said) = example.test(&format!("topologies: [{}]\nsamples:\n{samples}tests:\n{text}", example.name));
                assert!(passed, "{place}: {said}");
                run += 1;
                continue;
            }
            "yaml test" => {
                let (passed, said) = current.as_ref().unwrap().test(text);
                assert!(passed, "{place}: {said}");
                run += 1;
                continue;
            }
            other => {
                if let Some(reason) = other.strip_prefix("yaml steps refused: ") {
                    let (valid, said) = Example::of(&with_steps(text), &events).goyt(&["validate"]);
                    assert!(!valid && said.contains(reason), "{place}: {said}");
                    checked += 1;
                }
                continue;
            }
        }
        let (valid, said) = current.as_ref().unwrap().goyt(&["validate"]);
        assert!(valid, "{place}: {said}");
        checked += 1;
    }
    assert!(10 < checked && 8 < run, "{checked} {run}: the blocks are still found");
}

fn with_steps(steps: &str) -> String {
    format!("topology: example\ninputs: [{{ topic: orders, events: [ORDER_PLACED@1] }}]\nsteps:\n{steps}")
}

#[test]
fn every_operator_and_code_stands_in_the_language_reference() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md")).unwrap();
    for operator in goyt::engine::topology::format::operators() {
        assert!(page.contains(&format!("\n### {operator}\n")), "{operator}");
    }
    for code in goyt::engine::failure::code::ALL {
        assert!(page.contains(&format!("\n| `{code}` |")), "{code}");
    }
    for planned in goyt::engine::topology::format::NOT_YET {
        assert!(page.contains(&format!("`{planned}`")), "{planned}");
    }
}

/// Writes the files of the tutorial and runs its commands, those that need no Kafka; what they print is compared with what the page shows.
#[test]
fn the_tutorial_works_as_written() {
    let folder = TempDir::new().unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_goyt")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let (mut said, mut run, mut compared) = (String::new(), 0, 0);
    for Block { info, text, line } in blocks("tutorial.md") {
        let place = format!("docs/tutorial.md:{line}");
        if let Some((_, file)) = info.split_once(" file=") {
            let file = folder.path().join("logins").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        } else if info == "sh" {
            let shell = Command::new("sh").args(["-e", "-c", &text]).current_dir(folder.path().join("logins")).env("PATH", &path).output();
            let output = shell.unwrap();
            said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{place}: {said}");
            run += 1;
        } else if info == "text output" {
            assert_eq!(said.trim_end(), text.trim_end(), "{place}");
            compared += 1;
        }
    }
    assert!(2 < run && 1 < compared, "{run} {compared}: the blocks are still found");
}
