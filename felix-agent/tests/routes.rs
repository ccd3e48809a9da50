//! Routes, links, neighbours, settings and notifications against the real kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::Duration;

use felix_agent::dataplane::links::{self, GATEWAY_V6, LinkError};
use felix_agent::dataplane::netlink::{Interfaces, Netlink, NetlinkEvent, Watcher};
use felix_agent::dataplane::routes::lookup::{Verdict, find, look_up};
use felix_agent::dataplane::routes::{self, ROUTE_PROTOCOL, RouteError};
use felix_agent::dataplane::{neighbours, sysctl};
use felix_agent::diff::{Diff, Outcome};
use felix_agent::plan::desired::{Link, Links, Neighbours, NextHop, Route, Routes};
use ipnetwork::IpNetwork;
use tokio::time::timeout;

#[path = "fixtures/namespace.rs"]
mod namespace;

use namespace::{Namespace, in_fresh_namespace, ip};

/// Two uplinks with subnets of both families, and a pod's link.
fn lay_cables() {
    for (uplink, far, v4, v6) in [
        ("up0", "far0", "192.0.2.1/24", "2001:db8:a::1/64"),
        ("up1", "far1", "198.51.100.1/24", "2001:db8:b::1/64"),
    ] {
        ip(&format!("link add {uplink} type veth peer name {far}"));
        ip(&format!("link set {uplink} up"));
        ip(&format!("link set {far} up"));
        ip(&format!("addr add {v4} dev {uplink}"));
        ip(&format!("addr add {v6} dev {uplink} nodad"));
    }
    ip("link add fabpod type veth peer name podend");
    ip("link set fabpod up");
    ip("link set podend up");
}

fn hop(gateway: &str, interface: Option<&str>) -> NextHop {
    NextHop { gateway: gateway.parse().unwrap(), interface: interface.map(str::to_owned) }
}

fn via(hops: impl IntoIterator<Item = NextHop>) -> Route {
    Route::Via { next_hops: hops.into_iter().collect(), source: None }
}

fn device(source: Option<&str>) -> Route {
    Route::Device { interface: "fabpod".into(), source: source.map(|source| source.parse().unwrap()) }
}

/// Every shape of route, for one destination.
fn shapes(v4: bool) -> Vec<Route> {
    if v4 {
        vec![
            Route::Blackhole,
            device(None),
            device(Some("192.0.2.1")),
            via([hop("192.0.2.2", None)]),
            via([hop("169.254.7.7", Some("up1"))]),
            via([hop("fe80::7", Some("up0"))]),
            via([hop("192.0.2.2", None), hop("198.51.100.2", None)]),
            via([hop("192.0.2.2", None), hop("192.0.2.3", None), hop("203.0.113.1", Some("up1"))]),
            Route::Via {
                next_hops: BTreeSet::from([hop("192.0.2.2", None), hop("198.51.100.2", None)]),
                source: Some("198.51.100.1".parse().unwrap()),
            },
            // RFC 8950: unnumbered peers, one, two, and one beside a numbered one; and a global IPv6 next hop.
            via([hop("fe80::7", Some("up0")), hop("fe80::7", Some("up1"))]),
            via([hop("192.0.2.2", None), hop("fe80::9", Some("up1"))]),
            via([hop("2001:db8:a::2", None)]),
            via([hop("2001:db8:a::2", None), hop("2001:db8:c::9", Some("up1"))]),
            Route::Via {
                next_hops: BTreeSet::from([hop("fe80::7", Some("up0")), hop("fe80::9", Some("up1"))]),
                source: Some("192.0.2.1".parse().unwrap()),
            },
        ]
    } else {
        vec![
            Route::Blackhole,
            device(None),
            device(Some("2001:db8:b::1")),
            via([hop("2001:db8:a::2", None)]),
            via([hop("fe80::7", Some("up1"))]),
            via([hop("2001:db8:a::2", None), hop("2001:db8:b::2", None)]),
            via([hop("fe80::7", Some("up0")), hop("fe80::7", Some("up1"))]),
            via([hop("2001:db8:a::2", None), hop("fe80::9", Some("up1")), hop("2001:db8:c::9", Some("up1"))]),
            Route::Via {
                next_hops: BTreeSet::from([hop("2001:db8:a::2", None), hop("2001:db8:b::2", None)]),
                source: Some("2001:db8:a::1".parse().unwrap()),
            },
        ]
    }
}

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

async fn apply(netlink: &Netlink, desired: &Routes) -> Outcome<IpNetwork, Route, RouteError> {
    let actual = routes::read(netlink).await.unwrap();
    let diff = Diff::between(&actual, desired);
    routes::apply(netlink, actual, diff).await.unwrap()
}

async fn make_true(netlink: &Netlink, desired: &Routes) {
    let outcome = apply(netlink, desired).await;
    assert!(outcome.is_complete(), "{:?}", outcome.failed);
    assert_eq!(&outcome.holds, desired);
    assert_eq!(&routes::read(netlink).await.unwrap(), desired);
}

#[test]
fn any_route_replaces_any_and_reads_back_as_written() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        for (destination, v4) in [("10.1.0.1/32", true), ("fd00:1::1/128", false), ("10.0.0.0/8", true)] {
            let destination = net(destination);
            for before in shapes(v4) {
                for after in shapes(v4) {
                    make_true(&netlink, &Routes::from([(destination, before.clone())])).await;
                    make_true(&netlink, &Routes::from([(destination, after)])).await;
                }
            }
            make_true(&netlink, &Routes::new()).await;
        }
    });
}

#[test]
fn the_kernel_shows_what_iproute2_would() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let desired = Routes::from([
            (net("0.0.0.0/0"), via([hop("192.0.2.2", None), hop("198.51.100.2", None)])),
            (net("::/0"), via([hop("2001:db8:a::2", None), hop("2001:db8:b::2", None)])),
            (net("10.1.0.0/26"), Route::Blackhole),
            (net("10.1.0.1/32"), device(Some("192.0.2.1"))),
        ]);
        make_true(&netlink, &desired).await;
        let shown = ip(&format!("-4 route show proto {ROUTE_PROTOCOL}"));
        for line in [
            "default \n\tnexthop via 192.0.2.2 dev up0 weight 1 \n\tnexthop via 198.51.100.2 dev up1 weight 1",
            "blackhole 10.1.0.0/26",
            "10.1.0.1 dev fabpod scope link src 192.0.2.1",
        ] {
            assert!(shown.contains(line), "{line:?} not in {shown:?}");
        }
        let shown = ip(&format!("-6 route show proto {ROUTE_PROTOCOL}"));
        assert!(shown.contains("nexthop via 2001:db8:b::2 dev up1"), "{shown}");
    });
}

/// Two machines whose links have link-local addresses alone, and whose IPv4 addresses are on the loopback: packets go,
/// over each of two links (RFC 8950).
#[test]
fn ipv4_packets_go_by_ipv6_next_hops() {
    in_fresh_namespace(|| async {
        let far = Namespace::new();
        let thread = far.path().components().rev().nth(2).unwrap().as_os_str().to_str().unwrap().to_owned();
        ip("addr add 10.255.0.1/32 dev lo");
        far.ip("addr add 10.255.0.2/32 dev lo");
        for (metric, link) in ["up0", "up1"].into_iter().enumerate() {
            ip(&format!("link add {link} type veth peer name {link} netns {thread}"));
            let far_end = link.to_owned();
            far.run(move || {
                ip(&format!("link set {far_end} addrgenmode none"));
                ip(&format!("addr add fe80::2/64 dev {far_end} nodad"));
                ip(&format!("link set {far_end} up"));
                ip(&format!("route add 10.255.0.1 via inet6 fe80::1 dev {far_end} metric {metric}"));
            });
            ip(&format!("addr add fe80::1/64 dev {link} nodad"));
            ip(&format!("link set {link} up"));
        }
        let netlink = Netlink::connect().unwrap();
        let listener = far.run(|| UdpSocket::bind("10.255.0.2:7000").unwrap());
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let here = UdpSocket::bind("10.255.0.1:0").unwrap();
        let both = [hop("fe80::2", Some("up0")), hop("fe80::2", Some("up1"))];
        for hops in [both[..1].to_vec(), both[1..].to_vec(), both.to_vec()] {
            let source = Some("10.255.0.1".parse().unwrap());
            let route = Route::Via { next_hops: hops.iter().cloned().collect(), source };
            make_true(&netlink, &Routes::from([(net("10.255.0.2/32"), route)])).await;
            here.send_to(b"hello", "10.255.0.2:7000").unwrap();
            let mut buffer = [0; 16];
            let (length, _) = listener.recv_from(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..length], b"hello", "by {hops:?}");
        }
    });
}

#[test]
fn the_kernel_says_where_a_packet_goes() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let desired = Routes::from([
            (net("10.1.0.0/26"), Route::Blackhole),
            (net("10.1.0.1/32"), device(Some("192.0.2.1"))),
            (net("10.2.0.0/16"), via([hop("192.0.2.2", None), hop("fe80::9", Some("up1"))])),
            (net("fd00:2::/64"), via([hop("fe80::7", Some("up1"))])),
        ]);
        make_true(&netlink, &desired).await;
        ip("route add 10.2.7.0/24 via 192.0.2.3 proto static");
        let ask = async |address: &str| look_up(&netlink, address.parse().unwrap()).await.unwrap();
        let route = |destination: &str, protocol, text: &str| Verdict::Route {
            destination: net(destination),
            protocol,
            text: text.to_owned(),
        };
        let two = "via 192.0.2.2 dev up0 and via fe80::9 dev up1";
        assert_eq!(ask("10.2.1.1").await, route("10.2.0.0/16", ROUTE_PROTOCOL, two));
        assert_eq!(ask("10.2.7.1").await, route("10.2.7.0/24", 4, "via 192.0.2.3 dev up0"), "another's");
        assert_eq!(ask("10.1.0.1").await, route("10.1.0.1/32", ROUTE_PROTOCOL, "dev fabpod"));
        assert_eq!(ask("10.1.0.2").await, Verdict::Blackhole);
        assert_eq!(ask("fd00:2::1").await, route("fd00:2::/64", ROUTE_PROTOCOL, "via fe80::7 dev up1"));
        assert_eq!(ask("203.0.113.9").await, Verdict::Unreachable);
        assert_eq!(ask("2001:db8:99::1").await, Verdict::Unreachable);

        let at = async |destination: &str| find(&netlink, net(destination)).await.unwrap();
        assert_eq!(at("0.0.0.0/0").await, Verdict::Unreachable);
        ip("route add default via 192.0.2.4 proto static metric 50");
        ip("route add default via 192.0.2.5 proto static metric 20");
        ip("-6 route add default via fe80::5 dev up1 proto static");
        assert_eq!(at("0.0.0.0/0").await, route("0.0.0.0/0", 4, "via 192.0.2.5 dev up0"), "the lower metric");
        assert_eq!(at("::/0").await, route("::/0", 4, "via fe80::5 dev up1"));
        assert_eq!(at("10.2.0.0/15").await, Verdict::Unreachable, "exactly this destination");
    });
}

#[test]
fn somebody_elses_route_is_left_alone_and_named() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        ip("route add 10.9.0.0/26 via 192.0.2.9 proto static");
        ip("-6 route add fd00:9::/64 via 2001:db8:a::9 proto bird");
        let before = ip("route show 10.9.0.0/26") + &ip("-6 route show fd00:9::/64");
        let free = (net("10.9.0.64/26"), Route::Blackhole);
        let desired = Routes::from([
            (net("10.9.0.0/26"), Route::Blackhole),
            (net("fd00:9::/64"), via([hop("2001:db8:b::2", None)])),
            free.clone(),
        ]);

        let outcome = apply(&netlink, &desired).await;
        assert_eq!(outcome.holds, Routes::from([free]));
        let protocol_of = |destination| {
            let error = &outcome.failed[&net(destination)];
            if let RouteError::Conflict { protocol } = error {
                *protocol
            } else {
                panic!("{destination}: {error}")
            }
        };
        assert_eq!(protocol_of("10.9.0.0/26"), 4);
        assert_eq!(protocol_of("fd00:9::/64"), 12);
        assert_eq!(ip("route show 10.9.0.0/26") + &ip("-6 route show fd00:9::/64"), before);

        make_true(&netlink, &Routes::new()).await;
        assert_eq!(ip("route show 10.9.0.0/26") + &ip("-6 route show fd00:9::/64"), before);
    });
}

#[test]
fn a_route_of_ours_that_was_not_expected_is_set_right() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        ip(&format!("route add blackhole 10.9.0.0/26 proto {ROUTE_PROTOCOL}"));
        let desired = Routes::from([(net("10.9.0.0/26"), via([hop("192.0.2.2", None)]))]);
        let diff = Diff::between(&Routes::new(), &desired);
        let outcome = routes::apply(&netlink, Routes::new(), diff).await.unwrap();
        assert!(outcome.is_complete(), "{:?}", outcome.failed);
        assert_eq!(routes::read(&netlink).await.unwrap(), desired);
    });
}

#[test]
fn one_failing_route_does_not_stop_the_others() {
    in_fresh_namespace(|| async {
        lay_cables();
        ip("link add fabshut type veth peer name shutend");
        let netlink = Netlink::connect().unwrap();
        let shut = Route::Device { interface: "fabshut".into(), source: None };
        let away = Route::Device { interface: "fabaway".into(), source: None };
        let desired = Routes::from([
            (net("10.1.0.1/32"), away),
            (net("10.1.0.2/32"), shut.clone()),
            (net("fd00::2/128"), shut),
            (net("10.2.0.0/26"), via([hop("203.0.113.1", None)])),
            (net("fd00:2::/64"), via([hop("2001:db8:f::1", None)])),
            (net("10.3.0.0/26"), device(Some("203.0.113.77"))),
            (net("10.4.0.0/26"), Route::Blackhole),
        ]);
        let outcome = apply(&netlink, &desired).await;
        assert_eq!(outcome.holds, Routes::from([(net("10.4.0.0/26"), Route::Blackhole)]));
        let failed = |destination| &outcome.failed[&net(destination)];
        assert!(
            matches!(failed("10.1.0.1/32"), RouteError::InterfaceMissing { interface } if interface == "fabaway")
        );
        assert!(matches!(failed("10.1.0.2/32"), RouteError::InterfaceDown), "{:?}", failed("10.1.0.2/32"));
        assert!(matches!(failed("fd00::2/128"), RouteError::InterfaceDown), "{:?}", failed("fd00::2/128"));
        for destination in ["10.2.0.0/26", "fd00:2::/64"] {
            assert!(
                matches!(failed(destination), RouteError::GatewayUnreachable(_)),
                "{:?}",
                failed(destination)
            );
        }
        let no_source = failed("10.3.0.0/26").to_string();
        assert!(no_source.contains("prefsrc"), "the kernel's own words: {no_source}");

        // What was transient comes true once its cause is gone.
        ip("link set fabshut up");
        ip("link add fabaway type veth peer name awayend");
        ip("link set fabaway up");
        let healed = apply(&netlink, &desired).await;
        assert_eq!(healed.failed.len(), 3, "{:?}", healed.failed);
        assert_eq!(healed.holds.len(), 4);
    });
}

#[test]
fn two_thousand_routes_come_and_go() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let two = |v4| {
            via(if v4 {
                [hop("192.0.2.2", None), hop("198.51.100.2", None)]
            } else {
                [hop("2001:db8:a::2", None), hop("2001:db8:b::2", None)]
            })
        };
        let mut desired = Routes::new();
        for block in 0..1000_u32 {
            let (high, low) = (block / 4, block % 4 * 64);
            desired.insert(net(&format!("10.7.{high}.{low}/26")), two(true));
            desired.insert(net(&format!("fd00:7:0:{block:x}::/122")), two(false));
        }
        make_true(&netlink, &desired).await;
        for (destination, route) in &mut desired {
            *route = via([if destination.is_ipv4() {
                hop("192.0.2.2", None)
            } else {
                hop("2001:db8:a::2", None)
            }]);
        }
        make_true(&netlink, &desired).await;
        make_true(&netlink, &Routes::new()).await;
    });
}

#[test]
fn a_dead_next_hop_still_reads_back_as_written() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let mut settings = sysctl::for_uplink("up0", false);
        settings.extend(sysctl::for_node());
        let outcome = sysctl::apply(BTreeMap::new(), Diff::between(&BTreeMap::new(), &settings));
        assert!(outcome.is_complete(), "{:?}", outcome.failed);
        assert_eq!(sysctl::read(settings.keys()), settings);

        let desired = Routes::from([
            (net("10.0.0.0/8"), via([hop("192.0.2.2", None), hop("198.51.100.2", None)])),
            (net("fd00::/16"), via([hop("fe80::2", Some("up0")), hop("fe80::2", Some("up1"))])),
        ]);
        make_true(&netlink, &desired).await;
        ip("link set far0 down");
        assert_eq!(routes::read(&netlink).await.unwrap(), desired);
        for address in ["10.1.2.3", "fd00::7"] {
            for port in 0..16 {
                let chosen = ip(&format!("route get {address} ipproto tcp sport {port} dport 80"));
                assert!(chosen.contains("dev up1"), "a link without carrier carries nothing: {chosen}");
            }
        }
    });
}

async fn stand(netlink: &Netlink, desired: &Links) -> Outcome<String, Link, LinkError> {
    let actual = links::read(netlink).await.unwrap();
    let diff = Diff::between(&actual, desired);
    links::apply(netlink, actual, diff).await.unwrap()
}

#[test]
fn links_open_close_and_go() {
    in_fresh_namespace(|| async {
        for name in ["faba", "fabb"] {
            ip(&format!("link add {name} type veth peer name {name}-pod"));
            ip(&format!("link set {name}-pod name pod-{name} up"));
            ip(&format!("link set {name} addrgenmode none"));
        }
        let netlink = Netlink::connect().unwrap();
        let open = Link { up: true, gateway_v6: Some(GATEWAY_V6) };
        let shut = Link { up: false, gateway_v6: None };
        let waiting = Link { up: false, gateway_v6: Some(GATEWAY_V6) };
        let other = Link { up: true, gateway_v6: Some("fe80::2".parse().unwrap()) };
        for first in [&open, &shut, &waiting, &other] {
            for second in [&open, &shut, &waiting, &other] {
                for state in [first, second] {
                    let desired =
                        Links::from([("faba".into(), state.clone()), ("fabb".into(), shut.clone())]);
                    let outcome = stand(&netlink, &desired).await;
                    assert!(outcome.is_complete(), "{:?}", outcome.failed);
                    assert_eq!(outcome.holds, desired);
                    assert_eq!(links::read(&netlink).await.unwrap(), desired);
                }
            }
        }

        let desired = Links::from([("fabb".into(), open.clone()), ("fabmissing".into(), open.clone())]);
        let outcome = stand(&netlink, &desired).await;
        assert!(matches!(outcome.failed["fabmissing"], LinkError::InterfaceMissing { .. }));
        assert_eq!(outcome.holds, Links::from([("fabb".into(), open)]));
        assert!(Interfaces::read(&netlink).await.unwrap().get("pod-faba").is_none(), "both ends go");
    });
}

#[test]
fn what_is_not_ours_is_not_touched_even_if_planned() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let diff = Diff {
            add: BTreeMap::from([("up0".to_owned(), Link { up: false, gateway_v6: None })]),
            change: BTreeMap::new(),
            remove: BTreeSet::from(["up1".to_owned()]),
        };
        let outcome = links::apply(&netlink, Links::new(), diff).await.unwrap();
        assert!(outcome.failed.values().all(|error| matches!(error, LinkError::NotOurs { .. })));
        let interfaces = Interfaces::read(&netlink).await.unwrap();
        assert!(interfaces.get("up0").unwrap().up && interfaces.get("up1").unwrap().up);
    });
}

#[test]
fn neighbours_are_permanent_and_stand_while_the_link_is_closed() {
    in_fresh_namespace(|| async {
        lay_cables();
        ip("link set fabpod down");
        ip("neigh add 192.0.2.50 lladdr 02:00:00:00:00:50 dev up0 nud permanent");
        let netlink = Netlink::connect().unwrap();
        let entry = |address: &str, last: u8| {
            (("fabpod".to_owned(), address.parse().unwrap()), [2, 0, 0, 0, 0, last])
        };
        for desired in [
            Neighbours::from([entry("10.1.0.1", 1), entry("fd00:1::1", 1)]),
            Neighbours::from([entry("10.1.0.1", 2), entry("10.1.0.2", 3)]),
            Neighbours::new(),
        ] {
            let actual = neighbours::read(&netlink).await.unwrap();
            let diff = Diff::between(&actual, &desired);
            let outcome = neighbours::apply(&netlink, actual, diff).await.unwrap();
            assert!(outcome.is_complete(), "{:?}", outcome.failed);
            assert_eq!(neighbours::read(&netlink).await.unwrap(), desired);
            ip("link set fabpod up");
            assert_eq!(neighbours::read(&netlink).await.unwrap(), desired, "opening keeps them");
        }
        assert!(ip("neigh show dev up0").contains("192.0.2.50"), "not ours, not touched");

        let missing = BTreeMap::from([(("fabgone".to_owned(), "10.1.0.1".parse().unwrap()), [2; 6])]);
        let diff = Diff::between(&Neighbours::new(), &missing);
        let outcome = neighbours::apply(&netlink, Neighbours::new(), diff).await.unwrap();
        let failures: Vec<_> = outcome.failed.values().collect();
        assert!(matches!(failures[..], [LinkError::InterfaceMissing { .. }]), "{failures:?}");
    });
}

/// Waits for an event that `wanted` accepts, passing over others.
async fn see(watcher: &mut Watcher, wanted: impl Fn(&NetlinkEvent) -> bool) -> NetlinkEvent {
    let patience = Duration::from_secs(20);
    timeout(patience, async {
        loop {
            let event = watcher.next().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
    .expect("the kernel tells")
}

#[test]
fn the_watcher_sees_what_others_do_and_not_what_we_did() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let mut watcher = Watcher::open(Some(netlink.port())).unwrap();
        let blocks = Routes::from([
            (net("10.1.0.0/26"), Route::Blackhole),
            (net("fd00:1::/64"), via([hop("2001:db8:a::2", None)])),
        ]);
        make_true(&netlink, &blocks).await;
        ip("route del blackhole 10.1.0.0/26");
        ip("-6 route del fd00:1::/64");
        ip("route add 10.2.0.0/26 via 192.0.2.2");
        // The kernel adds and announces routes of its own, for link-local addresses.
        let told = ["10.1.0.0/26", "fd00:1::/64", "10.2.0.0/26"].map(net);
        let is_route = |event: &NetlinkEvent| matches!(event, NetlinkEvent::RouteChanged { destination, .. } if told.contains(destination));
        for (destination, ours, deleted) in
            [("10.1.0.0/26", true, true), ("fd00:1::/64", true, true), ("10.2.0.0/26", false, false)]
        {
            let seen = see(&mut watcher, is_route).await;
            assert_eq!(seen, NetlinkEvent::RouteChanged { destination: net(destination), ours, deleted });
        }

        ip("link set far0 down");
        see(&mut watcher, |event| {
            matches!(event, NetlinkEvent::LinkChanged { name, up: true, carrier: false, gone: false, .. } if name == "up0")
        })
        .await;
        ip("addr del 198.51.100.1/24 dev up1");
        see(&mut watcher, |event| {
            matches!(event, NetlinkEvent::AddressChanged { address, deleted: true, .. } if address.to_string() == "198.51.100.1")
        })
        .await;
        ip("link del fabpod");
        see(&mut watcher, |event| {
            matches!(event, NetlinkEvent::LinkChanged { name, up: false, gone: true, .. } if name == "fabpod")
        })
        .await;
    });
}

#[test]
fn a_watcher_that_cannot_keep_up_is_told() {
    in_fresh_namespace(|| async {
        lay_cables();
        let netlink = Netlink::connect().unwrap();
        let mut watcher = Watcher::with_buffer(None, 4 << 10).unwrap();
        let many = (0..=255_u8).map(|block| (net(&format!("10.3.{block}.0/24")), Route::Blackhole));
        make_true(&netlink, &many.collect()).await;
        see(&mut watcher, |event| *event == NetlinkEvent::Overrun).await;
        // It goes on after that.
        ip("route del blackhole 10.3.9.0/24");
        see(&mut watcher, |event| {
            matches!(event, NetlinkEvent::RouteChanged { destination, deleted: true, .. } if *destination == net("10.3.9.0/24"))
        })
        .await;
    });
}

#[test]
fn the_nodes_uplinks_are_known() {
    in_fresh_namespace(|| async {
        lay_cables();
        ip("link set up1 mtu 1400");
        let netlink = Netlink::connect().unwrap();
        let interfaces = Interfaces::read(&netlink).await.unwrap();
        let reaching =
            |address: &str| interfaces.reaching(address.parse().unwrap()).map(|found| found.name.as_str());
        assert_eq!(reaching("192.0.2.2"), Some("up0"));
        assert_eq!(reaching("2001:db8:b::2"), Some("up1"));
        assert_eq!(reaching("203.0.113.1"), None);
        assert_eq!(interfaces.uplink_mtu(), 1400);
        let own = interfaces.node_addresses();
        let first = interfaces.uplinks().min_by_key(|uplink| uplink.index).unwrap();
        assert_eq!(
            own.v4,
            first.addresses.iter().map(|address| address.local).find(std::net::IpAddr::is_ipv4)
        );
        assert!(own.v6.is_some());
    });
}

#[test]
fn dumps_may_be_asked_for_at_the_same_time() {
    in_fresh_namespace(|| async {
        let netlink = Netlink::connect().unwrap();
        let readings = (0..32).map(|_| async { Interfaces::read(&netlink).await });
        for reading in futures_util::future::join_all(readings).await {
            reading.unwrap();
        }
    });
}

/// Turning forwarding on makes the kernel drop default routes that it learned from router advertisements, and take no
/// more, unless the interface says otherwise by then.
#[test]
fn a_host_that_follows_router_advertisements_goes_on_doing_so() {
    in_fresh_namespace(|| async {
        lay_cables();
        let accept = sysctl::accept_ra("up0");
        let before = sysctl::read([&accept]);
        assert_eq!(before[&accept], "1", "a host by default");

        let mut settings = sysctl::for_uplink("up0", true);
        settings.extend(sysctl::for_node());
        let actual = sysctl::read(settings.keys());
        let diff = Diff::between(&actual, &settings);
        let outcome = sysctl::apply(actual, diff);
        assert!(outcome.is_complete(), "{:?}", outcome.failed);
        assert_eq!(sysctl::read([&accept])[&accept], "2");
    });
}
