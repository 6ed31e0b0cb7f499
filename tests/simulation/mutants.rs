//! The net catches fish: each mistake that the program can be told to make is found within a thousand seeds, by a search that does not
//! know which one it is. `make mutants`.

#![cfg(feature = "mutants")]

use std::sync::Mutex;

use goyt::runtime::mutant::{self, Mutant};

use crate::{search, setups};

const SEEDS_MAX: u64 = 1_000;

#[test]
fn each_mistake_is_found_within_a_thousand_seeds() {
    let mut missed = Vec::new();
    for mistake in Mutant::ALL {
        mutant::arm(Some(*mistake));
        let found = Mutex::new(None);
        // The set-ups take turns.
        let setup = |seed: u64| match seed % 3 {
            0 => setups::platform(seed),
            1 => setups::shipped(),
            _ => setups::sessions(),
        };
        search(1..SEEDS_MAX + 1, setup, |seed, ended| {
            if let Some(violation) = &ended.violation {
                found.lock().unwrap().get_or_insert((seed, violation.clone()));
            }
            ended.violation.is_none()
        });
        mutant::arm(None);
        match found.into_inner().unwrap() {
            Some((seed, violation)) => eprintln!("{mistake:?}: found by seed {seed}: {:.150}", violation),
            None => missed.push(*mistake),
        }
    }
    eprintln!("{} of {} mistakes were found", Mutant::ALL.len() - missed.len(), Mutant::ALL.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}
