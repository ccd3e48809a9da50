//! What a process has used, as the kernel counts it.

use std::fs;

use anyhow::{Context as _, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// CPU time of all its threads, user and system, seconds: what `/proc/PID/stat` has in ticks, here in nanoseconds.
pub fn read_cpu_secs(pid: u32) -> Result<f64> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    let clock = clock_getcpuclockid(pid).with_context(|| format!("the CPU clock of process {pid}"))?;
    let time = clock_gettime(clock).with_context(|| format!("the CPU time of process {pid}"))?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// The most memory it was ever resident with (`VmHWM`), MB of 10^6 octets.
pub fn read_peak_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the status of process {pid}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("VmHWM {line:?}"))?;
    Ok(kib * 1_024.0 / 1e6)
}

/// The TCP sockets of its namespace (proc_pid_net(5)): those that listen on this port.
pub fn listens(pid: u32, port: u16) -> Result<bool> {
    Ok(sockets(pid)?.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        let state = fields.nth(1).unwrap_or_default();
        local.ends_with(&format!(":{port:04X}")) && state == "0A"
    }))
}

/// How many octets wait to be sent to this address, or acknowledged by it.
pub fn read_unsent(pid: u32, peer: std::net::Ipv4Addr) -> Result<usize> {
    let peer = format!("{:08X}:", peer.to_bits().swap_bytes());
    let sockets = sockets(pid)?;
    let waiting = sockets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let queues =
            fields.get(4).filter(|_| fields.get(2).is_some_and(|remote| remote.starts_with(&peer)))?;
        usize::from_str_radix(queues.split(':').next()?, 16).ok()
    });
    Ok(waiting.max().unwrap_or(0))
}

fn sockets(pid: u32) -> Result<String> {
    // A socket bound to any IPv6 address takes IPv4 as well.
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/net/{file}"))
            .with_context(|| format!("the sockets of process {pid}"))
    };
    Ok(read("tcp")? + &read("tcp6").unwrap_or_default())
}
