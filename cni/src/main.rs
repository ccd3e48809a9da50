//! `fabric-cni`: the process around [`cni::serve`].

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let answer = cni::serve(&|name| std::env::var_os(name), &mut std::io::stdin().lock());
    let written = std::io::stdout().lock().write_all(answer.stdout.as_bytes());
    if answer.success && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
