//! The `conduit` program.

use std::process::ExitCode;

/// A request is allocated on one thread and freed on another, which the system's allocator pays for with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    conduit::cli::main()
}
