//! What benches share: figures of many samples, how they are printed, and what a process has used.

use std::fs;

use anyhow::{Context as _, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

pub mod report;

#[cfg(test)]
mod tests;

/// The middle one; of an even number, the upper of the two. None of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    sorted(values).pick(500)
}

/// Values in ascending order.
#[must_use]
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Sorted {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    Sorted(values)
}

/// Values in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// The first that at least so many of a thousand are below; the last where that is all of them. None of none.
    #[must_use]
    pub fn pick(&self, per_mille: usize) -> Option<f64> {
        let place = self.0.len() * per_mille / 1_000;
        self.0.get(place).or(self.0.last()).copied()
    }
}

/// Seconds for people: as milli- or microseconds where they are few.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds < 0.000_1 {
        format!("{:.1} µs", seconds * 1e6)
    } else if seconds < 0.1 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.3} s")
    }
}

/// CPU time of all of a process's threads, user and system, seconds: what `/proc/PID/stat` has in ticks, here in
/// nanoseconds.
///
/// # Errors
/// When there is no such process.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub fn read_cpu_secs(pid: u32) -> Result<f64> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    let clock = clock_getcpuclockid(pid).with_context(|| format!("the CPU clock of process {pid}"))?;
    let time = clock_gettime(clock).with_context(|| format!("the CPU time of process {pid}"))?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// The most memory it was ever resident with (`VmHWM`), MB of 10^6 octets.
///
/// # Errors
/// When there is no such process.
pub fn read_peak_mb(pid: u32) -> Result<f64> {
    Ok(read_status(pid, "VmHWM")? / 1e6)
}

/// The memory that it is resident with (`VmRSS`), octets.
///
/// # Errors
/// When there is no such process.
pub fn read_resident(pid: u32) -> Result<f64> {
    read_status(pid, "VmRSS")
}

/// A field of `/proc/PID/status` (proc_pid_status(5)), octets.
fn read_status(pid: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the status of process {pid}"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("no {field}"))?;
    let kib: f64 =
        value.trim().trim_end_matches(" kB").parse().with_context(|| format!("{field} {value:?}"))?;
    Ok(kib * 1_024.0)
}
