//! `fabric-probe`: the lab's probe for people, to be run in a namespace (`ip netns exec NAME fabric-probe …`).
//!
//! Prints one line of JSON per result; the exit status says whether everything got through.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use integration::probe::tcp;
use integration::probe::udp::{Echo, Flow, Pace};
use serde::Serialize;

/// Asks and answers over TCP and UDP, and counts.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer TCP connections with the address they seem to come from, and echo UDP packets, until killed.
    Serve {
        /// Address and port to listen on; `[::]:PORT` takes both families.
        #[arg(default_value = "[::]:8080")]
        listen: SocketAddr,
    },
    /// Connect over TCP and print how that went, and as whom the far end sees this one.
    Connect {
        /// Address and port of `serve`.
        to: SocketAddr,
        /// How long to wait, milliseconds.
        #[arg(long, default_value_t = 2_000)]
        timeout_ms: u64,
    },
    /// Send numbered UDP packets there and back, and print what became of them.
    Ping {
        /// Address and port of `serve`.
        to: SocketAddr,
        /// How many.
        #[arg(long, default_value_t = 100)]
        count: u64,
        /// Packets a second.
        #[arg(long, default_value_t = 100)]
        rate: u32,
    },
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Serve { listen } => {
            let _udp =
                Echo::start(UdpSocket::bind(listen).with_context(|| format!("listening on UDP {listen}"))?)?;
            let listener = TcpListener::bind(listen).with_context(|| format!("listening on TCP {listen}"))?;
            let _tcp = tcp::Server::start(listener)?;
            loop {
                std::thread::park();
            }
        }
        Command::Connect { to, timeout_ms } => {
            let outcome = tcp::connect(to, Duration::from_millis(timeout_ms))?;
            print(&outcome)?;
            Ok(verdict(matches!(outcome, tcp::Outcome::Connected { .. })))
        }
        Command::Ping { to, count, rate } => {
            let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
            let flow = Flow::round_trip(UdpSocket::bind(any)?, to, Pace::per_second(rate).times(count))?;
            let report = flow.complete()?;
            print(&report)?;
            Ok(verdict(report.lost == 0))
        }
    }
}

fn verdict(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[allow(clippy::print_stdout)] // This program's output.
fn print(result: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(result)?);
    Ok(())
}
