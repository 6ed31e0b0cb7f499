//! A trial: one fault, made many times. Says how it ended, in one line, to the file that `CHAOS_REPORT` names; `make chaos` shows it.

use std::io::Write as _;
use std::time::Instant;

/// How many times a fault is made: as the environment says, else few, for `make test`.
pub fn chaos_times(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |it| it.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// See the module.
pub struct Trial {
    fault: &'static str,
    begun: Instant,
}

impl Trial {
    /// Begins it.
    pub fn begin(fault: &'static str) -> Self {
        Self { fault, begun: Instant::now() }
    }

    /// All was as it must be: so many records were compared with what they must be.
    pub fn end(self, times: usize, verified: usize) {
        self.end_with(times, &format!("{verified} records verified, 0 lost, 0 duplicated"));
    }

    /// As [`Trial::end`], in other words.
    pub fn end_with(self, times: usize, result: &str) {
        let line = format!("{:<46} {times:>4} times: {result}; {} s\n", self.fault, self.begun.elapsed().as_secs());
        print!("{line}");
        if let Ok(path) = std::env::var("CHAOS_REPORT") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the report");
            file.write_all(line.as_bytes()).expect("a line of the report");
        }
    }
}
