//! On loopback, with ports of the kernel's choice instead of the well-known ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::{Receiver, Transmitter};
use crate::bfd::Watch;
use crate::config::Bfd;
use crate::net::bfd::sessions::{Arrival, Path};

fn watch(remote: IpAddr, interface: Option<&str>) -> Watch {
    let interval = Duration::from_millis(50);
    let settings =
        Bfd { transmit_interval: interval, receive_interval: interval, multiplier: 3, multihop: false };
    Watch { remote, local: Some(remote), interface: interface.map(Arc::from), settings }
}

async fn next(receiver: &mut Receiver) -> Arrival {
    loop {
        std::future::poll_fn(|context| match receiver.poll_ready(context) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        })
        .await;
        if let Some(arrival) = receiver.receive().unwrap() {
            return arrival;
        }
    }
}

#[tokio::test]
async fn what_arrives_says_where_it_came_from_and_how_far() {
    let loopbacks: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in loopbacks {
        let mut receiver = Receiver::bind(Path::SingleHop, SocketAddr::new(address, 0)).unwrap();
        let to = receiver.socket.local_addr().unwrap();
        let mut transmitter = Transmitter::open(&watch(address, Some("lo")), 50_000).unwrap();
        transmitter.to = to;
        transmitter.send(b"near").unwrap();
        let arrival = next(&mut receiver).await;
        let interface = transmitter.interface.unwrap().get();
        let expected = Arrival {
            path: Path::SingleHop,
            source: address,
            destination: address,
            interface,
            hops: 255,
            datagram: b"near".to_vec(),
        };
        assert_eq!(arrival, expected);

        let socket = SockRef::from(&transmitter.socket);
        if address.is_ipv4() { socket.set_ttl_v4(64) } else { socket.set_unicast_hops_v6(64) }.unwrap();
        transmitter.send(&[0; 1000]).unwrap();
        let arrival = next(&mut receiver).await;
        assert_eq!(
            (arrival.hops, arrival.datagram.len()),
            (64, super::DATAGRAM_OCTETS),
            "cut, and no harm done"
        );
        assert_eq!(receiver.receive().unwrap(), None);
    }
}

#[test]
fn each_session_has_a_port_of_its_own_in_the_range() {
    let address = Ipv4Addr::new(127, 0, 0, 77).into();
    let first = Transmitter::open(&watch(address, None), 65_535).unwrap();
    let second = Transmitter::open(&watch(address, None), first.port).unwrap();
    assert_ne!(first.port, second.port);
    assert!(first.port >= 49_152 && second.port >= 49_152);
    let low = Transmitter::open(&watch(address, None), 7).unwrap();
    assert!(low.port >= 49_152);
}

#[test]
fn what_cannot_be_sent_from_is_an_error_and_not_a_panic() {
    let link_local = "fe80::1".parse().unwrap();
    for (remote, interface) in [
        (link_local, None),
        (link_local, Some("nosuchinterface")),
        ("192.0.2.1".parse().unwrap(), None),
        ("10.0.0.1".parse().unwrap(), Some("a name longer than any interface has")),
    ] {
        assert!(Transmitter::open(&watch(remote, interface), 50_000).is_err(), "{remote} {interface:?}");
    }
}
