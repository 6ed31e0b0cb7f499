//! Hands the command line over, and ends with its exit code.

fn main() -> std::process::ExitCode {
    goyt::cli::main(std::env::args_os())
}
