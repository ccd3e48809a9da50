use super::*;

mod own;

fn lines(text: &str) -> Vec<String> {
    parse("f.yaml", text).expect_err("no problem found").iter().map(ToString::to_string).collect()
}

/// `text` has exactly these problems.
fn wrong(text: &str, expected: &[&str]) {
    assert_eq!(lines(text), expected, "{text}");
}

/// A policy with this specification, whose first line is the file's fifth.
fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: p, namespace: shop }}\nspec:\n{spec}"
    )
}

fn pool(spec: &str) -> String {
    format!("apiVersion: fabric.rs/v1\nkind: IPPool\nmetadata: {{ name: default }}\nspec:\n{spec}")
}

#[test]
fn ordinary_manifests_become_resources() {
    let text = "
# Two documents, one of them a list, and an empty one.
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: default }
spec: { cidr: 10.244.0.0/16 }
---
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: { name: shop, labels: { team: a } }
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: { name: allow }
  spec:
    podSelector: { matchLabels: { app: web } }
    ingress:
    - from:
      - podSelector: { matchExpressions: [{ key: role, operator: In, values: [front] }] }
        namespaceSelector: {}
      - ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] }
      ports: [{ port: 80, endPort: 90 }, { protocol: SCTP, port: named }]
";
    let resources = parse("f.yaml", text).unwrap();
    let keys: Vec<String> = resources.iter().map(|resource| resource.key().to_string()).collect();
    assert_eq!(keys, ["IPPool default", "Namespace shop", "NetworkPolicy default/allow"]);
    let json: Vec<String> = resources.iter().map(|resource| resource.encode().unwrap().to_string()).collect();
    for (json, resource) in json.iter().zip(&resources) {
        assert_eq!(parse("f.json", json).unwrap(), std::slice::from_ref(resource));
    }
}

#[test]
fn what_kubectl_exports_is_accepted() {
    let text = r#"
apiVersion: v1
kind: Pod
metadata:
  annotations: { "kubernetes.io/config.seen": "2026-01-01T00:00:00Z" }
  creationTimestamp: "2026-01-01T00:00:00Z"
  generation: 1
  labels: { app: web, "app.kubernetes.io/name": Web_1.0 }
  managedFields:
  - { apiVersion: v1, fieldsType: FieldsV1, fieldsV1: { "f:metadata": { "f:labels": {} } }, manager: kubectl, operation: Update, time: "2026-01-01T00:00:00Z" }
  name: web-0
  namespace: shop
  resourceVersion: "123"
  uid: 0f0f0f0f-0000-0000-0000-000000000000
spec:
  containers:
  - name: c
    image: nginx
    ports: [{ name: http, containerPort: 80, protocol: TCP }]
    resources: { limits: { cpu: 1, memory: 64Mi } }
status: { phase: Running, podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }] }
"#;
    let resources = parse("f.yaml", text).unwrap();
    let Resource::Pod(pod) = &resources[0] else { panic!() };
    assert_eq!(pod.status.as_ref().unwrap().pod_ip.as_deref(), Some("10.0.0.1"));
    assert_eq!(
        pod.spec.as_ref().unwrap().containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap()["cpu"]
            .0,
        "1"
    );
    let text = policy("  podSelector: {}\nstatus: {}\n");
    assert!(parse("f.yaml", &text).is_ok());
}

#[test]
fn syntax() {
    let found = lines("apiVersion: v1\nkind: [\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("f.yaml:3:1: is not YAML: "), "{found:?}");
    wrong(
        "- a\n",
        &["f.yaml:1:1: the document is a list; write a mapping with apiVersion, kind, metadata and spec"],
    );
    wrong(
        "just text\n",
        &[
            "f.yaml:1:1: the document is the text \"just text\"; write a mapping with apiVersion, kind, metadata and spec",
        ],
    );
    wrong(
        "{apiVersion: v1, kind: Namespace, metadata: {name: a,\n name: b}}",
        &["f.yaml:2:2: name: is here twice; remove one of them"],
    );
    wrong(
        "a: &a [*a]\n",
        &["f.yaml:1:8: this alias refers to what is not complete yet; write the value out"],
    );
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    wrong(&deep, &["f.yaml:1:65: is nested more than 64 levels deep; flatten it"]);
    // Aliases of aliases: a thousand million values in a few lines.
    let mut bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*l{}", level - 1);
        bomb.push_str(&format!("l{level}: &l{level} [{}]\n", vec![below; 10].join(", ")));
    }
    assert!(lines(&bomb)[0].contains("there are more than 500000 values up to here; split the file"));
}

#[test]
fn kinds_and_versions() {
    wrong(
        "metadata: {}\n",
        &[
            "f.yaml:1:1: kind: is missing; write it like \"NetworkPolicy\"",
            "f.yaml:1:1: apiVersion: is missing; write it like \"networking.k8s.io/v1\"",
        ],
    );
    wrong(
        "apiVersion: 1\nkind: Namespace\n",
        &["f.yaml:1:13: apiVersion: is the number 1; write text like \"networking.k8s.io/v1\""],
    );
    for (kind, version, expected) in [
        (
            "NetworkPolcy",
            "v1",
            "f.yaml:2:7: kind: there is no kind \"NetworkPolcy\"; did you mean \"NetworkPolicy\"?",
        ),
        (
            "Deployment",
            "apps/v1",
            "f.yaml:2:7: kind: there is no kind \"Deployment\"; known are Node, Namespace, ServiceAccount, Pod, EndpointSlice, NetworkPolicy, ClusterNetworkPolicy, \
             Tier, FabricNetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, \
             StagedGlobalNetworkPolicy, StagedKubernetesNetworkPolicy, NetworkSet, GlobalNetworkSet, HostEndpoint, \
             IPPool, IPReservation, IPAMConfiguration",
        ),
        (
            "IPPool",
            "projectcalico.org/v3",
            "f.yaml:1:13: apiVersion: is \"projectcalico.org/v3\"; IPPool is of \"fabric.rs/v1\"; `fabricctl convert` \
             writes it so",
        ),
        (
            "NetworkPolicy",
            "networking.k8s.io/v1beta1",
            "f.yaml:1:13: apiVersion: is \"networking.k8s.io/v1beta1\"; NetworkPolicy is of \"networking.k8s.io/v1\" \
             or \"fabric.rs/v1\"",
        ),
        (
            "IPAMBlock",
            "fabric.rs/v1",
            "f.yaml:2:7: kind: IPAMBlock is written by agents only; write one of Node, Namespace, ServiceAccount, Pod, EndpointSlice, NetworkPolicy, ClusterNetworkPolicy, \
             Tier, FabricNetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, \
             StagedGlobalNetworkPolicy, StagedKubernetesNetworkPolicy, NetworkSet, GlobalNetworkSet, HostEndpoint, \
             IPPool, IPReservation, IPAMConfiguration",
        ),
    ] {
        wrong(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: a }}\n"), &[expected]);
    }
}

#[test]
fn metadata() {
    let object = |kind: &str, metadata: &str| format!("kind: {kind}\nmetadata: {{ {metadata} }}\n");
    wrong(
        &format!("apiVersion: v1\n{}", object("Namespace", "")),
        &["f.yaml:3:11: metadata.name: is missing; give the Namespace a name"],
    );
    wrong(
        &format!("apiVersion: v1\n{}", object("Namespace", "name: Shop.1")),
        &["f.yaml:3:19: metadata.name: \"Shop.1\" is no DNS label; write at most 63 of a-z, 0-9 and '-', \
         beginning and ending with a letter or digit"],
    );
    wrong(
        &format!("apiVersion: v1\n{}", object("Pod", "name: -a, namespace: a_b")),
        &[
            "f.yaml:3:19: metadata.name: \"-a\" is no DNS subdomain; write at most 253 of a-z, 0-9, '-' and '.', \
         each part beginning and ending with a letter or digit",
            "f.yaml:3:34: metadata.namespace: \"a_b\" is no DNS label; write at most 63 of a-z, 0-9 and '-', \
         beginning and ending with a letter or digit",
        ],
    );
    wrong(
        &format!(
            "apiVersion: fabric.rs/v1\nspec: {{ cidr: 10.0.0.0/8 }}\n{}",
            object("IPPool", "name: a, namespace: b")
        ),
        &["f.yaml:4:33: metadata.namespace: IPPool belongs to no namespace; remove this"],
    );
    wrong(
        &format!("apiVersion: v1\n{}", object("Namespace", "name: a, lables: {}, labels: { app: 1 }")),
        &[
            "f.yaml:3:22: metadata.lables: is unknown; did you mean \"labels\"?",
            "f.yaml:3:49: metadata.labels.app: is the number 1; write text (\"1\" in quotes)",
        ],
    );
    wrong(
        &format!("apiVersion: v1\n{}", object("Namespace", "name: a, labels: { app: 'a b', /x: y }")),
        &[
            "f.yaml:3:30: metadata.labels: \"/x\" is no label key; write at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', \
         beginning and ending with a letter or digit, optionally after a DNS subdomain and '/'",
            "f.yaml:3:30: metadata.labels: \"a b\" is no label value; write at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', \
         beginning and ending with a letter or digit",
        ],
    );
}

#[test]
fn network_policies() {
    for (spec, expected) in WRONG_POLICIES {
        wrong(&policy(spec), &[expected]);
    }
    // A misspelt field, and what follows from it.
    wrong(
        &policy("  ingress: [{ from: [{ podSelecter: {} }] }]\n"),
        &[
            "f.yaml:5:22: spec.ingress[0].from[0]: selects nothing; write podSelector, namespaceSelector or ipBlock",
            "f.yaml:5:24: spec.ingress[0].from[0].podSelecter: is unknown; did you mean \"podSelector\"?",
        ],
    );
}

/// Specification, and what is wrong with it.
const WRONG_POLICIES: [(&str, &str); 18] = [
    ("  podSelecter: {}\n", "f.yaml:5:3: spec.podSelecter: is unknown; did you mean \"podSelector\"?"),
    ("  ingress: {}\n", "f.yaml:5:12: spec.ingress: is a mapping; write a list"),
    (
        "  ingress: [{ ports: [{ protocol: tcp }] }]\n",
        "f.yaml:5:35: spec.ingress[0].ports[0].protocol: \"tcp\" is unknown; did you mean \"TCP\"?",
    ),
    (
        "  ingress: [{ ports: [{ port: 0 }] }]\n",
        "f.yaml:5:31: spec.ingress[0].ports[0].port: 0 is no port; write a number from 1 to 65535",
    ),
    (
        "  egress: [{ ports: [{ port: 443, endPort: 80 }] }]\n",
        "f.yaml:5:44: spec.egress[0].ports[0].endPort: 80 is less than port 443; write 443 or more",
    ),
    (
        "  egress: [{ ports: [{ port: http, endPort: 80 }] }]\n",
        "f.yaml:5:45: spec.egress[0].ports[0].endPort: cannot follow the named port \"http\"; \
             write port as a number, or remove endPort",
    ),
    (
        "  egress: [{ ports: [{ endPort: 80 }] }]\n",
        "f.yaml:5:33: spec.egress[0].ports[0].endPort: is there without port; \
             write the first port of the range as port",
    ),
    (
        "  ingress: [{ ports: [{ port: a--b }] }]\n",
        "f.yaml:5:31: spec.ingress[0].ports[0].port: \"a--b\" is no port name; write at most 15 of a-z, 0-9 and \
             single '-', with at least one letter, or a number from 1 to 65535",
    ),
    (
        "  ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8 }, podSelector: {} }] }]\n",
        "f.yaml:5:33: spec.ingress[0].from[0].ipBlock: cannot be together with podSelector or namespaceSelector; \
             make it an entry of its own",
    ),
    (
        "  ingress: [{ from: [{}] }]\n",
        "f.yaml:5:22: spec.ingress[0].from[0]: selects nothing; write podSelector, namespaceSelector or ipBlock",
    ),
    (
        "  egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/33 } }] }]\n",
        "f.yaml:5:38: spec.egress[0].to[0].ipBlock.cidr: \"10.0.0.0/33\" is no prefix; \
             write a prefix like 10.0.0.0/8 or 2001:db8::/32",
    ),
    (
        "  egress: [{ to: [{ ipBlock: {} }] }]\n",
        "f.yaml:5:30: spec.egress[0].to[0].ipBlock.cidr: is missing; \
             write a prefix like 10.0.0.0/8 or 2001:db8::/32",
    ),
    (
        "  egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [11.0.0.0/16] } }] }]\n",
        "f.yaml:5:59: spec.egress[0].to[0].ipBlock.except[0]: 11.0.0.0/16 is not a part of 10.0.0.0/8; \
             write a longer prefix within it",
    ),
    (
        "  egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.0.0.0/8] } }] }]\n",
        "f.yaml:5:59: spec.egress[0].to[0].ipBlock.except[0]: 10.0.0.0/8 is not a part of 10.0.0.0/8; \
             write a longer prefix within it",
    ),
    (
        "  policyTypes: [ingress]\n",
        "f.yaml:5:17: spec.policyTypes[0]: \"ingress\" is unknown; did you mean \"Ingress\"?",
    ),
    (
        "  podSelector: { matchExpressions: [{ key: a, operator: In }] }\n",
        "f.yaml:5:37: spec.podSelector.matchExpressions[0].values: is missing; write at least one value for In",
    ),
    (
        "  podSelector: { matchExpressions: [{ key: a, operator: Exists, values: [b] }] }\n",
        "f.yaml:5:73: spec.podSelector.matchExpressions[0].values: has no place beside Exists; remove the values",
    ),
    (
        "  podSelector: { matchExpressions: [{ key: a, operator: Is }] }\n",
        "f.yaml:5:57: spec.podSelector.matchExpressions[0].operator: \"Is\" is unknown; did you mean \"In\"?",
    ),
];

#[test]
fn pools() {
    for (spec, expected) in [
        ("  blockSize: 26\n", &["f.yaml:5:3: spec.cidr: is missing; it is required"][..]),
        (
            "  cidr: 10.0.0.0\n",
            &[
                "f.yaml:5:9: spec.cidr: \"10.0.0.0\" is no prefix; write one like 10.244.0.0/16 or fd00:244::/48",
            ],
        ),
        (
            "  cidr: 10.0.0.1/16\n",
            &["f.yaml:5:9: spec.cidr: 10.0.0.1/16 has bits set beyond its prefix length; write 10.0.0.0/16"],
        ),
        (
            "  cidr: 10.0.0.0/28\n",
            &["f.yaml:5:9: spec.cidr: 10.0.0.0/28 is too small for one block of /26; \
               widen the pool to /26 or shorter, or set blockSize to 28 or longer"],
        ),
        (
            "  cidr: fd00::/64\n  blockSize: 26\n",
            &[
                "f.yaml:6:14: spec.blockSize: /26 is no block size for IPv6; it must be between 116 and 128 (default 122)",
            ],
        ),
        (
            "  cidr: 10.0.0.0/16\n  blocksize: 300\n  natOutgoing: true\n",
            &[
                "f.yaml:6:3: spec.blocksize: is unknown; did you mean \"blockSize\"?",
                "f.yaml:7:3: spec.natOutgoing: is unknown; known are cidr, blockSize, disabled, assignmentMode, \
                 nodeSelector, namespaceSelector, allowedUses, deleting",
            ],
        ),
        (
            "  cidr: 10.0.0.0/16\n  blockSize: 300\n  disabled: 'yes'\n  assignmentMode: Manuel\n",
            &[
                "f.yaml:6:14: spec.blockSize: is the number 300; write a whole number from 0 to 255",
                "f.yaml:7:13: spec.disabled: is the text \"yes\"; write true or false",
                "f.yaml:8:19: spec.assignmentMode: \"Manuel\" is unknown; did you mean \"Manual\"?",
            ],
        ),
        (
            "  cidr: 7\n  disabled: 0\n",
            &[
                "f.yaml:5:9: spec.cidr: is the number 7; write text (\"7\" in quotes)",
                "f.yaml:6:13: spec.disabled: is the number 0; write true or false",
            ],
        ),
    ] {
        wrong(&pool(spec), expected);
    }
}

#[test]
fn all_problems_of_all_documents_in_the_order_of_the_text() {
    let text = format!(
        "{}---\n{}---\napiVersion: v1\nkind: List\nitems:\n- {{}}\n- {{ apiVersion: v1, kind: Namespace, metadata: {{ name: A }} }}\n",
        policy("  ingress:\n  - from:\n    - podSelector: 1\n    - ipBlock: { cidr: x }\n      fron: 1\n"),
        pool("  cidr: 10.0.0.0/16\n  blockSize: 33\n"),
    );
    wrong(
        &text,
        &[
            "f.yaml:7:20: spec.ingress[0].from[0].podSelector: is the number 1; write a mapping",
            "f.yaml:9:7: spec.ingress[0].from[1].fron: is unknown; known are ipBlock, namespaceSelector, podSelector",
            "f.yaml:16:14: spec.blockSize: /33 is no block size for IPv4; it must be between 20 and 32 (default 26)",
            "f.yaml:21:3: items[0].kind: is missing; write it like \"NetworkPolicy\"",
            "f.yaml:21:3: items[0].apiVersion: is missing; write it like \"networking.k8s.io/v1\"",
            "f.yaml:22:56: items[1].metadata.name: \"A\" is no DNS label; write at most 63 of a-z, 0-9 and '-', \
         beginning and ending with a letter or digit",
        ],
    );
}

#[test]
fn later_problems_find_their_place() {
    let objects = parse_objects("f.yaml", &pool("  cidr: 10.0.0.0/16\n")).unwrap();
    let problem = objects[0].problem("spec.cidr", "overlaps");
    assert_eq!(problem.to_string(), "f.yaml:5:9: spec.cidr: overlaps");
    assert_eq!(objects[0].problem("spec.blockSize", "?").to_string(), "f.yaml:5:3: spec.blockSize: ?");
}

proptest::proptest! {
    /// Whatever the text, there is an answer.
    #[test]
    fn never_panics(text in "(apiVersion: |kind: |Namespace|v1|IPPool|fabric.rs/v1|metadata:|spec: |cidr: |[a-z&*\\[\\]{}:,'\"!|>#\\- \\n\\t0-9é]){0,40}") {
        let _ = parse("f.yaml", &text);
    }

    /// However a good manifest is cut off or overwritten.
    #[test]
    fn never_panics_on_damaged_manifests(place in 0usize..200, with in "\\PC{0,6}") {
        let mut text = policy("  ingress:\n  - from: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }]\n    ports: [{ port: 80 }]\n");
        let place = (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
        text.insert_str(place, &with);
        let _ = parse("f.yaml", &text);
    }
}
