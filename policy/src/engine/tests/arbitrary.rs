//! Random policies of every kind, and what they speak of, as the model has them.

use ipnetwork::IpNetwork;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::changes::Update;
use crate::evaluate::{Packet, Transport};
use crate::model::*;
use crate::program::{Action, EndpointId, Family, Protocol, TierEnd};
use crate::selector::{Labels, Predicate, Selector};

const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
/// How many endpoints there may be.
pub(super) const PODS: u8 = 8;
const ACCOUNTS: [&str; 2] = ["bot", "default"];
const TIERS: [&str; 5] = [DEFAULT_TIER, ADMIN_TIER, BASELINE_TIER, "security", "platform"];

/// The endpoint with this number.
pub(super) fn endpoint_id(number: u8) -> EndpointId {
    let namespace = NAMESPACES[usize::from(number) % NAMESPACES.len()].to_owned();
    EndpointId { namespace, name: format!("pod{number}") }
}

/// A change of an endpoint. Two may have one address while it passes from one to the other.
pub(super) fn endpoint() -> impl Strategy<Value = Update> {
    let account = option::weighted(0.8, select(ACCOUNTS.to_vec()));
    let port = (port_name(), protocol(), port()).prop_map(|(name, protocol, number)| NamedPort {
        name,
        protocol,
        number,
    });
    let fate = (prop::bool::weighted(0.85), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let shape = (account, btree_set(port, 0..3), any::<bool>(), prop::bool::weighted(0.1));
    (0..PODS, labels(&["app", "tier"]), shape, fate).prop_map(|(number, labels, shape, fate)| {
        let (account, named_ports, v6, borrows) = shape;
        let (is_there, host_network, finished) = fate;
        let own = format!("10.0.0.{number}");
        let more = [v6.then(|| format!("fd00::{number}")), borrows.then(|| "10.0.0.1".to_owned())];
        let addresses = [Some(own)].into_iter().chain(more).flatten().map(|text| text.parse().unwrap());
        let id = endpoint_id(number);
        let endpoint = Endpoint {
            id: id.clone(),
            labels,
            addresses: addresses.collect(),
            named_ports,
            service_account: account.map(str::to_owned),
            host_network,
            finished,
        };
        Update::Endpoint(id, is_there.then_some(endpoint))
    })
}

/// A change of a namespace.
pub(super) fn namespace() -> impl Strategy<Value = Update> {
    (select(NAMESPACES.to_vec()), option::weighted(0.85, labels(&["env", "team"]))).prop_map(
        |(name, labels)| {
            Update::Namespace(name.to_owned(), labels.map(|labels| Namespace::new(name, labels)))
        },
    )
}

/// A packet of either family, from and to endpoints for the most part.
pub(super) fn packet() -> impl Strategy<Value = Packet> {
    let host = prop_oneof![6 => (0..PODS).prop_map(u16::from), 1 => 100..102u16];
    let transport = prop_oneof![
        6 => (protocol(), port(), port()).prop_map(|(protocol, source, destination)| {
            Transport::Port { protocol, source, destination }
        }),
        1 => (select(vec![3u8, 8, 128]), 0..2u8).prop_map(|(kind, code)| Transport::Icmp { kind, code }),
        1 => Just(Transport::Other(47)),
    ];
    (any::<bool>(), host.clone(), host, transport).prop_map(|(v6, source, destination, transport)| {
        let address = |host: u16| match v6 {
            true => format!("fd00::{host}").parse().unwrap(),
            false => format!("10.0.0.{host}").parse().unwrap(),
        };
        Packet { source: address(source), destination: address(destination), transport }
    })
}

fn labels(keys: &'static [&'static str]) -> impl Strategy<Value = Labels> {
    let label = (select(keys), select(vec!["a", "b", ""]));
    vec(label, 0..3)
        .prop_map(|labels| labels.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// Changes of what policies speak of.
pub(super) fn surroundings() -> impl Strategy<Value = Update> {
    let namespace = option::of(select(NAMESPACES.to_vec()));
    let set =
        (namespace, any::<bool>(), option::weighted(0.8, network_set())).prop_map(|(namespace, two, set)| {
            let name = if two { "two" } else { "one" }.to_owned();
            Update::NetworkSet(NetworkSetId { namespace: namespace.map(str::to_owned), name }, set)
        });
    let node =
        (0..3u8, option::weighted(0.8, node())).prop_map(|(n, node)| Update::Node(format!("n{n}"), node));
    let account =
        (select(NAMESPACES.to_vec()), select(ACCOUNTS.to_vec()), option::weighted(0.8, labels(&["trust"])))
            .prop_map(|(namespace, name, labels)| {
                let id = ServiceAccountId { namespace: namespace.to_owned(), name: name.to_owned() };
                Update::ServiceAccount(id, labels)
            });
    let service =
        (service_id(), option::weighted(0.8, backends())).prop_map(|(id, all)| Update::Service(id, all));
    let tier = (select(TIERS.to_vec()), option::weighted(0.8, tier()))
        .prop_map(|(name, tier)| Update::Tier(name.to_owned(), tier));
    prop_oneof![set, node, account, service, tier]
}

fn network_set() -> impl Strategy<Value = NetworkSet> {
    (labels(&["app", "tier"]), btree_set(network(), 0..3))
        .prop_map(|(labels, networks)| NetworkSet { labels, networks })
}

fn node() -> impl Strategy<Value = Node> {
    (labels(&["zone"]), btree_set(0..4u8, 0..3)).prop_map(|(labels, hosts)| Node {
        labels,
        addresses: hosts.into_iter().map(|host| [172, 16, 0, host].into()).collect(),
    })
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    (select(NAMESPACES.to_vec()), any::<bool>()).prop_map(|(namespace, web)| ServiceId {
        namespace: namespace.to_owned(),
        name: if web { "web" } else { "db" }.to_owned(),
    })
}

fn backends() -> impl Strategy<Value = Backends> {
    btree_set((0..8u8, protocol(), port()), 0..4).prop_map(|all| {
        all.into_iter().map(|(host, protocol, port)| ([10, 0, 0, host].into(), protocol, port)).collect()
    })
}

fn tier() -> impl Strategy<Value = Tier> {
    (option::of(0..4u8), any::<bool>()).prop_map(|(order, deny)| Tier {
        order: order.map_or(Order::LAST, |order| Order::of(f64::from(order) * 500_000.0)),
        end: if deny { TierEnd::Deny } else { TierEnd::Pass },
    })
}

fn network() -> impl Strategy<Value = IpNetwork> {
    let texts =
        ["0.0.0.0/0", "10.0.0.0/29", "10.0.0.4/30", "10.0.0.2/32", "192.0.2.0/24", "::/0", "fd00::4/126"];
    select(texts.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn port() -> impl Strategy<Value = u16> {
    select(vec![1, 53, 80, 81, 443, 65535])
}

fn port_name() -> impl Strategy<Value = String> {
    select(vec!["http", "dns", "api"]).prop_map(str::to_owned)
}

/// A change of a policy, or of what is staged.
pub(super) fn policy() -> impl Strategy<Value = Update> {
    let kind = select(vec![
        PolicyKind::NetworkPolicy,
        PolicyKind::ClusterNetworkPolicy,
        PolicyKind::FabricNetworkPolicy,
        PolicyKind::GlobalNetworkPolicy,
    ]);
    let rules = || option::weighted(0.8, vec(rule(), 0..4));
    let body = (select(TIERS.to_vec()), option::of(0..3u8), rules(), rules());
    let subject = (kind, 0..3usize).prop_flat_map(|(kind, number)| {
        let namespace = NAMESPACES[number % NAMESPACES.len()];
        let id = match kind {
            PolicyKind::NetworkPolicy | PolicyKind::FabricNetworkPolicy => {
                PolicyId::namespaced(kind, namespace, format!("p{number}"))
            }
            PolicyKind::ClusterNetworkPolicy | PolicyKind::GlobalNetworkPolicy => {
                PolicyId::global(kind, format!("p{number}"))
            }
        };
        (Just(id), selector())
    });
    (subject, body, any::<u8>()).prop_map(|((id, subject), (tier, order, ingress, egress), fate)| {
        let order = order.map_or(Order::LAST, |order| Order::of(order.into()));
        let tier = tier.to_owned();
        let policy = Policy { id: id.clone(), tier, order, subject, ingress, egress, problems: vec![] };
        match fate {
            0..20 => Update::Policy(id, None),
            20..40 => Update::Staged(id, None),
            40..60 => Update::Staged(id, Some(Staged::Delete)),
            60..100 => Update::Staged(id, Some(Staged::Set(Box::new(policy)))),
            _ => Update::Policy(id, Some(Box::new(policy))),
        }
    })
}

fn selector() -> impl Strategy<Value = EndpointSelector> {
    let names = select(NAMESPACES.to_vec()).prop_map(|name| NamespaceScope::Named(name.to_owned()));
    let texts =
        ["all()", "env == 'a'", "!has(env)", "global() || team == 'b'", "projectcalico.org/name != 'red'"];
    let matching = select(texts.to_vec())
        .prop_map(|text| NamespaceScope::matching(Predicate::Expression(text.parse().unwrap())));
    let everywhere = select(vec![NamespaceScope::Everywhere, NamespaceScope::Global]);
    let scope = prop_oneof![2 => names, 2 => matching, 2 => everywhere];
    let texts = [
        "all()",
        "app == 'a'",
        "app != 'a' && has(tier)",
        "tier in {'a', ''} || app starts with 'b'",
        "!(app == 'b')",
        "app in {}",
        "projectcalico.org/serviceaccount == 'bot'",
        "projectcalico.org/namespace == 'green'",
    ];
    let own = (scope, select(texts.to_vec()), option::weighted(0.2, accounts())).prop_map(
        |(namespaces, text, service_accounts)| {
            let endpoints = Predicate::Expression(text.parse().unwrap());
            EndpointSelector { namespaces, endpoints, service_accounts }
        },
    );
    let kubernetes = (labels(&["env"]), labels(&["app"])).prop_map(|(namespaces, endpoints)| {
        let all = |labels: Labels| {
            labels.into_iter().next().map_or(Selector::everything(), |(k, v)| Selector::label(k, v))
        };
        let namespaces = NamespaceScope::matching(Predicate::Kubernetes(all(namespaces)));
        EndpointSelector::kubernetes(namespaces, all(endpoints))
    });
    prop_oneof![4 => own, 1 => kubernetes]
}

fn accounts() -> impl Strategy<Value = ServiceAccounts> {
    let selectors = vec!["all()", "trust == 'a'", "!has(trust)"];
    (btree_set(select(ACCOUNTS.to_vec()), 0..2), select(selectors)).prop_map(|(names, text)| {
        ServiceAccounts {
            names: names.into_iter().map(str::to_owned).collect(),
            selector: text.parse().unwrap(),
        }
    })
}

fn rule() -> impl Strategy<Value = PolicyRule> {
    let name = option::weighted(0.3, Just("named".to_owned()));
    let action = select(vec![Action::Allow, Action::Deny, Action::Pass, Action::Log]);
    let nodes = labels(&["zone"]).prop_map(|labels| {
        let one = labels.into_iter().next();
        Peer::Endpoints(EndpointSelector::nodes(
            one.map_or(Selector::everything(), |(k, v)| Selector::label(k, v)),
        ))
    });
    let block = network().prop_map(|network| Peer::Block { network, except: vec![] });
    let peer = prop_oneof![2 => selector().prop_map(Peer::Endpoints), 1 => nodes, 1 => block];
    let service = prop_oneof![
        select(vec![1u8, 6, 17, 47, 58]).prop_map(Service::Protocol),
        (protocol(), port()).prop_map(|(protocol, port)| Service::Range(protocol, port, port)),
        (protocol(), port_name()).prop_map(|(protocol, name)| Service::Named(protocol, name)),
    ];
    let peers = option::weighted(0.4, vec(peer, 0..3));
    let services = option::weighted(0.6, vec(service, 0..3));
    (name, action, peers, services, conditions()).prop_map(|(name, action, peers, services, conditions)| {
        PolicyRule { name, action, peers, services, conditions }
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let family = || select(vec![Family::V4, Family::V6]);
    let icmp = || {
        let kind = (family(), select(vec![3u8, 8, 128]), option::of(0..2u8));
        option::weighted(0.1, kind.prop_map(|(family, kind, code)| Icmp { family, kind, code }))
    };
    let first =
        (option::weighted(0.2, family()), option::weighted(0.1, select(vec![6u8, 17])), icmp(), icmp());
    (first, entity(), entity()).prop_map(|((family, not_protocol, icmp, not_icmp), source, destination)| {
        Conditions { family, not_protocol, icmp, not_icmp, source, destination }
    })
}

fn entity() -> impl Strategy<Value = Entity> {
    let ports = || {
        let port = prop_oneof![
            (port(), port()).prop_map(|(a, b)| PortMatch::Range(a.min(b), a.max(b))),
            port_name().prop_map(PortMatch::Named),
        ];
        vec(port, 1..3)
    };
    let nets = (option::weighted(0.1, vec(network(), 1..3)), option::weighted(0.1, vec(network(), 1..3)));
    let selectors = (option::weighted(0.3, selector()), option::weighted(0.1, selector()));
    let ports = (option::weighted(0.2, ports()), option::weighted(0.1, ports()));
    (nets, selectors, ports, option::weighted(0.1, service_id())).prop_map(
        |((nets, not_nets), (selector, not_selector), (ports, not_ports), service)| Entity {
            nets,
            not_nets: not_nets.unwrap_or_default(),
            selector,
            not_selector,
            service,
            ports,
            not_ports: not_ports.unwrap_or_default(),
        },
    )
}
