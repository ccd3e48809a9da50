//! Two ends of a veth pair, each in a network namespace and on a thread of its own.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use super::Discovery;
use crate::net::tests::lab::{self, Lab};

async fn finds(interface: &str) -> Ipv6Addr {
    let (mut discovery, mut found) = Discovery::start();
    let interface: Arc<str> = interface.into();
    discovery.watch(BTreeSet::from([Arc::clone(&interface), "absent0".into()]));
    let finding = tokio::time::timeout(Duration::from_secs(20), found.recv()).await;
    let (on, neighbour) = finding.expect("in time").expect("the task runs");
    assert_eq!(on, interface);
    // The other end has to hear us as well.
    tokio::time::sleep(super::pace::QUICK + super::pace::QUICK / 2).await;
    neighbour
}

#[test]
fn both_ends_of_a_link_find_each_other() {
    let lab = Lab::pair();
    let left = lab.left.run(async || (finds("left0").await, lab::link_local("left0")));
    let right = lab.right.run(async || (finds("right0").await, lab::link_local("right0")));
    let (left, right) = (left.join().unwrap(), right.join().unwrap());
    assert_eq!(left.0, right.1);
    assert_eq!(right.0, left.1);
}

/// The kernel gives out the address when it has seen the carrier.
async fn comes_up(interface: &str) -> Ipv6Addr {
    loop {
        if let Some(address) = lab::find_link_local(interface) {
            return address;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn an_interface_that_was_deleted_and_made_again_is_served_again() {
    let lab = Lab::pair();
    let (seen, sightings) = std::sync::mpsc::channel();
    let (enough, _) = tokio::sync::watch::channel(false);
    let search = |interface: &'static str, seen: std::sync::mpsc::Sender<_>| {
        let mut ends = enough.subscribe();
        async move || {
            let (mut discovery, mut found) = Discovery::start();
            discovery.watch(BTreeSet::from([interface.into()]));
            loop {
                tokio::select! {
                    sighting = found.recv() => {
                        let (_, neighbour) = sighting.expect("the task runs");
                        seen.send((interface, neighbour)).expect("the test waits for it");
                    }
                    _ = ends.wait_for(|enough| *enough) => return,
                }
            }
        }
    };
    let ends = [lab.left.run(search("left0", seen.clone())), lab.right.run(search("right0", seen))];
    for round in 0..2 {
        if round > 0 {
            lab.reconnect();
        }
        let left = lab.left.run(async || comes_up("left0").await).join().unwrap();
        let right = lab.right.run(async || comes_up("right0").await).join().unwrap();
        // A new interface has a new address: nothing that was heard before is taken for it.
        let mut expected = BTreeSet::from([("left0", right), ("right0", left)]);
        while !expected.is_empty() {
            let sighting = sightings.recv_timeout(Duration::from_secs(20)).expect("both are found");
            expected.remove(&sighting);
        }
    }
    enough.send_replace(true);
    ends.into_iter().for_each(|end| end.join().unwrap());
}
