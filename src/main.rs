//! The `conduit` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    conduit::cli::main()
}
