//! Listens to the kernel: links, addresses and routes (rtnetlink), and our nftables table.
//!
//! A listener that breaks ends the agent's knowledge of the kernel, not the agent: the loop is told to read everything,
//! and its regular audit carries on. What the listener itself can recover from (lost notifications) it does.

use std::time::Duration;

use crate::agent::{Event, Handle};
use crate::dataplane::netlink::{NetlinkEvent, Watcher};
use crate::dataplane::nftables::Events;

/// The pause before a listener that failed is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts passing on what the listeners hear.
pub fn start((watcher, events): (Watcher, Events), agent: &Handle) {
    tokio::spawn(follow_links_and_routes(watcher, agent.clone()));
    tokio::spawn(follow_table(events, agent.clone()));
}

async fn follow_links_and_routes(mut watcher: Watcher, agent: Handle) {
    loop {
        let event = match watcher.next().await {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "the kernel's notifications broke off; reading everything");
                tokio::time::sleep(PAUSE).await;
                NetlinkEvent::Overrun
            }
        };
        if agent.send(Event::Kernel(event)).await.is_err() {
            return;
        }
    }
}

async fn follow_table(mut events: Events, agent: Handle) {
    loop {
        match events.next().await {
            Ok(disturbance) => match disturbance.process {
                Some(process) => {
                    tracing::warn!(process, "table inet fabric was changed by somebody else; repairing")
                }
                None => tracing::warn!("nftables' notifications were lost; comparing"),
            },
            Err(error) => {
                tracing::warn!(%error, "nftables' notifications broke off; comparing");
                tokio::time::sleep(PAUSE).await;
            }
        }
        if agent.send(Event::NftablesTouched).await.is_err() {
            return;
        }
    }
}
