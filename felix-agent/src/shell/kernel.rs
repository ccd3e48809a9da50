//! Listens to the kernel: links, addresses and routes (rtnetlink), and our nftables table.
//!
//! Lost notifications are told as such, and everything is read. A listener that breaks altogether ends here, and the agent
//! with it: a new life reads everything, and keeps what is right.

use std::io;

use crate::agent::{Event, Handle};
use crate::dataplane::netlink::Watcher;
use crate::dataplane::nftables::Events;

/// Passes on what the listeners hear, until the loop has ended.
///
/// # Errors
/// When a listener breaks.
pub async fn follow((watcher, events): (Watcher, Events), agent: Handle) -> io::Result<()> {
    tokio::select! {
        ended = follow_links_and_routes(watcher, &agent) => ended,
        ended = follow_table(events, &agent) => ended,
    }
}

async fn follow_links_and_routes(mut watcher: Watcher, agent: &Handle) -> io::Result<()> {
    loop {
        let event = watcher.next().await?;
        if agent.send(Event::Kernel(event)).await.is_err() {
            return Ok(());
        }
    }
}

async fn follow_table(mut events: Events, agent: &Handle) -> io::Result<()> {
    loop {
        match events.next().await?.process {
            Some(process) => {
                tracing::warn!(process, "table inet fabric was changed by somebody else; repairing");
            }
            None => tracing::warn!("nftables' notifications were lost; comparing"),
        }
        if agent.send(Event::NftablesTouched).await.is_err() {
            return Ok(());
        }
    }
}
