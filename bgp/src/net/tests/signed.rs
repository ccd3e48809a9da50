//! TCP MD5, RFC 2385, as the kernel does it; TCP-AO, RFC 5925, as it does or refuses it.

use std::time::Duration;

use super::{
    Event, PATIENCE, Raw, began, best_path, both_dial, established, first_peer, peer, speaker, until,
};
use crate::config::{Config, ListenRange, PeerConfig, PeerKey, Secret, TcpAo, TcpAoAlgorithm};
use crate::session::State;
use crate::speaker::{Notice, NoticeKind};

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

fn ao_key() -> Option<TcpAo> {
    let (algorithm, secret) = (TcpAoAlgorithm::HmacSha1, Secret("one".into()));
    Some(TcpAo { send_id: 1, receive_id: 1, algorithm, secret })
}

/// Whatever the kernel can do: a speaker with a key is never heard unsigned, nor hears.
#[tokio::test]
async fn nobody_talks_unsigned_to_a_peer_with_a_tcp_ao_key() {
    let bare = tokio::net::TcpListener::bind("127.0.46.2:0").await.unwrap();
    let at = bare.local_addr().unwrap();
    let keyed = PeerConfig { tcp_ao: ao_key(), password: secret("does nothing"), ..peer(65002, at.port()) };
    let peers = [(PeerKey::Address(at.ip()), keyed)].into();
    let (handle, _events) = began("127.0.46.1:0", Config { peers, ..speaker(65001, 1) });
    assert!(tokio::time::timeout(A_WHILE, bare.accept()).await.is_err(), "it dials unsigned");
    let view = first_peer(&handle).await;
    assert_ne!(view.state, State::Established);
    let reason = view.last_down_reason;
    let without = "cannot connect: cannot sign by TCP-AO: \
        this kernel has no TCP-AO (RFC 5925; Linux 6.7 or newer, built with CONFIG_TCP_AO)";
    assert!(reason == without || !reason.contains("TCP-AO"), "{reason}");

    let connecting = Raw::connect("127.0.46.2:0", handle.listening()[0]);
    if let Ok(mut raw) = tokio::time::timeout(Duration::from_millis(300), connecting).await {
        assert_eq!(reason, without, "a kernel with TCP-AO answers nobody who does not sign");
        assert_eq!(raw.receive().await, None, "closed without a word");
    }
}

/// Two ends of one key come up where the kernel has TCP-AO, and say why not where it has none.
#[tokio::test]
async fn a_tcp_ao_session_comes_up_or_says_why_not() {
    let [(left, mut left_events), (_right, _right_events)] =
        both_dial(["127.0.47.1", "127.0.47.2"], |peer| peer.tcp_ao = ao_key()).await;
    until(&mut left_events, |event| match event {
        Event::Notice(Notice { kind: NoticeKind::State { state, reason }, .. }) => {
            (state == State::Established || reason.contains("this kernel has no TCP-AO")).then_some(())
        }
        Event::Notice(_) | Event::BestPaths(_) | Event::Synchronised => None,
    })
    .await;
    let view = first_peer(&left).await;
    let says = view.last_down_reason.contains("this kernel has no TCP-AO");
    assert_ne!(view.state == State::Established, says, "{}", view.last_down_reason);
}
