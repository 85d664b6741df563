//! The `endpoints` binary: crypto provider, arguments, exit code; nothing else.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    endpoints::cli::main()
}
