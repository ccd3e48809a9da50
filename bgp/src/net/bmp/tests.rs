//! With real connections, to collectors that take messages apart by hand.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::Exporter;
use crate::speaker::{Monitored, MonitoredDown, MonitoredId, MonitoredPeer};
use crate::wire::{Nlri, Open, Update};

const ROUTES: u8 = 0;
const DOWN: u8 = 2;
const UP: u8 = 3;
const INITIATION: u8 = 4;
const TERMINATION: u8 = 5;

fn id(last: u8) -> MonitoredId {
    let address = Ipv4Addr::new(10, 0, 0, last);
    MonitoredId { address: address.into(), asn: 65_002, router_id: address }
}

fn up(last: u8) -> Monitored {
    let open = |last| Open {
        asn: 65_001,
        hold_time_secs: 90,
        router_id: Ipv4Addr::new(10, 0, 0, last),
        capabilities: vec![],
    };
    Monitored::Up(Box::new(MonitoredPeer {
        peer: id(last),
        local: None,
        remote_port: 179,
        sent: open(1),
        received: open(last),
    }))
}

fn withdrawal(last: u8, prefix: &str) -> Monitored {
    let withdrawn = vec![Nlri { prefix: prefix.parse().unwrap(), path_id: 0 }];
    Monitored::Routes { peer: id(last), update: Update { withdrawn, ..Update::default() } }
}

/// What a message is, and whom it is about.
async fn next(stream: &mut TcpStream) -> (u8, u8) {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 3);
    let length = u32::from_be_bytes(head[1..5].try_into().unwrap()) as usize;
    let mut body = vec![0; length - head.len()];
    stream.read_exact(&mut body).await.unwrap();
    let about_peer = head[5] < INITIATION;
    (head[5], if about_peer { body[25] } else { 0 })
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

#[tokio::test]
async fn a_collector_gets_everything_and_then_what_happens() {
    let (listener, address) = listen().await;
    let (mut exporter, mut announced) = Exporter::start(vec![address], "node1".into());
    let mut stream = accept(&listener).await;
    assert_eq!(next(&mut stream).await, (INITIATION, 0));
    let number = announced.recv().await.unwrap();
    assert_eq!(number, 0);
    exporter.tell(&up(9));
    exporter.tell(&Monitored::Down { peer: id(9), reason: MonitoredDown::Lost });
    exporter.dump(number, vec![up(2), withdrawal(2, "192.0.2.0/24")]);
    exporter.tell(&up(3));
    exporter.tell(&withdrawal(3, "192.0.2.0/24"));
    exporter.tell(&withdrawal(2, "192.0.2.0/24"));
    exporter.tell(&Monitored::Down { peer: id(2), reason: MonitoredDown::Deconfigured });
    let expected = [
        (UP, 2),
        (ROUTES, 2),
        // End-of-RIB.
        (ROUTES, 2),
        (UP, 3),
        (ROUTES, 3),
        (ROUTES, 2),
        (DOWN, 2),
    ];
    for message in expected {
        assert_eq!(next(&mut stream).await, message);
    }
    exporter.shutdown().await;
    assert_eq!(next(&mut stream).await, (TERMINATION, 0));
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_collector_that_went_away_is_dialled_again_and_told_everything_anew() {
    let (listener, address) = listen().await;
    let (mut exporter, mut announced) = Exporter::start(vec![address], "node1".into());
    for round in 0..2 {
        let mut stream = accept(&listener).await;
        assert_eq!(next(&mut stream).await, (INITIATION, 0));
        exporter.dump(announced.recv().await.unwrap(), vec![up(2)]);
        assert_eq!(next(&mut stream).await, (UP, 2), "round {round}");
    }
}

#[tokio::test]
async fn collectors_come_and_go_without_disturbing_the_others() {
    let (first, first_address) = listen().await;
    let (second, second_address) = listen().await;
    let (mut exporter, mut announced) = Exporter::start(vec![first_address], "node1".into());
    let mut stays = accept(&first).await;
    assert_eq!(next(&mut stays).await, (INITIATION, 0));
    exporter.dump(announced.recv().await.unwrap(), vec![up(2)]);
    exporter.set_collectors(vec![second_address, first_address]);
    let mut comes = accept(&second).await;
    assert_eq!(next(&mut comes).await, (INITIATION, 0));
    let number = announced.recv().await.unwrap();
    assert_eq!(number, 1);
    exporter.dump(0, vec![up(7)]);
    exporter.dump(number, vec![up(2)]);
    exporter.set_collectors(vec![second_address]);
    exporter.tell(&withdrawal(2, "192.0.2.0/24"));
    for message in [(UP, 2), (ROUTES, 2), (TERMINATION, 0)] {
        assert_eq!(next(&mut stays).await, message);
    }
    for message in [(UP, 2), (ROUTES, 2), (ROUTES, 2)] {
        assert_eq!(next(&mut comes).await, message);
    }
    drop(exporter);
    assert_eq!(next(&mut comes).await, (TERMINATION, 0));
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_the_other_misses_nothing() {
    let (stuck, stuck_address) = listen().await;
    let (quick, quick_address) = listen().await;
    let (mut exporter, mut announced) = Exporter::start(vec![stuck_address, quick_address], "node1".into());
    let mut never_read = accept(&stuck).await;
    let mut stream = accept(&quick).await;
    for _ in 0..2 {
        exporter.dump(announced.recv().await.unwrap(), vec![up(2)]);
    }
    let reader = tokio::spawn(async move {
        let mut updates = 0_u64;
        loop {
            match next(&mut stream).await {
                (DOWN, _) => return (updates, stream),
                (kind, _) => updates += u64::from(kind == ROUTES),
            }
        }
    });
    // As much as the queue and both sockets' buffers may hold, and more.
    let withdrawn: Vec<Nlri> = (0..900_u32)
        .map(|n| Nlri { prefix: format!("10.{}.{}.0/24", n / 256, n % 256).parse().unwrap(), path_id: 0 })
        .collect();
    let update = Update { withdrawn, ..Update::default() };
    let routes = Monitored::Routes { peer: id(2), update };
    let mut told = 0;
    while exporter.collectors[0].queue.is_live() {
        exporter.tell(&routes);
        told += 1;
        // So that the quick one keeps up.
        while exporter.collectors[1].queue.is_behind() {
            tokio::task::yield_now().await;
        }
    }
    exporter.tell(&Monitored::Down { peer: id(2), reason: MonitoredDown::Lost });
    // And the End-of-RIB.
    let (updates, _stays) = reader.await.unwrap();
    assert_eq!(updates, told + 1);
    let mut octets = Vec::new();
    // Cut off, by an end or by a reset.
    let _ = never_read.read_to_end(&mut octets).await;
    assert!(octets.len() < 32 << 20);
    let [cut, kept] = <[_; 2]>::try_from(exporter.counters()).unwrap();
    assert_eq!((cut.address, cut.overruns, cut.queued_octets), (stuck_address, 1, 0));
    assert!(cut.octets_sent >= octets.len() as u64, "{cut:?}");
    assert_eq!((kept.address, kept.connected, kept.connections, kept.overruns), (quick_address, true, 1, 0));
    assert!(kept.octets_sent > cut.octets_sent, "{kept:?} {cut:?}");
    drop(never_read);
    let mut again = accept(&stuck).await;
    assert_eq!(next(&mut again).await, (INITIATION, 0));
    assert_eq!(announced.recv().await, Some(0));
    exporter.dump(0, vec![]);
    exporter.tell(&up(4));
    assert_eq!(next(&mut again).await, (UP, 4));
    let counters = exporter.counters()[0];
    assert!(counters.connected && counters.connections == 2, "{counters:?}");
}
