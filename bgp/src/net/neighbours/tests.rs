use std::net::SocketAddr;
use std::time::Instant;

use super::{LOG_INTERVAL, Strangers, endpoint, find};
use crate::config::{Config, ListenRange, PeerConfig, PeerKey, RemoteAs};
use crate::speaker::Endpoint;

fn peer(description: &str) -> PeerConfig {
    PeerConfig { description: description.into(), ..PeerConfig::new(RemoteAs::Any) }
}

#[test]
fn the_nearest_description_counts() {
    let range =
        |network: &str, name| ListenRange { network: network.parse().unwrap(), limit: 1, peer: peer(name) };
    let config = Config {
        peers: [
            (PeerKey::Address("10.0.0.1".parse().unwrap()), peer("address")),
            (PeerKey::Address("fe80::1".parse().unwrap()), peer("link-local address")),
            (PeerKey::Interface("eth0".into()), peer("interface")),
        ]
        .into(),
        listen_ranges: vec![
            range("10.0.0.0/24", "narrow"),
            range("10.0.0.0/8", "wide"),
            range("fe80::/10", "links"),
        ],
        ..Config::default()
    };
    let table = [
        ("10.0.0.1", None, Some(("address", "10.0.0.1/32"))),
        ("10.0.0.2", None, Some(("narrow", "10.0.0.0/24"))),
        ("10.1.0.2", None, Some(("wide", "10.0.0.0/8"))),
        ("fe80::1", Some("eth0"), Some(("link-local address", "fe80::1/128"))),
        ("fe80::2", Some("eth0"), Some(("interface", "fe80::2/128"))),
        ("fe80::2", Some("eth1"), Some(("links", "fe80::/10"))),
        ("11.0.0.1", None, None),
        ("2001:db8::1", None, None),
    ];
    for (address, interface, expected) in table {
        let far = Endpoint { address: address.parse().unwrap(), interface: interface.map(Into::into) };
        let found = find(&config, &far);
        let found = found.map(|it| (it.settings.description.clone(), it.network.to_string()));
        let expected = expected.map(|(name, network): (&str, &str)| (name.to_owned(), network.to_owned()));
        assert_eq!(found, expected, "{address}");
    }
}

#[test]
fn only_link_local_addresses_have_an_interface() {
    let interface = |from: &str| endpoint(from.parse::<SocketAddr>().unwrap()).interface;
    assert_eq!(interface("[fe80::1%1]:179").as_deref(), Some("lo"));
    assert_eq!(interface("[fe80::1%4294967295]:179"), None);
    assert_eq!(interface("[2001:db8::1]:179"), None);
    assert_eq!(interface("192.0.2.1:179"), None);
}

#[test]
fn strangers_do_not_fill_the_log() {
    let start = Instant::now();
    let mut strangers = Strangers::default();
    assert!(strangers.is_due(start));
    assert!(!strangers.is_due(start + LOG_INTERVAL / 2));
    assert!(strangers.is_due(start + LOG_INTERVAL));
    assert!(!strangers.is_due(start + LOG_INTERVAL * 3 / 2));
}
