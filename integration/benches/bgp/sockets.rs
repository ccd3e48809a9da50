//! The sockets of a process's namespace, as the kernel lists them.

use std::fs;

use anyhow::{Context as _, Result};

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
