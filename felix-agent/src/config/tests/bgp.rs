//! Peers, ranges and policies: what is read, what is refused, and what is warned of.

use std::fs;

use super::super::peer::{Beyond, Family, FamilySettings, MaxPrefixes, TcpAoAlgorithm};
use super::super::value::{Policy, RemoteAs, SendPaths};
use super::super::{Config, Overrides};
use super::{GOOD, check, parse};

/// The whole reference, which a reader of the documentation would copy.
const REFERENCE: &str = include_str!("../../../tests/fixtures/agent.yaml");

#[test]
fn the_reference_is_read_without_a_warning() {
    let reading = Config::parse("agent.yaml", REFERENCE, &Overrides::default()).expect("valid");
    assert_eq!(reading.warnings, [] as [String; 0]);
    let bgp = &reading.config.bgp;
    assert_eq!((bgp.peers.len(), bgp.listen_ranges.len(), bgp.filters.len()), (3, 1, 2));
    let tor = &bgp.peers[0];
    assert_eq!(tor.import, Some(Policy::Filter("tor-in".to_owned())));
    let v4 = &tor.families.0[&Family::Ipv4Unicast];
    assert_eq!((v4.add_path.receive, v4.add_path.send), (true, SendPaths::Limit(4)));
    let limit =
        MaxPrefixes { limit: 10_000, warn_percent: 75, beyond: Beyond::Restart, restart_secs: Some(60) };
    assert_eq!(v4.max_prefixes, Some(limit));
    assert_eq!(tor.families.0[&Family::Ipv6Unicast], FamilySettings::default());
    assert_eq!(bgp.peers[1].interface.as_deref(), Some("eth1"));
    assert_eq!(bgp.peers[1].remote_as, RemoteAs::External);
}

/// The settings that are there for whoever leaves everything out are what the reference says.
#[test]
fn the_reference_tells_the_defaults() {
    let reference = parse(REFERENCE).expect("valid");
    let bare = parse(
        "node: { name: node1 }\ndatastore: { sqlite: { path: /d } }\nbgp: { localAS: 65001, routerID: 10.255.0.1 }\n",
    )
    .expect("valid");
    assert_eq!(reference.api, bare.api);
    assert_eq!(reference.log, bare.log);
    assert_eq!(reference.bgp.listen, bare.bgp.listen);
    assert_eq!(reference.bgp.graceful_restart, bare.bgp.graceful_restart);
    assert_eq!(reference.bgp.multipath_limit, bare.bgp.multipath_limit);
    assert_eq!(reference.bgp.advertise_node_addresses, bare.bgp.advertise_node_addresses);
    assert_eq!(reference.bgp.client_to_client_reflection, bare.bgp.client_to_client_reflection);
    assert_eq!(bare.metrics.listen, None);
}

#[test]
fn no_password_is_ever_shown() {
    let config = parse(REFERENCE).expect("valid");
    assert!(config.bgp.peers[0].password.is_some());
    assert!(!format!("{config:?}").contains("not in any log"));
    for wrong in ["12345678", "true", "1.5", "[secret1234]"] {
        let text = GOOD.replace("remoteAS: 65101", &format!("remoteAS: 65101\n      password: {wrong}"));
        let errors = parse(&text).expect_err("no text").join("\n");
        assert!(errors.starts_with("agent.yaml:11:17: bgp.peers[0].password: "), "{errors}");
        assert!(!errors.contains(wrong.trim_matches(['[', ']'])), "{errors}");
    }
}

#[test]
fn a_password_may_be_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let [file, secret] = ["agent.yaml", "password"].map(|name| directory.path().join(name));
    let line = format!("remoteAS: 65101\n      passwordFile: {}", secret.display());
    fs::write(&file, GOOD.replace("remoteAS: 65101", &line)).expect("written");
    let load = || Config::load(&file, &Overrides::default());

    let missing = load().expect_err("missing").to_string();
    assert!(missing.contains(":11:21: bgp.peers[0].passwordFile: cannot be read: "), "{missing}");
    fs::write(&secret, "\n").expect("written");
    let empty = load().expect_err("empty").to_string();
    assert!(empty.contains("holds what is empty"), "{empty}");

    fs::write(&secret, "tor secret\n").expect("written");
    let config = load().expect("good").config;
    let password = config.bgp.peers[0].password.as_ref().expect("read");
    assert_eq!(&*password.0.0, "tor secret");
    assert_eq!(config.files(&file), [file.clone(), secret]);
}

#[test]
fn a_tcp_ao_key_is_read_or_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let [file, secret] = ["agent.yaml", "key"].map(|name| directory.path().join(name));
    let with = |rest: &str| {
        let ao = format!("tcpAO: {{ sendID: 1, receiveID: 255, {rest} }}");
        GOOD.replace("remoteAS: 65101", &format!("remoteAS: 65101\n      {ao}"))
    };
    let refused = [
        ("algorithm: hmac-sha1", "tcpAO.password: is missing; give it, or passwordFile"),
        ("algorithm: hmac-md5, password: s", "tcpAO.algorithm: "),
        ("algorithm: hmac-sha1, password: ''", "tcpAO.password: is empty"),
        (
            "algorithm: hmac-sha1, password: s, passwordFile: /k",
            "tcpAO.passwordFile: does not go with password",
        ),
        ("algorithm: hmac-sha1, passwordFile: k", "tcpAO.passwordFile: is no absolute path"),
    ];
    for (rest, expected) in refused {
        let errors = parse(&with(rest)).expect_err(rest).join("\n");
        assert!(errors.contains(&format!("bgp.peers[0].{expected}")), "{errors}");
    }
    let long = format!("algorithm: aes-128-cmac, password: {}", "x".repeat(81));
    let errors = parse(&with(&long)).expect_err("too long").join("\n");
    assert!(errors.contains("tcpAO.password: is longer than 80 octets"), "{errors}");
    let both =
        with("algorithm: hmac-sha1, password: s").replace("      tcpAO", "      password: t\n      tcpAO");
    let errors = parse(&both).expect_err("both").join("\n");
    assert!(errors.contains("bgp.peers[0].tcpAO: does not go with a password"), "{errors}");

    fs::write(&secret, "tor secret\n").expect("written");
    let good = with(&format!("algorithm: aes-128-cmac, passwordFile: {}", secret.display()));
    fs::write(&file, good).expect("written");
    let config = Config::load(&file, &Overrides::default()).expect("good").config;
    let ao = config.bgp.peers[0].tcp_ao.as_ref().expect("read");
    assert_eq!((ao.send_id, ao.receive_id, ao.algorithm), (1, 255, TcpAoAlgorithm::CmacAes128));
    assert_eq!(ao.password.as_ref().map(|password| &*password.0.0), Some("tor secret"));
    assert!(!format!("{config:?}").contains("tor secret"));
    assert_eq!(config.files(&file), [file.clone(), secret]);
}

#[test]
fn an_external_peer_without_policy_is_warned_of() {
    let warnings =
        |text: &str| Config::parse("agent.yaml", text, &Overrides::default()).expect("valid").warnings;
    assert_eq!(
        warnings(GOOD),
        [
            "agent.yaml:9:7: bgp.peers[0].import: is missing, so nothing is taken from this external peer (RFC 8212); \
             write all, none or the name of a filter",
            "agent.yaml:9:7: bgp.peers[0].export: is missing, so nothing is told to this external peer (RFC 8212); \
             write originated, all, none or the name of a filter",
        ]
    );
    let said =
        GOOD.replace("remoteAS: 65101", "remoteAS: 65101\n      import: all\n      export: originated");
    assert_eq!(warnings(&said), [] as [&str; 0]);
    let internal = GOOD.replace("remoteAS: 65101", "remoteAS: 65001");
    assert_eq!(warnings(&internal), [] as [&str; 0]);
    // One family says it, the other does not.
    let half = GOOD.replace(
        "families: [ipv4-unicast]",
        "export: none\n      families: { ipv4-unicast: { import: all }, ipv6-unicast: }",
    );
    assert_eq!(warnings(&half).len(), 1);
    let range = GOOD
        .replace("  peers:", "  listenRanges: [{ network: 10.2.0.0/16, peer: { remoteAS: any } }]\n  peers:");
    assert_eq!(warnings(&range).len(), 4);
}

#[test]
fn each_mistake_about_a_peer_is_told() {
    let peer = |line: &str| format!("remoteAS: 65101\n      {line}");
    let table = [
        ("import: al", "11:15: bgp.peers[0].import: there is no filter \"al\"; did you mean \"all\"?"),
        (
            "export: tor-out",
            "11:15: bgp.peers[0].export: there is no filter \"tor-out\"; known are all, none, originated",
        ),
        (
            "import: originated",
            "11:15: bgp.peers[0].import: originated is what we tell, not what we take; write all, none or the name of a filter",
        ),
        (
            "interface: eth0",
            "11:18: bgp.peers[0].interface: does not go with an address: the peer is found by one of them; remove one",
        ),
        (
            "ttlSecurity: 0",
            "11:20: bgp.peers[0].ttlSecurity: is out of bounds; give 1 (a neighbour) to 254 hops",
        ),
        (
            "keepaliveSecs: 9",
            "11:22: bgp.peers[0].keepaliveSecs: is not below the hold time; give a third of it, or nothing",
        ),
        (
            "routeReflectorClient: true",
            "11:29: bgp.peers[0].routeReflectorClient: is for internal peers (RFC 4456); remove it",
        ),
        ("nextHop: selv", "11:16: bgp.peers[0].nextHop: \"selv\" is unknown; did you mean \"self\"?"),
        (
            "bfd: { transmitIntervalMs: 5 }",
            "11:34: bgp.peers[0].bfd.transmitIntervalMs: is out of bounds; give 10 to 60000 milliseconds",
        ),
        (
            "role: { role: custommer }",
            "11:21: bgp.peers[0].role.role: \"custommer\" is unknown; did you mean \"customer\"?",
        ),
        (
            "localAS: { as: 0 }",
            "11:22: bgp.peers[0].localAS.as: AS 0 is reserved (RFC 7607); give a number from 1 to 4294967295",
        ),
        (
            "sendHoldTimeSecs: 9",
            "11:25: bgp.peers[0].sendHoldTimeSecs: is not above the hold time (RFC 9687 §4); give 0 (for ever) or more",
        ),
    ];
    for (line, error) in table {
        check("remoteAS: 65101", &peer(line), &format!("agent.yaml:{error}"));
    }
    check(
        "remoteAS: 65101",
        "remoteAS: extern",
        "agent.yaml:10:17: bgp.peers[0].remoteAS: \"extern\" is unknown; did you mean \"external\"?",
    );
    check(
        "remoteAS: 65101",
        "remoteAS: -1",
        "agent.yaml:10:17: bgp.peers[0].remoteAS: is the number -1; write a number from 1 to 4294967295, or internal, external or any",
    );
    check(
        "address: 10.1.1.0",
        "description: nobody",
        "agent.yaml:9:7: bgp.peers[0].address: is missing; give the neighbour's, or the interface it is behind",
    );
}

#[test]
fn families_are_a_list_or_a_mapping() {
    let with =
        |families: &str| parse(&GOOD.replace("families: [ipv4-unicast]", &format!("families: {families}")));
    let read = with("{ ipv6-unicast: { maxPrefixes: { limit: 7 } } }").expect("valid");
    let families = &read.bgp.peers[0].families.0;
    assert_eq!(families.keys().copied().collect::<Vec<_>>(), [Family::Ipv6Unicast]);
    let limit = families[&Family::Ipv6Unicast].max_prefixes.expect("a limit");
    assert_eq!((limit.limit, limit.warn_percent, limit.beyond), (7, 75, Beyond::Idle));

    let wrong = |families: &str, error: &str| {
        assert_eq!(with(families).expect_err("wrong"), [format!("agent.yaml:11:{error}")]);
    };
    wrong("[ipv4-unicast, ipv4-unicast]", "17: bgp.peers[0].families: names a family twice; remove one");
    wrong("[]", "17: bgp.peers[0].families: is empty; give ipv4-unicast, ipv6-unicast or both");
    wrong(
        "{ ipv4-unicast: { addpath: {} } }",
        "35: bgp.peers[0].families.ipv4-unicast.addpath: is unknown; did you mean \"addPath\"?",
    );
    wrong(
        "{ ipv4-unicast: { addPath: { send: 0 } } }",
        "52: bgp.peers[0].families.ipv4-unicast.addPath.send: is the number 0; write best, all, or a number from 1 to 65535",
    );
    wrong(
        "{ ipv4-unicast: { maxPrefixes: { limit: 1, restartSecs: 5 } } }",
        "73: bgp.peers[0].families.ipv4-unicast.maxPrefixes.restartSecs: is for `beyond: restart`; remove it, or write that",
    );
}

#[test]
fn ranges_name_nobody_and_aggregates_are_networks() {
    let with = |line: &str| GOOD.replace("  peers:", &format!("  {line}\n  peers:"));
    let wrong = |line: &str, error: &str| {
        assert_eq!(parse(&with(line)).expect_err("wrong"), [format!("agent.yaml:8:{error}")]);
    };
    wrong(
        "listenRanges: [{ network: 10.2.0.0/16, peer: { address: 10.2.0.1, remoteAS: any } }]",
        "59: bgp.listenRanges[0].peer.address: does not go with a range, whose network says who it is; remove it",
    );
    wrong(
        "listenRanges: [{ network: 10.2.0.1/16, peer: { remoteAS: any } }]",
        "29: bgp.listenRanges[0].network: has host bits set; write 10.2.0.0/16",
    );
    wrong(
        "aggregates: [{ prefix: 10.2.0.1/16 }]",
        "26: bgp.aggregates[0].prefix: has host bits set; write 10.2.0.0/16",
    );
    wrong("multipath: { external: 0 }", "26: bgp.multipath.external: 0 would leave no path; give at least 1");
}

#[test]
fn what_an_older_file_called_ttl_is_still_read() {
    let config = parse(&GOOD.replace("remoteAS: 65101", "remoteAS: 65101\n      ttl: 3")).expect("valid");
    assert_eq!(config.bgp.peers[0].multihop, Some(3));
}

#[test]
fn bfd_is_multihop_where_the_peer_is_far() {
    let peer =
        |line: &str| parse(&GOOD.replace("remoteAS: 65101", &format!("remoteAS: 65101\n      {line}")));
    for (line, is_far) in [
        ("passive: false", false),
        ("ttlSecurity: 1", false),
        ("ttlSecurity: 2", true),
        ("multihop: 2", true),
    ] {
        assert_eq!(peer(line).expect("valid").bgp.peers[0].is_far(), is_far, "{line}");
    }
    check(
        "address: 10.1.1.0",
        "interface: eth0\n      bfd: { multihop: true }",
        "agent.yaml:10:24: bgp.peers[0].bfd.multihop: does not go with an interface, behind which the peer is one hop away; remove it",
    );
}

#[test]
fn keys_that_do_nothing_are_warned_of() {
    let warnings = |text: &str| {
        let reading = Config::parse("agent.yaml", text, &Overrides::default()).expect("valid");
        reading.warnings.into_iter().filter(|line| line.contains("does nothing")).collect::<Vec<_>>()
    };
    let range = |keys: &str| {
        let range = format!(
            "  listenRanges: [{{ network: 10.2.0.0/16, peer: {{ remoteAS: any{keys} }} }}]\n  peers:"
        );
        warnings(&GOOD.replace("  peers:", &range))
    };
    assert_eq!(range(""), [] as [&str; 0]);
    for key in ["port: 1179", "passive: true", "localAddress: 10.2.0.1", "connectRetrySecs: 9"] {
        let (name, _) = key.split_once(':').expect("a name");
        let column = 67 + name.len();
        assert_eq!(
            range(&format!(", {key}")),
            [format!(
                "agent.yaml:8:{column}: bgp.listenRanges[0].peer.{name}: does nothing in a range, whose peers are accepted and never dialled; remove it"
            )]
        );
    }
    let filter = |next_hop: &str, direction: &str| {
        let filter = format!(
            "  filters: {{ f: {{ rules: [{{ set: {{ nextHop: {next_hop} }}, then: accept }}] }} }}\n  peers:"
        );
        warnings(
            &GOOD
                .replace("  peers:", &filter)
                .replace("remoteAS: 65101", &format!("remoteAS: 65101\n      {direction}: f")),
        )
    };
    for next_hop in ["self", "unchanged"] {
        assert_eq!(
            filter(next_hop, "import"),
            [
                "agent.yaml:8:45: bgp.filters.f.rules[0].set.nextHop: does nothing in an import, as this filter is used; write an address, or use another filter there"
            ]
        );
        assert_eq!(filter(next_hop, "export"), [] as [&str; 0]);
    }
    assert_eq!(filter("10.0.0.1", "import"), [] as [&str; 0]);
    check(
        "address: 10.1.1.0",
        "interface: eth0\n      localAddress: 10.1.1.1",
        "agent.yaml:10:21: bgp.peers[0].localAddress: is IPv4, but a session behind an interface is IPv6 by link-local addresses; remove it",
    );
}
