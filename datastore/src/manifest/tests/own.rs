//! Our own kinds, and ClusterNetworkPolicy: what is accepted, and what is said about what is not.

use super::*;

/// An object of this kind whose specification begins in the file's fifth line.
fn object(version: &str, kind: &str, spec: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: p }}\nspec:\n{spec}")
}

fn ours(kind: &str, spec: &str) -> String {
    object("fabric.rs/v1", kind, spec)
}

fn cluster(spec: &str) -> String {
    let base = "  tier: Admin\n  priority: 1\n  subject: { namespaces: {} }\n";
    object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", &format!("{base}{spec}"))
}

/// Read, written and read again it is the same.
fn accepted(text: &str) -> Resource {
    let found = parse("f.yaml", text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    let [resource] = found.as_slice() else { panic!("{found:?}") };
    let written = resource.encode().unwrap();
    assert_eq!(parse("f.json", &written.to_string()).unwrap(), found, "{written}");
    assert_eq!(Resource::decode(resource.kind(), written).unwrap(), *resource);
    resource.clone()
}

const POLICY: &str = "  tier: security
  order: 10
  selector: role == 'backend' && !has(legacy)
  serviceAccountSelector: team == 'a'
  types: [Ingress, Egress]
  ingress:
  - action: Allow
    protocol: TCP
    source: { selector: role == 'frontend', namespaceSelector: projectcalico.org/name == 'shop', notNets: [10.0.0.1] }
    destination: { ports: [80, '8000:9000', http], serviceAccounts: { names: [web] } }
  - { action: Log }
  - { action: Pass, protocol: ICMP, ipVersion: 4, icmp: { type: 8, code: 0 }, notICMP: { type: 3 } }
  egress:
  - { action: Deny, destination: { services: { name: db, namespace: shop } } }
  - { action: Allow, notProtocol: 47, destination: { selector: all(), namespaceSelector: global() } }
";

#[test]
fn what_the_documentation_shows_is_accepted() {
    for kind in ["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"] {
        let resource = accepted(&ours(kind, POLICY));
        assert_eq!(resource.kind().manifest_name(), kind);
        assert_eq!(resource.key().namespace.is_empty(), kind.contains("Global"));
    }
    let hosts = "  applyOnForward: true\n  preDNAT: true\n  namespaceSelector: env == 'prod'\n  stagedAction: Delete\n";
    accepted(&ours("StagedGlobalNetworkPolicy", hosts));
    accepted(&ours("Tier", "  order: 0.5\n  defaultAction: Pass\n"));
    accepted(&ours("NetworkSet", "  nets: [10.0.0.0/8, 2001:db8::1, 10.1.2.3/8]\n"));
    accepted(&ours("GlobalNetworkSet", "  nets: []\n"));
    accepted(&ours(
        "HostEndpoint",
        "  node: n1\n  interfaceName: '*'\n  expectedIPs: [192.0.2.1]\n  ports: [{ name: ssh, protocol: TCP, port: 22 }]\n",
    ));
    accepted(&ours(
        "StagedKubernetesNetworkPolicy",
        "  stagedAction: Set\n  podSelector: {}\n  ingress: [{}]\n",
    ));
    accepted(&cluster(
        "  ingress:
  - { name: one, action: Accept, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }
  egress:
  - action: Pass
    to: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { a: b } } } }]
    protocols: [{ udp: { destinationPort: { range: { start: 1, end: 9 } } } }, { destinationNamedPort: http }]
  - { action: Deny, to: [{ networks: [0.0.0.0/0] }, { nodes: {} }] }
",
    ));
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: web-1, labels: { kubernetes.io/service-name: web } }\n\
                 addressType: IPv4\nendpoints: [{ addresses: [10.0.0.1] }]\nports: [{ port: 80, protocol: TCP }]\n";
    accepted(slice);
    accepted("apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: web, labels: { team: a } }\n");
}

#[test]
fn labels_and_annotations_stay() {
    let text = "apiVersion: fabric.rs/v1\nkind: GlobalNetworkSet\n\
                metadata: { name: bad, labels: { feed: a }, annotations: { from: b } }\nspec: {}\nstatus: { x: 1 }\n";
    let resource = accepted(text);
    assert_eq!(resource.labels(), [("feed", "a")].into());
    assert_eq!(resource.encode().unwrap()["metadata"]["annotations"]["from"], "b");
}

#[test]
fn two_kinds_of_one_name_are_told_apart_by_their_group() {
    let ours = accepted(&ours("NetworkPolicy", "  selector: all()\n"));
    let theirs = accepted(&policy("  podSelector: {}\n"));
    assert_eq!((ours.kind(), theirs.kind()), (Kind::FabricNetworkPolicy, Kind::NetworkPolicy));
    assert_eq!(ours.key().to_string(), "FabricNetworkPolicy default/p");
    wrong(
        &object("projectcalico.org/v3", "NetworkPolicy", "  selector: all()\n"),
        &[
            "f.yaml:1:13: apiVersion: is \"projectcalico.org/v3\"; NetworkPolicy is of \"networking.k8s.io/v1\" or \
           \"fabric.rs/v1\"; `fabricctl convert` writes it so",
        ],
    );
}

#[test]
fn policies() {
    for (spec, expected) in [
        ("  selecter: all()\n", "5:3: spec.selecter: is unknown; did you mean \"selector\"?"),
        (
            "  stagedAction: Set\n",
            "5:17: spec.stagedAction: has no place in a GlobalNetworkPolicy; remove it",
        ),
        (
            "  tier: A_b\n",
            "5:9: spec.tier: \"A_b\" is no DNS subdomain; write at most 253 of a-z, 0-9, '-' and '.', \
          each part beginning and ending with a letter or digit",
        ),
        ("  order: high\n", "5:10: spec.order: is the text \"high\"; write a number"),
        ("  order: .inf\n", "5:10: spec.order: is no finite number; write one, or leave it out to be last"),
        ("  types: [Inbound]\n", "5:11: spec.types[0]: \"Inbound\" is unknown; write one of Ingress, Egress"),
        (
            "  selector: global()\n",
            "5:13: spec.selector: has global(), which only the namespaceSelector of a rule's \
          source or destination can have; remove it",
        ),
        (
            "  doNotTrack: true\n",
            "5:15: spec.doNotTrack: judges forwarded traffic too; write applyOnForward: true",
        ),
        (
            "  applyOnForward: true\n  preDNAT: true\n  types: [Egress]\n",
            "6:12: spec.preDNAT: judges what comes in only; remove the egress rules and the type Egress",
        ),
    ] {
        wrong(&ours("GlobalNetworkPolicy", spec), &[&format!("f.yaml:{expected}")]);
    }
    wrong(
        &ours("NetworkPolicy", "  namespaceSelector: all()\n"),
        &["f.yaml:5:22: spec.namespaceSelector: has no place in a NetworkPolicy; remove it"],
    );
    wrong(
        &ours("NetworkPolicy", "  selector: a = b\n"),
        &[
            "f.yaml:5:13: spec.selector: character 3: found `=`, expected `==`, `!=`, `contains`, `starts with`, \
           `ends with`, `in` or `not in`; did you mean `==`?; write like role == 'frontend' && has(team)",
        ],
    );
    let many = "  - { action: Deny }\n".repeat(10_000);
    wrong(
        &ours("NetworkPolicy", &format!("  ingress:\n{many}")),
        &[
            "f.yaml:6:5: spec.ingress: has 10000 rules; write at most 1024, and the rest into another policy that \
           follows by its order",
        ],
    );
}

#[test]
fn rules() {
    for (rule, expected) in WRONG_RULES {
        let text = ours("NetworkPolicy", &format!("  ingress: [{rule}]\n"));
        wrong(&text, &[&format!("f.yaml:5:{expected}")]);
    }
}

/// A rule, and what is wrong with it.
const WRONG_RULES: [(&str, &str); 18] = [
    ("{}", "13: spec.ingress[0].action: is missing; write one of Allow, Deny, Pass, Log"),
    ("{ action: allow }", "23: spec.ingress[0].action: \"allow\" is unknown; did you mean \"Allow\"?"),
    (
        "{ action: Deny, protocoll: TCP }",
        "29: spec.ingress[0].protocoll: is unknown; did you mean \"protocol\"?",
    ),
    (
        "{ action: Deny, protocol: tcp }",
        "39: spec.ingress[0].protocol: \"tcp\" is unknown; did you mean \"TCP\"?",
    ),
    (
        "{ action: Deny, protocol: 256 }",
        "39: spec.ingress[0].protocol: 256 is no protocol; write a number from 1 to 255",
    ),
    ("{ action: Deny, ipVersion: 5 }", "40: spec.ingress[0].ipVersion: 5 is no version of IP; write 4 or 6"),
    (
        "{ action: Deny, ipVersion: 6, protocol: ICMP }",
        "53: spec.ingress[0].protocol: is of IPv4, and ipVersion is 6; write ICMPv6, or ipVersion 4",
    ),
    (
        "{ action: Deny, icmp: { type: 8 } }",
        "35: spec.ingress[0].icmp: is of no other protocol; write protocol: ICMP, or ICMPv6, beside it",
    ),
    (
        "{ action: Deny, protocol: ICMP, icmp: { type: 255 } }",
        "59: spec.ingress[0].icmp.type: 255 is none; write a number from 0 to 254",
    ),
    (
        "{ action: Deny, protocol: ICMP, icmp: { code: 1 } }",
        "59: spec.ingress[0].icmp.code: is there without a type; write that too",
    ),
    (
        "{ action: Allow, protocol: TCP, http: { methods: [GET] } }",
        "51: spec.ingress[0].http: needs a proxy that reads requests, and there is none here; remove it, and let what \
          serves the requests judge them",
    ),
    (
        "{ action: Deny, source: { nets: [10.0.0.0/33] } }",
        "46: spec.ingress[0].source.nets[0]: \"10.0.0.0/33\" is no prefix and no address; write one like 10.0.0.0/8, \
          2001:db8::/32 or 192.0.2.1",
    ),
    (
        "{ action: Deny, ipVersion: 4, source: { nets: ['::/0'] } }",
        "60: spec.ingress[0].source.nets[0]: ::/0 is of IPv6, and ipVersion is 4",
    ),
    (
        "{ action: Deny, source: { ports: [80] } }",
        "46: spec.ingress[0].source.ports: is of no other protocol; write protocol: TCP, UDP or SCTP beside it",
    ),
    (
        "{ action: Deny, protocol: UDP, source: { ports: ['9:1'] } }",
        "62: spec.ingress[0].source.ports[0]: \"9:1\" is no port; write a number from 1 to 65535, a range like \
          \"1000:2000\", or a name",
    ),
    (
        "{ action: Deny, source: { services: { name: a }, selector: all() } }",
        "72: spec.ingress[0].source.selector: cannot be beside services, which says it; make it a rule of its own",
    ),
    (
        "{ action: Deny, source: { serviceAccounts: {} } }",
        "56: spec.ingress[0].source.serviceAccounts: says nothing; write names or a selector, or remove it",
    ),
    (
        "{ action: Deny, source: { notSelector: 'a ==' } }",
        "52: spec.ingress[0].source.notSelector: character 5: found the end, expected a value in quotes; write like \
          role == 'frontend' && has(team)",
    ),
];

#[test]
fn tiers_sets_and_hosts() {
    wrong(
        "apiVersion: fabric.rs/v1\nkind: Tier\nmetadata: { name: default }\nspec: { order: 1 }\n",
        &[
            "f.yaml:3:19: metadata.name: \"default\" is built in, with order 1000000 and defaultAction Deny, and cannot be \
           changed; remove this tier, or name it otherwise",
        ],
    );
    accepted("apiVersion: fabric.rs/v1\nkind: Tier\nmetadata: { name: default }\nspec: { order: 1000000 }\n");
    wrong(
        &ours("Tier", "  defaultAction: Allow\n"),
        &["f.yaml:5:18: spec.defaultAction: \"Allow\" is unknown; write one of Deny, Pass"],
    );
    wrong(
        &ours("NetworkSet", "  nets: [10.0.0.0/8, all]\n"),
        &[
            "f.yaml:5:22: spec.nets[1]: \"all\" is no prefix and no address; write one like 10.0.0.0/8, 2001:db8::/32 \
           or 192.0.2.1",
        ],
    );
    let many: Vec<String> = (0..250_000).map(|n| std::net::Ipv4Addr::from(n).to_string()).collect();
    wrong(
        &ours("GlobalNetworkSet", &format!("  nets: [{}]\n", many.join(", "))),
        &[
            "f.yaml:5:9: spec.nets: has 250000 entries; write at most 50000, and the rest into other sets with the same \
           labels",
        ],
    );
    wrong(
        &ours("HostEndpoint", "  ports: [{ name: ssh, protocol: ICMP, port: 0 }]\n"),
        &[
            "f.yaml:5:3: spec.node: is missing; write the name of the node",
            "f.yaml:5:3: spec: names no interface; write interfaceName (\"*\": all), or expectedIPs",
            "f.yaml:5:34: spec.ports[0].protocol: has no ports; write TCP, UDP or SCTP",
            "f.yaml:5:46: spec.ports[0].port: 0 is no port; write a number from 1 to 65535",
        ],
    );
}

#[test]
fn cluster_network_policies() {
    for (spec, expected) in [
        (
            "  ingress: [{ action: Allow, from: [{ namespaces: {} }] }]\n",
            "8:23: spec.ingress[0].action: \"Allow\" is unknown; write one of Accept, Deny, Pass",
        ),
        (
            "  ingress: [{ action: Deny, from: [] }]\n",
            "8:35: spec.ingress[0].from: is empty; write at least one entry (everybody is namespaces: {})",
        ),
        (
            "  ingress: [{ action: Deny, from: [{ namespaces: {}, pods: {} }] }]\n",
            "8:36: spec.ingress[0].from[0]: has namespaces and pods; write one of them, and an entry of its own for the other",
        ),
        (
            "  egress: [{ action: Deny, to: [{ networks: [10.0.0.0] }] }]\n",
            "8:46: spec.egress[0].to[0].networks[0]: \"10.0.0.0\" is no prefix; write a prefix like 10.0.0.0/8 or 2001:db8::/32",
        ),
        (
            "  egress: [{ action: Deny, to: [{ domainNames: [a.b] }] }]\n",
            "8:48: spec.egress[0].to[0].domainNames: can only be accepted; write action: Accept instead of Deny",
        ),
        (
            "  egress: [{ action: Deny, to: [{ networks: ['::/0'] }], protocols: [{ destinationNamedPort: a }] }]\n",
            "8:69: spec.egress[0].protocols: names a port, which networks, nodes and domainNames do not; make them rules of \
          their own",
        ),
        (
            "  egress: [{ action: Deny, to: [{ nodes: {} }], protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 9 } } } }] }]\n",
            "8:113: spec.egress[0].protocols[0].tcp.destinationPort.range.end: 9 is not after start 9; write a greater one",
        ),
    ] {
        wrong(&cluster(spec), &[&format!("f.yaml:{expected}")]);
    }
    // What a newer version has, and what follows from not knowing it.
    wrong(
        &cluster("  egress: [{ action: Deny, to: [{ network: ['::/0'] }] }]\n"),
        &[
            "f.yaml:8:33: spec.egress[0].to[0]: selects nothing; write one of namespaces, pods, nodes, networks, domainNames",
            "f.yaml:8:35: spec.egress[0].to[0].network: is unknown; did you mean \"networks\"?",
        ],
    );
    wrong(
        &object(
            "policy.networking.k8s.io/v1alpha2",
            "ClusterNetworkPolicy",
            "  tier: Middle\n  priority: 1001\n",
        ),
        &[
            "f.yaml:5:3: spec.subject: selects nothing; write one of namespaces, pods",
            "f.yaml:5:9: spec.tier: \"Middle\" is unknown; write one of Admin, Baseline",
            "f.yaml:6:13: spec.priority: 1001 is none; write a number from 0 to 1000",
        ],
    );
}
