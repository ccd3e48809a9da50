//! TCP MD5, RFC 2385, as the kernel does it.

use std::time::Duration;

use super::{PATIENCE, Raw, began, best_path, both_dial, established, first_peer, peer, speaker};
use crate::config::{Config, ListenRange, PeerConfig, PeerKey, Secret};
use crate::session::State;

/// Long enough for a session that can come up to do so.
const A_WHILE: Duration = Duration::from_millis(2500);

fn secret(text: &str) -> Option<Secret> {
    Some(Secret(text.into()))
}

#[tokio::test]
async fn both_ends_need_the_same_password_and_may_change_it() {
    let [(left, mut left_events), (right, mut right_events)] =
        both_dial(["127.0.41.1", "127.0.41.2"], |peer| peer.password = secret("one")).await;
    established(&mut left_events).await;
    established(&mut right_events).await;

    let other = |own: &super::Handle, other: &super::Handle, (asn, id, other_as): (u32, u8, u32)| {
        let at = other.listening()[0];
        let mut peer = peer(other_as, at.port());
        peer.local_address = Some(own.listening()[0].ip());
        peer.password = secret("two");
        Config { peers: [(PeerKey::Address(at.ip()), peer)].into(), ..speaker(asn, id) }
    };
    left.configure(other(&left, &right, (65001, 1, 65002))).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_ne!(first_peer(&left).await.state, State::Established, "the passwords differ");
    right.configure(other(&right, &left, (65002, 2, 65001))).await.unwrap();
    established(&mut left_events).await;
    established(&mut right_events).await;
}

#[tokio::test]
async fn who_does_not_sign_is_not_heard() {
    let signed = PeerConfig { password: secret("one"), ..peer(65002, 0) };
    let ranged = PeerConfig { password: secret("many"), ..peer(65003, 0) };
    let config = Config {
        peers: [(PeerKey::Address("127.0.42.2".parse().unwrap()), signed)].into(),
        listen_ranges: vec![ListenRange {
            network: "127.0.43.0/24".parse().unwrap(),
            limit: 4,
            peer: ranged,
        }],
        ..speaker(65001, 1)
    };
    let (handle, _events) = began("127.0.42.1:0", config);
    let at = handle.listening()[0];
    // The listener has its keys when the first command is answered.
    handle.view().await.unwrap();
    for from in ["127.0.42.2:0", "127.0.43.7:0"] {
        let unsigned = tokio::time::timeout(Duration::from_millis(300), Raw::connect(from, at)).await;
        assert!(unsigned.is_err(), "the kernel answers nobody who does not sign");
    }
}

#[tokio::test]
async fn dynamic_neighbours_sign_with_the_password_of_their_range() {
    let ranged = PeerConfig { password: secret("many"), ..peer(65002, 0) };
    let range = ListenRange { network: "127.0.45.0/24".parse().unwrap(), limit: 1, peer: ranged };
    let (hub, mut hub_events) =
        began("127.0.44.1:0", Config { listen_ranges: vec![range], ..speaker(65001, 1) });
    let at = hub.listening()[0];
    let leaf = |address: &str, id| {
        let mut to_hub = peer(65001, at.port());
        to_hub.local_address = Some(address.parse().unwrap());
        to_hub.password = secret("many");
        began(
            &format!("{address}:0"),
            Config { peers: [(PeerKey::Address(at.ip()), to_hub)].into(), ..speaker(65002, id) },
        )
    };
    let (first, _first_events) = leaf("127.0.45.7", 7);
    let found = tokio::time::timeout(PATIENCE, established(&mut hub_events)).await.unwrap();
    assert_eq!(found, PeerKey::Address("127.0.45.7".parse().unwrap()));
    assert!(first_peer(&hub).await.dynamic);
    let prefix = "10.7.0.0/16".parse().unwrap();
    first.originate([(prefix, Default::default())].into()).await.unwrap();
    assert!(best_path(&mut hub_events, prefix).await.is_some());

    // There is room for one.
    let (second, _second_events) = leaf("127.0.45.8", 8);
    tokio::time::sleep(A_WHILE).await;
    assert_ne!(first_peer(&second).await.state, State::Established);
    assert_eq!(first_peer(&first).await.state, State::Established);
}
