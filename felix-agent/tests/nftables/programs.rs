//! Small rule programs.

use std::collections::{BTreeMap, BTreeSet};

use policy::program::{
    Direction, EndpointId, EndpointProgram, PeerMatch, Profile, ProfileId, Program, Protocol, Rule,
    RuleOrigin, ServiceMatch, Set, SetId, Verdict,
};

pub type Interfaces = BTreeMap<EndpointId, String>;

pub fn endpoint_id(name: &str) -> EndpointId {
    EndpointId { namespace: "default".to_owned(), name: name.to_owned() }
}

pub fn addresses(all: &[&str]) -> Set {
    Set::Addresses(all.iter().map(|address| address.parse().unwrap()).collect())
}

pub fn networks(all: &[&str]) -> Set {
    Set::Networks(all.iter().map(|network| network.parse().unwrap()).collect())
}

pub fn tuples(all: &[(&str, Protocol, u16)]) -> Set {
    let all = all.iter().map(|(address, protocol, port)| (address.parse().unwrap(), *protocol, *port));
    Set::AddressPorts(all.collect())
}

pub fn port(protocol: Protocol, port: u16) -> ServiceMatch {
    ServiceMatch::Ports(protocol, vec![(port, port)])
}

pub fn from_set(name: &str) -> PeerMatch {
    PeerMatch::In(SetId(name.to_owned()))
}

pub fn named_port(name: &str) -> ServiceMatch {
    ServiceMatch::NamedPort(SetId(name.to_owned()))
}

/// Builds a program step by step.
#[derive(Default, Clone)]
pub struct Builder(pub Program);

impl Builder {
    pub fn set(mut self, name: &str, set: Set) -> Builder {
        self.0.sets.insert(SetId(name.to_owned()), set);
        self
    }

    pub fn profile(
        mut self,
        name: &str,
        direction: Direction,
        rules: Vec<(PeerMatch, ServiceMatch)>,
    ) -> Builder {
        let rules = rules.into_iter().zip(0..).map(|((peer, service), rule)| {
            let origin = RuleOrigin { namespace: "default".to_owned(), policy: "web".to_owned(), rule };
            Rule { origin, peer, service, verdict: Verdict::Allow }
        });
        let isolated_by = BTreeSet::from([("default".to_owned(), "web".to_owned())]);
        let profile = Profile { direction, rules: rules.collect(), isolated_by };
        self.0.profiles.insert(ProfileId(name.to_owned()), profile);
        self
    }

    pub fn endpoint(
        mut self,
        name: &str,
        addresses: &[&str],
        ingress: Option<&str>,
        egress: Option<&str>,
    ) -> Builder {
        let profile = |id: Option<&str>| id.map(|id| ProfileId(id.to_owned()));
        let endpoint = EndpointProgram {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ingress: profile(ingress),
            egress: profile(egress),
        };
        self.0.endpoints.insert(endpoint_id(name), endpoint);
        self
    }
}

/// Every kind of set, peer and service once.
pub fn example() -> (Program, Interfaces) {
    let program = Builder::default()
        .set("s1", addresses(&["10.0.0.7", "fd00::7"]))
        .set("s2", networks(&["192.0.2.0/25", "198.51.100.0/24", "224.0.0.0/3", "2001:db8::/33"]))
        .set("s3", tuples(&[("10.0.0.7", Protocol::Tcp, 8080), ("fd00::7", Protocol::Udp, 53)]))
        .set("s4", addresses(&[]))
        .profile(
            "p1",
            Direction::Ingress,
            vec![
                (from_set("s1"), ServiceMatch::Any),
                (from_set("s2"), ServiceMatch::Ports(Protocol::Tcp, vec![(80, 80), (8000, 8999)])),
                (PeerMatch::Any, ServiceMatch::Protocol(Protocol::Udp)),
            ],
        )
        .profile(
            "p2",
            Direction::Egress,
            vec![
                (PeerMatch::Any, named_port("s3")),
                (from_set("s4"), ServiceMatch::Protocol(Protocol::Sctp)),
                (PeerMatch::Any, ServiceMatch::Any),
            ],
        )
        .endpoint("a", &["10.0.0.1", "fd00::1"], Some("p1"), Some("p2"))
        .endpoint("b", &["10.0.0.2"], None, None);
    let interfaces =
        Interfaces::from([(endpoint_id("a"), "fab0a".to_owned()), (endpoint_id("b"), "fab0b".to_owned())]);
    (program.0, interfaces)
}
