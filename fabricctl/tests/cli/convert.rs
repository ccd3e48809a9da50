//! `convert` needs no agent: its exit status and its two streams.

use crate::fixture::{Agent, Outcome};

const POLICIES: &str = "
apiVersion: projectcalico.org/v3
kind: Tier
metadata: { name: security, uid: 0f0f }
spec: { order: 100 }
---
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: { name: security.dns }
spec:
  tier: security
  order: 10
  selector: app == 'web'
  egress:
  - action: Allow
    protocol: UDP
    destination: { ports: [53, '1000:2000'], selector: k8s-app == 'kube-dns' }
  - action: Allow
    protocol: TCP
    http: { methods: [GET] }
";

const CONVERTED: &str = "apiVersion: fabric.rs/v1
kind: Tier
metadata:
  name: security
spec:
  order: 100
---
apiVersion: fabric.rs/v1
kind: GlobalNetworkPolicy
metadata:
  name: security.dns
spec:
  egress:
  - action: Allow
    destination:
      ports:
      - 53
      - 1000:2000
      selector: k8s-app == 'kube-dns'
    protocol: UDP
  order: 10
  selector: app == 'web'
  tier: security
  types:
  - Egress
";

const LOST: &str = "stdin: GlobalNetworkPolicy security.dns: spec.egress[1].http: needs a proxy that reads requests, and there \
                    is none
stdin: GlobalNetworkPolicy security.dns: spec.egress[1]: is left out, as without that it would match more
";

#[test]
fn what_can_be_carried_over_is_written_and_the_rest_is_said() {
    let agent = Agent::start();
    let outcome = agent.run_with_stdin(&["convert", "-f", "-"], POLICIES);
    let expected = Outcome { status: 0, stdout: CONVERTED.to_owned(), stderr: LOST.to_owned() };
    assert_eq!(outcome, expected);
    let strict = agent.run_with_stdin(&["convert", "--strict", "-f", "-"], POLICIES);
    assert_eq!(strict, Outcome { status: 1, ..expected });
    assert_eq!(agent.asked(), [""; 0], "nobody is asked");
    let (tier, _) = POLICIES.split_once("---").expect("documents");
    let whole = agent.run_with_stdin(&["convert", "--strict", "-f", "-", "-o", "json"], tier);
    let list: serde_json::Value = serde_json::from_str(&whole.stdout).expect("JSON");
    assert_eq!((whole.status, &*whole.stderr, list["items"][0]["kind"].as_str()), (0, "", Some("Tier")));
}

#[test]
fn what_is_no_manifest_is_refused_as_a_whole() {
    let agent = Agent::start();
    let good = agent.write("good.yaml", POLICIES);
    let bad = agent.write("bad.yaml", "kind: [\n");
    let outcome = agent.run(&["convert", "-f", &good, "-f", &bad]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""));
    assert!(outcome.stderr.starts_with(&format!("{bad}: is not YAML: ")), "{}", outcome.stderr);
}

/// As public documentation shows them, one of each kind that there is here too.
const SAMPLES: &str = include_str!("calico.yaml");

#[test]
fn what_is_converted_can_be_applied() {
    let agent = Agent::start();
    let outcome = agent.run_with_stdin(&["convert", "-f", "-"], SAMPLES);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let resources = datastore::manifest::parse("converted.yaml", &outcome.stdout).expect("good manifests");
    let keys: Vec<String> = resources.iter().map(|resource| resource.key().to_string()).collect();
    assert_eq!(
        keys,
        [
            "Tier security",
            "FabricNetworkPolicy production/allow-tcp-6379",
            "GlobalNetworkPolicy security.allow-ping",
            "GlobalNetworkPolicy drop-other-ingress",
            "StagedNetworkPolicy production/default-deny",
            "StagedGlobalNetworkPolicy security.no-feeds",
            "StagedKubernetesNetworkPolicy production/remove-old",
            "NetworkSet production/external-databases",
            "GlobalNetworkSet feeds",
            "HostEndpoint node1-eth0",
            "IPPool default-ipv4-ippool",
            "IPReservation routers",
        ]
    );
    // A List can be applied as well.
    let list = agent.run_with_stdin(&["convert", "-f", "-", "-o", "yaml"], SAMPLES);
    assert_eq!(datastore::manifest::parse("list.yaml", &list.stdout).expect("good manifests"), resources);
    let lost: Vec<&str> =
        outcome.stderr.lines().map(|line| line.split(": ").nth(2).unwrap_or_default()).collect();
    let expected = ["spec.profiles", "spec.ipipMode", "spec.natOutgoing", "is no object here"];
    assert_eq!(lost, expected, "{}", outcome.stderr);
}
