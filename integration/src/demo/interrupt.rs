//! Ctrl-C and SIGTERM: the lab is removed, then the process ends.
//!
//! Meanwhile the demo finds its processes dying. That is no failure to be reported: before it says anything, it waits for
//! an interrupt that has come to have its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::lab::Closer;

/// The exit status that shells expect of a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether this process was asked to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on, closes the lab and exits when this process is asked to end.
    ///
    /// # Errors
    /// When signals cannot be watched.
    pub fn watch(closer: Closer) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).context("watching SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("watching SIGTERM")?;
        let mut hang_up = signal(SignalKind::hangup()).context("watching SIGHUP")?;
        drop(guard);
        let came = Arc::new(AtomicBool::new(false));
        let comes = Arc::clone(&came);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
            });
            comes.store(true, Ordering::SeqCst);
            complain(closer.close());
            // Not by unwinding: the other threads may be anywhere. Nothing that they hold is left.
            std::process::exit(INTERRUPTED);
        });
        Ok(Self { came })
    }

    /// Returns at once, unless an interrupt has come: then never.
    pub fn give_way(&self) {
        while self.came.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

#[allow(clippy::print_stderr)] // The last words of a process that is ending.
fn complain(closed: Result<()>) {
    match closed {
        Ok(()) => eprintln!("\ninterrupted: everything was taken down again"),
        Err(error) => eprintln!("\ninterrupted, but not everything could be taken down: {error:#}"),
    }
}
