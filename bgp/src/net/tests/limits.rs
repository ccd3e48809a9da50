//! What a peer can cost: memory if it does not read, trust if it comes from afar.

use std::time::Duration;

use ipnetwork::IpNetwork;

use super::lab::Lab;
use super::{Raw, began, both_dial, config, established, first_peer, peer, speaker};
use crate::config::{Config, Hops, Origination, PeerKey, Timers};
use crate::session::State;
use crate::wire::Community;

/// The kernel's buffers are full and the send hold time is over long before; the peers' hold time is not.
const FILLED_BY: Duration = Duration::from_secs(80);

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let peers = [("127.0.51.2:0", 65002), ("127.0.51.3:0", 65003)];
    let mut config = config(65001, 1, &peers);
    // Only for the one that shall stick: the other may be as slow as the machine makes it.
    let stuck = config.peers.get_mut(&PeerKey::Address("127.0.51.2".parse().unwrap())).unwrap();
    stuck.timers = Timers { send_hold: Some(Duration::from_secs(3)), ..stuck.timers };
    let (handle, mut events) = began("127.0.51.1:0", config);
    let at = handle.listening()[0];
    let mut stuck = Raw::connect_with_small_buffer("127.0.51.2:0", at).await;
    stuck.establish(65002, 2).await;
    established(&mut events).await;
    let mut good = Raw::connect("127.0.51.3:0", at).await;
    good.establish(65003, 3).await;
    established(&mut events).await;

    let reading = tokio::spawn(async move {
        while good.receive().await.is_some() {}
        good
    });
    let deadline = tokio::time::Instant::now() + FILLED_BY;
    // Each round says something else of each prefix, in a message of its own.
    for round in 0_u32.. {
        let prefixes = (0..2_000_u32).map(|n| {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + (n << 8));
            let communities = (0..100).map(|k| Community(round * 1_000_000 + n * 100 + k)).collect();
            let origination = Origination { communities, ..Origination::default() };
            (IpNetwork::new(address.into(), 24).unwrap(), origination)
        });
        handle.originate(prefixes.collect()).await.unwrap();
        let view = handle.view().await.unwrap();
        let [stuck, good] = <[_; 2]>::try_from(view.peers).unwrap();
        assert_eq!(good.state, State::Established, "{}", good.last_down_reason);
        if stuck.state != State::Established {
            assert!(stuck.last_down_reason.contains("send hold"), "{}", stuck.last_down_reason);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!reading.is_finished());
}

#[tokio::test]
async fn security_wants_packets_from_near() {
    let [(left, mut left_events), (_right, mut right_events)] =
        both_dial(["127.0.52.1", "127.0.52.2"], |peer| peer.hops = Hops::Security(1)).await;
    established(&mut left_events).await;
    established(&mut right_events).await;
    assert_eq!(first_peer(&left).await.state, State::Established);
}

#[tokio::test]
async fn security_refuses_whoever_might_be_far() {
    let mut near = peer(65002, 0);
    near.hops = Hops::Security(1);
    let peers = [(PeerKey::Address("127.0.53.2".parse().unwrap()), near)].into();
    let (handle, _events) = began("127.0.53.1:0", Config { peers, ..speaker(65001, 1) });
    // Its packets have TTL 64, as if they had come over 191 routers.
    let mut far = Raw::connect("127.0.53.2:0", handle.listening()[0]).await;
    assert_eq!(far.receive().await, None, "not a word");
    assert_eq!(first_peer(&handle).await.state, State::Active);
}

/// Over a link, where TTLs are counted.
#[test]
fn security_across_a_link() {
    let lab = Lab::pair();
    lab.left.command("ip addr add 192.0.2.1/24 dev left0");
    lab.right.command("ip addr add 192.0.2.2/24 dev right0");
    let side = |own: &'static str, asn, id, other: &'static str, other_as| {
        async move || {
            let mut to = peer(other_as, 1790);
            to.hops = Hops::Security(1);
            let peers = [(PeerKey::Address(other.parse().unwrap()), to)].into();
            let (_handle, mut events) = began(&format!("{own}:1790"), Config { peers, ..speaker(asn, id) });
            established(&mut events).await;
            // The other end has to see it as well.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let left = lab.left.run(side("192.0.2.1", 65001, 1, "192.0.2.2", 65002));
    let right = lab.right.run(side("192.0.2.2", 65002, 2, "192.0.2.1", 65001));
    left.join().unwrap();
    right.join().unwrap();
}
