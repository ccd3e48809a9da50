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
    tokio::time::sleep(super::EAGER + super::EAGER / 2).await;
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
