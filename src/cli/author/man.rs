//! `goyt man` and `goyt completions`: what is made of the command line's own declaration.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{CommandLine, out, sources};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt completions bash > ~/.local/share/bash-completion/completions/goyt
  goyt completions zsh > ~/.zfunc/_goyt
  goyt completions fish > ~/.config/fish/completions/goyt.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints them.
    ///
    /// # Errors
    /// None.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut CommandLine::command(), "goyt", &mut script);
        out::data(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::OK)
    }
}

/// Write the manual pages
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  goyt man ~/.local/share/man/man1      then: man goyt, man goyt-run, …")]
pub struct Man {
    /// The directory that they go to; it is made when it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    /// Writes them.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let failed = |error: std::io::Error| Failure::new(Exit::FAILED, sources::unreadable(&self.directory, &error).message);
        fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(CommandLine::command(), &self.directory).map_err(failed)?;
        out::say(&format!("the manual pages are in {}", self.directory.display()));
        Ok(Exit::OK)
    }
}
