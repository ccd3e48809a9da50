//! `fabricctl`: the process around [`fabricctl::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    fabricctl::run(std::env::args_os())
}
