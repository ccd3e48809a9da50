//! What is held back, as a table. The kernel itself is tried in `tests/`.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::{Outcome, Sweep, route_diff};
use crate::plan::desired::{NextHop, Route, Routes};

fn net(text: &str) -> IpNetwork {
    text.parse().expect("prefix")
}

fn via(gateway: &str) -> Route {
    let hop = NextHop { gateway: gateway.parse().expect("gateway"), interface: None };
    Route::Via { next_hops: BTreeSet::from([hop]), source: None }
}

fn device(interface: &str) -> Route {
    Route::Device { interface: interface.to_owned(), source: None }
}

#[test]
fn learned_routes_stay_until_bgp_is_synchronised() {
    let actual = Routes::from([
        (net("10.42.1.0/26"), via("10.1.1.0")),
        (net("10.42.2.0/26"), via("10.1.1.0")),
        (net("10.42.0.9/32"), device("fabgone")),
        (net("10.42.9.0/26"), Route::Blackhole),
    ]);
    let desired = Routes::from([(net("10.42.2.0/26"), via("10.1.2.0"))]);

    let early = route_diff(&actual, &desired, Sweep::Only(&BTreeSet::new()), true);
    assert_eq!(early.remove, BTreeSet::from([net("10.42.0.9/32"), net("10.42.9.0/26")]));
    assert_eq!(early.change, BTreeMap::from([(net("10.42.2.0/26"), via("10.1.2.0"))]));

    let withdrawn = BTreeSet::from([net("10.42.1.0/26")]);
    let told = route_diff(&actual, &desired, Sweep::Only(&withdrawn), true);
    assert!(told.remove.is_superset(&withdrawn), "what is withdrawn goes at once: {told:?}");

    let late = route_diff(&actual, &desired, Sweep::All, true);
    assert!(late.remove.contains(&net("10.42.1.0/26")));
}

#[test]
fn no_pod_gets_a_route_before_its_policy_stands() {
    let desired =
        Routes::from([(net("10.42.0.1/32"), device("fab1")), (net("10.42.0.0/26"), Route::Blackhole)]);
    let diff = route_diff(&Routes::new(), &desired, Sweep::All, false);
    assert_eq!(diff.add, BTreeMap::from([(net("10.42.0.0/26"), Route::Blackhole)]));
    // One that has a route keeps it.
    let diff = route_diff(&desired, &desired, Sweep::All, false);
    assert!(diff.is_empty());
}

#[test]
fn an_endpoint_says_what_it_lacks() {
    let workload = datastore::WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        node: "node1".to_owned(),
        container_id: "c1".to_owned(),
        interface: "eth0".to_owned(),
        host_interface: "fab1".to_owned(),
        mac: String::new(),
        addresses: vec!["10.42.0.1".parse().expect("address")],
        labels: BTreeMap::new(),
        netns: String::new(),
    };
    let mut outcome = Outcome::default();
    assert_eq!(outcome.missing_of(&workload).as_deref(), Some("its policy is not in the kernel"));
    outcome.policy_stands = true;
    assert_eq!(outcome.missing_of(&workload).as_deref(), Some("its link fab1 is not open"));
    outcome.open = BTreeSet::from(["fab1".to_owned()]);
    assert_eq!(outcome.missing_of(&workload).as_deref(), Some("10.42.0.1 has no route to fab1"));
    outcome.routes = Routes::from([(net("10.42.0.1/32"), device("fab2"))]);
    assert_eq!(outcome.missing_of(&workload).as_deref(), Some("10.42.0.1 has no route to fab1"));
    outcome.routes = Routes::from([(net("10.42.0.1/32"), device("fab1"))]);
    assert_eq!(outcome.missing_of(&workload), None);
}
