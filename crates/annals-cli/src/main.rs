//! The binary `annals`: every verb, and the demo.

use std::process::ExitCode;

fn main() -> ExitCode {
    annals_cli::main()
}
