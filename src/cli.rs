//! Arguments, exit codes, output for people. One sub-command, one file.

use std::process::ExitCode;

/// Runs the binary.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
