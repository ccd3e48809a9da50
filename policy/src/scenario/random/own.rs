//! Tiers and policies of `fabric.rs/v1`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::cluster::unknown;
use super::{HOLES, ICMP_TYPES, NAMESPACES, NETWORKS, PORT_NAMES, PORTS, metadata};
use crate::api::Tier;
use crate::api::own::{GlobalNetworkPolicy, NetworkPolicy, PolicySpec, StagedNetworkPolicy, TierSpec};
use crate::api::rule::{EntityRule, Icmp, Rule, ServiceAccountMatch, ServiceMatch};

/// Those that objects may be about; the first is always there, the last never.
pub(crate) const TIERS: [&str; 6] = ["default", "kube-admin", "kube-baseline", "early", "late", "nowhere"];

/// What there is of ours in a cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Policies {
    pub(super) tiers: Vec<Tier>,
    pub(super) own_policies: Vec<NetworkPolicy>,
    pub(super) global_policies: Vec<GlobalNetworkPolicy>,
    pub(super) staged: Vec<StagedNetworkPolicy>,
}

pub(super) fn policies() -> impl Strategy<Value = Policies> {
    let tiers =
        (option::weighted(0.7, tier(3)), option::weighted(0.7, tier(4)), option::weighted(0.1, tier(0)));
    let staged = vec((0..4usize, spec(false)), 0..2);
    (tiers, vec(spec(false), 0..4), vec(spec(true), 0..3), staged).prop_map(
        |((a, b, c), own, global, staged)| {
            let numbered = |specs: Vec<PolicySpec>, is_global| {
                specs
                    .into_iter()
                    .enumerate()
                    .map(move |(index, spec)| policy(index, is_global, spec))
                    .collect()
            };
            let staged = staged.into_iter().map(|(index, spec)| policy(index, false, spec)).take(1).collect();
            Policies {
                tiers: [a, b, c].into_iter().flatten().collect(),
                own_policies: numbered(own, false),
                global_policies: numbered(global, true),
                staged,
            }
        },
    )
}

/// The policy with this number: `o<number>` or `g<number>`.
pub(crate) fn policy(index: usize, is_global: bool, spec: PolicySpec) -> NetworkPolicy {
    NetworkPolicy { metadata: metadata(index, if is_global { "g" } else { "o" }, is_global), spec }
}

/// The tier that has this number in [`TIERS`].
pub(crate) fn tier(index: usize) -> impl Strategy<Value = Tier> {
    let order =
        select(vec![None, Some(1.0), Some(1.0), Some(999.5), Some(1e3), Some(5e5), Some(1e6), Some(2e7)]);
    (order, select(vec!["", "Deny", "Pass", "Pass", "Nothing"])).prop_map(move |(order, action)| Tier {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: Some(TIERS[index].to_owned()),
            ..Default::default()
        },
        spec: TierSpec { order, default_action: action.to_owned(), ..TierSpec::default() },
    })
}

pub(crate) fn spec(is_global: bool) -> impl Strategy<Value = PolicySpec> {
    let tier = prop_oneof![
        6 => Just(""),
        2 => Just(TIERS[0]),
        2 => Just(TIERS[1]),
        2 => Just(TIERS[2]),
        4 => Just(TIERS[3]),
        4 => Just(TIERS[4]),
        1 => Just(TIERS[5]),
    ];
    let order = select(vec![None, Some(0.0), Some(1.0), Some(1.0), Some(999.5), Some(1e3), Some(1001.0)]);
    let types = select(vec![vec![], vec![], vec!["Ingress"], vec!["Egress"], vec!["Ingress", "Egress"]]);
    let types = prop_oneof![30 => types, 1 => Just(vec!["Sideways"])];
    let subject = (
        sometimes(0.6, expression(LABELS)),
        sometimes(if is_global { 0.3 } else { 0.02 }, expression(NAMESPACE_LABELS)),
        sometimes(0.1, expression(ACCOUNT_LABELS)),
    );
    let flags = (prop::bool::weighted(0.03), prop::bool::weighted(0.03), prop::bool::weighted(0.05), 0..60u8);
    let rules = (vec(rule(), 0..4), vec(rule(), 0..4));
    (tier, order, types, subject, flags, rules).prop_map(
        move |(tier, order, types, subject, flags, (ingress, egress))| {
            let (selector, namespace_selector, service_account_selector) = subject;
            let (do_not_track, pre_dnat, apply_on_forward, mishap) = flags;
            PolicySpec {
                tier: tier.to_owned(),
                order,
                selector,
                namespace_selector,
                service_account_selector,
                types: types.into_iter().map(str::to_owned).collect(),
                ingress,
                egress,
                do_not_track: is_global && do_not_track,
                pre_dnat: is_global && pre_dnat,
                apply_on_forward: is_global && apply_on_forward,
                rest: if mishap == 0 { unknown() } else { Default::default() },
                ..PolicySpec::default()
            }
        },
    )
}

/// The text, or none.
fn sometimes(weight: f64, text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    option::weighted(weight, text).prop_map(Option::unwrap_or_default)
}

/// What pods and network sets are known by: own labels, and those from where they are.
pub(crate) const LABELS: &[&str] =
    &["app", "app", "app", "tier", "tier", "projectcalico.org/namespace", "projectcalico.org/serviceaccount"];
const NAMESPACE_LABELS: &[&str] =
    &["env", "env", "team", "projectcalico.org/name", "kubernetes.io/metadata.name"];
const ACCOUNT_LABELS: &[&str] = &["env", "env", "projectcalico.org/name"];

/// A condition in the language of selectors; seldom one that cannot be read.
pub(crate) fn expression(keys: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    let value = || select(["a", "b", "", "ab", NAMESPACES[0], NAMESPACES[1], "bot"].to_vec());
    let values = vec(value(), 0..3).prop_map(|values| {
        let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
        format!("{{{}}}", quoted.join(", "))
    });
    let compared =
        (select(keys), select(vec!["==", "==", "!=", "contains", "starts with", "ends with"]), value())
            .prop_map(|(key, operator, value)| format!("{key} {operator} '{value}'"));
    let listed = (select(keys), select(vec!["in", "not in"]), values)
        .prop_map(|(key, operator, values)| format!("{key} {operator} {values}"));
    let has = select(keys).prop_map(|key| format!("has({key})"));
    // Of a service account, `global()` says nothing.
    let wholes = if keys == ACCOUNT_LABELS { vec!["all()"] } else { vec!["all()", "global()"] };
    let whole = select(wholes).prop_map(str::to_owned);
    let broken = select(vec!["app ==", "has(", "app = 'a'", "!"]).prop_map(str::to_owned);
    let leaf = prop_oneof![40 => compared, 20 => listed, 20 => has, 8 => whole, 1 => broken];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let both = (inner.clone(), select(vec!["&&", "||", "||"]), inner.clone())
            .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})"));
        let negated = inner.clone().prop_map(|inner| format!("!({inner})"));
        prop_oneof![2 => both, 1 => negated]
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![10 => Just("Allow"), 8 => Just("Deny"), 6 => Just("Pass"), 3 => Just("Log"), 1 => Just("Explode")];
    let version = prop_oneof![8 => Just(None), 1 => Just(Some(4)), 1 => Just(Some(6))];
    let ends = (entity(), entity());
    (action, version, protocol(), ends, 0..80u8).prop_map(
        |(action, ip_version, protocol, (source, destination), mishap)| {
            let Protocols { protocol, not_protocol, icmp, not_icmp, source_ports, destination_ports } =
                protocol;
            let mut rule = Rule {
                action: action.to_owned(),
                ip_version,
                protocol,
                not_protocol,
                icmp,
                not_icmp,
                source: EntityRule { ports: source_ports.0, not_ports: source_ports.1, ..source },
                destination: EntityRule {
                    ports: destination_ports.0,
                    not_ports: destination_ports.1,
                    ..destination
                },
                ..Rule::default()
            };
            match mishap {
                0 => rule.rest = unknown(),
                1 => rule.http = Some(serde_json::json!({})),
                2 => rule.source.rest = unknown(),
                3 => rule.ip_version = Some(5),
                _ => {}
            }
            rule
        },
    )
}

/// The conditions that go with each other.
#[derive(Debug, Clone, Default)]
struct Protocols {
    protocol: Option<IntOrString>,
    not_protocol: Option<IntOrString>,
    icmp: Option<Icmp>,
    not_icmp: Option<Icmp>,
    source_ports: (Vec<IntOrString>, Vec<IntOrString>),
    destination_ports: (Vec<IntOrString>, Vec<IntOrString>),
}

fn protocol() -> impl Strategy<Value = Protocols> {
    let none = Just(Protocols::default());
    let named = |name: &str| IntOrString::String(name.to_owned());
    let numbers = [IntOrString::Int(6), IntOrString::Int(1), IntOrString::Int(47)];
    let numbers = [&[named("TCP"), named("UDP"), named("SCTP"), named("UDPLite")][..], &numbers[..]].concat();
    let one_of = select(numbers.clone())
        .prop_map(|protocol| Protocols { protocol: Some(protocol), ..Protocols::default() });
    let none_of = select(numbers)
        .prop_map(|protocol| Protocols { not_protocol: Some(protocol), ..Protocols::default() });
    let with_ports = (select(vec!["TCP", "TCP", "UDP", "SCTP"]), port_lists(0.3), port_lists(0.6)).prop_map(
        move |(protocol, source_ports, destination_ports)| Protocols {
            protocol: Some(IntOrString::String(protocol.to_owned())),
            source_ports,
            destination_ports,
            ..Protocols::default()
        },
    );
    let icmp = (any::<bool>(), option::weighted(0.7, icmp()), option::weighted(0.4, icmp())).prop_map(
        move |(v6, icmp, not_icmp)| Protocols {
            protocol: Some(IntOrString::String(if v6 { "ICMPv6" } else { "ICMP" }.to_owned())),
            icmp,
            not_icmp,
            ..Protocols::default()
        },
    );
    // Conditions that need a protocol, without it.
    let broken = (icmp.clone(), port_lists(0.95)).prop_map(|(icmp, destination_ports)| Protocols {
        protocol: None,
        destination_ports,
        ..icmp
    });
    prop_oneof![40 => none, 15 => one_of, 15 => none_of, 60 => with_ports, 50 => icmp, 1 => broken]
}

fn icmp() -> impl Strategy<Value = Icmp> + Clone {
    (option::weighted(0.9, select(ICMP_TYPES.to_vec())), option::weighted(0.3, 0..2i32))
        .prop_map(|(kind, code)| Icmp { kind: kind.map(i32::from), code, ..Icmp::default() })
}

/// `ports` and `notPorts`.
fn port_lists(weight: f64) -> impl Strategy<Value = (Vec<IntOrString>, Vec<IntOrString>)> {
    let number = || select(PORTS.to_vec()).prop_map(i32::from);
    let single = number().prop_map(IntOrString::Int);
    let range =
        (number(), number()).prop_map(|(a, b)| IntOrString::String(format!("{}:{}", a.min(b), a.max(b))));
    let named = select(PORT_NAMES.to_vec()).prop_map(|name| IntOrString::String(name.to_owned()));
    let odd = select(vec![IntOrString::Int(0), IntOrString::String("9:1".to_owned())]);
    let port = prop_oneof![20 => single, 15 => range, 25 => named, 1 => odd];
    let list = vec(port, 1..4);
    (option::weighted(weight, list.clone()), option::weighted(weight / 2.0, list))
        .prop_map(|(ports, not_ports)| (ports.unwrap_or_default(), not_ports.unwrap_or_default()))
}

/// Mostly without a condition or with one.
fn entity() -> impl Strategy<Value = EntityRule> {
    let net = select([&NETWORKS[..], &HOLES[..], &["10.0.0.1", "192.0.2.1"][..]].concat());
    let net = prop_oneof![100 => net, 1 => Just("10.0.0.0/40")];
    let nets = vec(net.prop_map(str::to_owned), 1..4);
    let accounts =
        (vec(select(vec!["bot", "cat", "default"]), 0..3), sometimes(0.5, expression(ACCOUNT_LABELS)));
    let accounts = accounts.prop_map(|(names, selector)| ServiceAccountMatch {
        names: names.into_iter().map(str::to_owned).collect(),
        selector,
        ..ServiceAccountMatch::default()
    });
    let service = (select(vec!["", "red", "green"]), prop::bool::weighted(0.9));
    let service = service.prop_map(|(namespace, known)| ServiceMatch {
        name: if known { "web" } else { "other" }.to_owned(),
        namespace: namespace.to_owned(),
        ..ServiceMatch::default()
    });
    let selectors = (expression(LABELS), expression(LABELS), expression(NAMESPACE_LABELS));
    let asked = (0..7usize, 0..100u8).prop_map(|(one, chance)| {
        let mut asked = [false; 7];
        asked[one] = chance < 60;
        asked[(one + usize::from(chance)) % 7] |= chance < 10;
        asked
    });
    (nets.clone(), nets, selectors, accounts, service, asked).prop_map(
        |(nets, not_nets, (selector, not_selector, namespace_selector), accounts, service, asked)| {
            fn if_asked<T: Default>(asked: bool, condition: T) -> T {
                if asked { condition } else { T::default() }
            }
            EntityRule {
                nets: if_asked(asked[0], nets),
                not_nets: if_asked(asked[1], not_nets),
                selector: if_asked(asked[2], selector),
                not_selector: if_asked(asked[3], not_selector),
                namespace_selector: if_asked(asked[4], namespace_selector),
                service_accounts: if_asked(asked[5], Some(accounts)),
                services: if_asked(asked[6], Some(service)),
                ..EntityRule::default()
            }
        },
    )
}
