//! Ctrl-C and SIGTERM: the lab is removed, then the process ends.

use std::thread;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::lab::Closer;

/// The exit status that shells expect of a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on, closes the lab and exits when this process is asked to end.
///
/// # Errors
/// When signals cannot be watched.
pub fn close_on_signal(closer: Closer) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context("watching SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("watching SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).context("watching SIGHUP")?;
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        complain(closer.close());
        // Not by unwinding: the other threads may be anywhere. Nothing that they hold is left.
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

#[allow(clippy::print_stderr)] // The last words of a process that is ending.
fn complain(closed: Result<()>) {
    match closed {
        Ok(()) => eprintln!("\ninterrupted: everything was taken down again"),
        Err(error) => eprintln!("\ninterrupted, but not everything could be taken down: {error:#}"),
    }
}
