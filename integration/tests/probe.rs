//! The probe against a kernel that loses and repeats packets on purpose: its account is exact.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use integration::lab::Lab;
use integration::link::{self, End};
use integration::namespace::Namespace;
use integration::probe::udp::{Echo, Flow, Pace};

const COUNT: u64 = 400;

fn pair(lab: &Lab) -> (Arc<Namespace>, Arc<Namespace>) {
    let (a, b) = (lab.namespace("a").unwrap(), lab.namespace("b").unwrap());
    let (one, other) = (["10.1.1.0/31".parse().unwrap()], ["10.1.1.1/31".parse().unwrap()]);
    link::connect(
        End { namespace: &a, interface: "to-b", addresses: &one },
        End { namespace: &b, interface: "to-a", addresses: &other },
    )
    .unwrap();
    (a, b)
}

fn socket(namespace: &Namespace, address: &str) -> UdpSocket {
    namespace.run(|| UdpSocket::bind(address)).unwrap().unwrap()
}

fn flow(from: &Namespace, to: &Namespace) -> Flow {
    let destination: SocketAddr = "10.1.1.1:7000".parse().unwrap();
    let pace = Pace::per_second(1_000).times(COUNT);
    Flow::one_way(socket(from, "10.1.1.0:0"), socket(to, "10.1.1.1:7000"), destination, pace).unwrap()
}

#[test]
fn nothing_is_lost_on_a_good_link() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    let report = flow(&a, &b).complete().unwrap();
    assert_eq!((report.sent, report.received, report.lost), (COUNT, COUNT, 0));
    assert_eq!((report.reordered, report.duplicated), (0, 0));
}

#[test]
fn every_packet_that_the_kernel_drops_is_counted_as_lost() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    b.output(
        "nft",
        &["add table inet lossy; \
           add chain inet lossy in { type filter hook input priority 0; }; \
           add rule inet lossy in udp dport 7000 numgen inc mod 10 == 3 counter drop"],
    )
    .unwrap();
    let report = flow(&a, &b).complete().unwrap();
    assert_eq!((report.sent, report.lost, report.received), (COUNT, COUNT / 10, COUNT - COUNT / 10));
    let counted = b.output("nft", &["list", "table", "inet", "lossy"]).unwrap();
    assert!(counted.contains(&format!("counter packets {} ", COUNT / 10)), "{counted}");
}

#[test]
fn every_packet_that_the_kernel_repeats_is_counted_as_a_duplicate() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    // A copy passes the chain too: the mark keeps it from being counted and copied in its turn.
    a.output(
        "nft",
        &["add table ip again; \
           add chain ip again out { type filter hook output priority 0; }; \
           add rule ip again out udp dport 7000 mark != 7 numgen inc mod 4 == 0 mark set 7 dup to 10.1.1.1 device to-b"],
    )
    .unwrap();
    let report = flow(&a, &b).complete().unwrap();
    assert_eq!((report.sent, report.received, report.lost), (COUNT, COUNT, 0));
    assert_eq!(report.duplicated, COUNT / 4);
}

#[test]
fn a_flow_ended_early_accounts_for_what_it_sent() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    let _echo = Echo::start(socket(&b, "10.1.1.1:7000")).unwrap();
    let to = "10.1.1.1:7000".parse().unwrap();
    let flow = Flow::round_trip(socket(&a, "10.1.1.0:0"), to, Pace::per_second(500)).unwrap();
    while flow.progress().1 < 50 {
        std::thread::yield_now();
    }
    let report = flow.finish().unwrap();
    assert!(report.sent >= 50 && report.sent < 100_000);
    assert_eq!((report.received, report.lost), (report.sent, 0));
}

#[test]
fn packets_without_a_way_are_lost_not_an_error() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    link::delete(&a, "to-b").unwrap();
    let socket_a = socket(&a, "0.0.0.0:0");
    let flow = Flow::one_way(
        socket_a,
        socket(&b, "0.0.0.0:7000"),
        "10.1.1.1:7000".parse().unwrap(),
        Pace::per_second(1_000).times(20),
    );
    let report = flow.unwrap().complete().unwrap();
    assert_eq!((report.sent, report.lost), (20, 20));
}
