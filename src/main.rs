//! Hands the command line over, and ends with its exit code.

/// For the C and C++ libraries as well; set up in `adapters/kafka/raw/heap.rs`.
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    goyt::cli::main(std::env::args_os())
}
