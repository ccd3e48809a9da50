//! Small rule programs.

use std::collections::BTreeMap;

use policy::program::{
    Action, Direction, EndpointId, EndpointProgram, Match, PolicyId, PolicyKind, Profile, ProfileId, Program,
    Protocol, Rule, RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
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

pub fn protocol(protocol: Protocol) -> Match {
    Match::Protocol { number: protocol.number(), negated: false }
}

pub fn ports(of: Protocol, ranges: &[(u16, u16)]) -> Vec<Match> {
    let ports = Match::Ports { side: Side::Destination, ranges: ranges.to_vec(), negated: false };
    vec![protocol(of), ports]
}

pub fn port(protocol: Protocol, port: u16) -> Vec<Match> {
    ports(protocol, &[(port, port)])
}

pub fn is_in(side: Side, set: &str) -> Match {
    Match::Address { side, set: SetId(set.to_owned()), negated: false }
}

pub fn named_port(set: &str) -> Match {
    Match::AddressPort { side: Side::Destination, set: SetId(set.to_owned()), negated: false }
}

/// One condition and others.
pub fn and(first: Match, others: Vec<Match>) -> Vec<Match> {
    [vec![first], others].concat()
}

/// Builds a program step by step.
#[derive(Default, Clone)]
pub struct Builder(pub Program);

impl Builder {
    pub fn set(mut self, name: &str, set: Set) -> Builder {
        self.0.sets.insert(SetId(name.to_owned()), set);
        self
    }

    pub fn profile(mut self, name: &str, direction: Direction, rules: Vec<Vec<Match>>) -> Builder {
        let policy = PolicyId::namespaced(PolicyKind::NetworkPolicy, "default", "web");
        let rules = rules.into_iter().zip(0..).map(|(mut matches, rule)| {
            matches.sort();
            let origin = RuleOrigin { policy: policy.clone(), rule, name: None };
            Rule { origin, matches, action: Action::Allow }
        });
        let tier = Tier {
            name: "default".to_owned(),
            policies: vec![policy.clone()],
            rules: rules.collect(),
            end: TierEnd::Deny,
        };
        let profile = Profile { direction, tiers: vec![tier], fallback: Verdict::Allow };
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
                vec![is_in(Side::Source, "s1")],
                and(is_in(Side::Source, "s2"), ports(Protocol::Tcp, &[(80, 80), (8000, 8999)])),
                vec![protocol(Protocol::Udp)],
            ],
        )
        .profile(
            "p2",
            Direction::Egress,
            vec![
                vec![named_port("s3")],
                vec![is_in(Side::Destination, "s4"), protocol(Protocol::Sctp)],
                vec![],
            ],
        )
        .endpoint("a", &["10.0.0.1", "fd00::1"], Some("p1"), Some("p2"))
        .endpoint("b", &["10.0.0.2"], None, None);
    let interfaces =
        Interfaces::from([(endpoint_id("a"), "fab0a".to_owned()), (endpoint_id("b"), "fab0b".to_owned())]);
    (program.0, interfaces)
}
