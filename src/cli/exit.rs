//! How the process ends: the exit codes, and a failure that carries one.

use std::process::ExitCode;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All went well.
    pub const OK: Self = Self(0);
    /// Something failed, or differs from what was expected.
    pub const FAILED: Self = Self(1);
    /// The command line makes no sense.
    pub const USAGE: Self = Self(2);
    /// Kafka can't be reached.
    pub const UNREACHABLE: Self = Self(69);
    /// Stopped without the last commit; nothing is lost by that.
    pub const UNCOMMITTED: Self = Self(75);
    /// Settings or topologies have mistakes.
    pub const CONFIGURATION: Self = Self(78);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}

/// Why a command ends early. The message has been written for people, and may have several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What went wrong, where, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}
