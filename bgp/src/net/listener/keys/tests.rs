use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Keys, wanted};
use crate::config::{Config, ListenRange, PeerConfig, PeerKey, RemoteAs, Secret};
use crate::net::listener::bind;
use crate::net::signature::Signature;

fn peer(password: &str) -> PeerConfig {
    let password = (!password.is_empty()).then(|| Secret(password.into()));
    PeerConfig { password, ..PeerConfig::new(RemoteAs::Any) }
}

#[test]
fn one_for_each_peer_and_range_that_has_a_password() {
    let config = Config {
        peers: [
            (PeerKey::Address("192.0.2.1".parse().unwrap()), peer("one")),
            (PeerKey::Address("192.0.2.2".parse().unwrap()), peer("")),
            (PeerKey::Interface("eth0".into()), peer("found")),
            (PeerKey::Interface("eth1".into()), peer("not found")),
        ]
        .into(),
        listen_ranges: vec![
            ListenRange { network: "10.0.0.7/24".parse().unwrap(), limit: 9, peer: peer("range") },
            ListenRange { network: "10.0.1.0/24".parse().unwrap(), limit: 9, peer: peer("") },
        ],
        ..Config::default()
    };
    let found = BTreeMap::from([(Arc::from("eth0"), "fe80::1".parse().unwrap())]);
    let expected = [("10.0.0.0/24", "range"), ("192.0.2.1/32", "one"), ("fe80::1/128", "found")];
    let expected =
        expected.map(|(network, text)| (network.parse().unwrap(), Signature::Md5(Secret(text.into()))));
    assert_eq!(wanted(&config, &found), expected.into());
}

#[tokio::test]
async fn a_refused_key_is_known_until_it_is_taken_or_gone() {
    let mut keys = Keys::new(vec![Arc::new(bind("127.0.0.1:0".parse().unwrap()).unwrap())]);
    let (v4, v6) = ("192.0.2.1/32".parse().unwrap(), "2001:db8::1/128".parse().unwrap());
    let fine = Signature::Md5(Secret("fine".into()));
    let impossible = Signature::Md5(Secret("x".repeat(81).into()));
    keys.apply([(v4, impossible.clone()), (v6, fine.clone())].into());
    assert!(keys.refused(v4).is_some_and(|why| why.contains("80 octets")));
    assert_eq!(keys.refused(v6), None, "no socket of that family");
    keys.apply([(v4, fine.clone())].into());
    assert_eq!(keys.refused(v4), None);
    keys.apply([(v4, impossible)].into());
    keys.apply(BTreeMap::new());
    assert_eq!(keys.refused(v4), None);
}
