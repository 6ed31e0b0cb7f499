//! Any text as a topology file, and as the schema of an event.

use goyt::engine::topology::{Mistake, Sources, describe, plan, schemas};

use super::record::SCHEMA;

/// A file becomes the same plan each time, or mistakes that have a place in it, a reason and a hint.
pub fn run(bytes: &[u8]) {
    // A file that is not UTF-8 is told before it gets here.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let events = vec![("E@1.json".to_owned(), SCHEMA.to_owned())];
    let sources = Sources { topologies: vec![("t.yaml".to_owned(), text.to_owned())], events };
    match plan("app", &sources) {
        Ok(found) => {
            assert_eq!(plan("app", &sources).unwrap(), found);
            assert!(describe::describe(&found).is_ascii() || !text.is_ascii());
        }
        Err(mistakes) => told(text, &mistakes),
    }
    if let Err(mistakes) = schemas(&[("E@1.json".to_owned(), text.to_owned())]) {
        told(text, &mistakes);
    }
}

fn told(text: &str, mistakes: &[Mistake]) {
    assert!(!mistakes.is_empty(), "refused without a word");
    for it in mistakes {
        assert!(text.get(it.span.clone()).is_some(), "{it} at {:?} is no place in {text:?}", it.span);
        assert!(!it.reason.is_empty() && !it.hint.is_empty() && 1 <= it.line && 1 <= it.column, "{it:?}");
    }
}
