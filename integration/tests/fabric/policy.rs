//! NetworkPolicy with real packets, across nodes and on one node; for each pair the agents explain what happened.

use std::fmt::Write as _;
use std::fs;

use anyhow::ensure;
use integration::eventually::eventually;
use integration::pod::PodSpec;
use integration::tor::Kind;
use serde_json::json;

use crate::world::{PATIENCE, Servers, World, trials};

const PORTS: [u16; 5] = [8080, 8081, 9000, 9001, 9002];

const FOREIGN: &str = "table inet others { chain seen { type filter hook forward priority 10; policy accept; ip saddr 192.0.2.1 drop; }; }";

fn namespaces(ops_team: &str) -> String {
    [("shop", "shop"), ("ops", ops_team)].iter().fold(String::new(), |mut text, (name, team)| {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ team: {team} }} }}\n"
        );
        text
    })
}

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{ namespace: {namespace}, name: {name} }}\nspec:\n{spec}"
    )
}

fn populate(world: &mut World) -> Vec<Servers> {
    world.apply(&namespaces("ops"));
    world.attach(1, PodSpec::new("shop", "web1").label("app", "web").port("http", 8080));
    world.attach(2, PodSpec::new("shop", "web2").label("app", "web").port("http", 8081));
    world.attach(2, PodSpec::new("shop", "client").label("role", "client"));
    world.attach(1, PodSpec::new("shop", "other"));
    world.attach(1, PodSpec::new("ops", "probe").label("role", "client"));
    world.attach(2, scan());
    world.pods.values().map(|pod| Servers::start(pod.namespace(), &PORTS)).collect()
}

fn scan() -> PodSpec {
    PodSpec::new("ops", "scan")
}

#[test]
fn policies_hold_for_packets_and_are_explained() {
    let mut world = World::new(&[Kind::Bird], 2);
    let foreign = |world: &World| {
        let list = |n| world.node(n).namespace().output("nft", &["list", "table", "inet", "others"]).unwrap();
        [1, 2].map(list)
    };
    for number in [1, 2] {
        world.node(number).namespace().output("nft", &[FOREIGN]).unwrap();
    }
    let before = foreign(&world);
    let _servers = populate(&mut world);

    without_policy_everything_is_open(&world);
    pods_of_the_same_namespace_and_named_ports(&world);
    in_force_everywhere_and_counted(&world);
    pods_of_other_namespaces_port_ranges_and_labels(&world);
    address_blocks_and_udp(&world);
    egress(&world);
    default_deny(&world);
    without_policy_everything_is_open(&world);

    assert_eq!(foreign(&world), before, "tables of others are not ours to change");
    for number in [1, 2] {
        let tables = world.node(number).namespace().output("nft", &["list", "tables"]).unwrap();
        let mut tables: Vec<&str> = tables.lines().collect();
        tables.sort_unstable();
        assert_eq!(tables, ["table inet fabric", "table inet others"]);
    }
}

fn without_policy_everything_is_open(world: &World) {
    world.expect(
        "everything is open",
        &trials(
            "shop/client shop/web1 tcp 8080 yes
             shop/other shop/web1 udp 8081 yes
             shop/web1 shop/web2 tcp 9002 yes
             ops/probe shop/web1 tcp 8080 yes
             ops/probe ops/scan udp 9000 yes
             ops/scan shop/client tcp 9000 yes",
        ),
    );
}

fn pods_of_the_same_namespace_and_named_ports(world: &World) {
    world.apply(&policy(
        "shop",
        "web-from-clients",
        "  podSelector: { matchLabels: { app: web } }
  ingress:
    - from: [{ podSelector: { matchLabels: { role: client } } }]
      ports: [{ port: http }]
",
    ));
    // The name stands for another number in each of the two.
    world.expect(
        "the named port is open for clients of this namespace",
        &trials(
            "shop/client shop/web1 tcp 8080 yes
             shop/client shop/web1 tcp 8081 no
             shop/client shop/web1 udp 8080 no
             shop/client shop/web2 tcp 8081 yes
             shop/client shop/web2 tcp 8080 no
             shop/other shop/web1 tcp 8080 no
             shop/other shop/web2 tcp 8081 no
             shop/web1 shop/web2 tcp 8081 no
             ops/probe shop/web1 tcp 8080 no
             ops/scan shop/web1 tcp 8080 no
             shop/web1 shop/client tcp 8080 yes
             shop/web2 shop/other udp 9000 yes",
        ),
    );
}

/// Each policy is reported to be in force on every node with an endpoint that it selects, and its rules have counted.
fn in_force_everywhere_and_counted(world: &World) {
    let shown = |arguments: &[&str]| -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&world.node(1).fabricctl(arguments)?)?)
    };
    eventually("the policy is reported from both nodes", PATIENCE, || {
        let list = shown(&["policy", "list", "-o", "json"])?;
        let status = &list["policies"][0]["status"];
        ensure!(status == &json!({ "nodes": 2, "programmed": 2, "pending": [] }), "{list:#}");
        Ok(())
    })
    .unwrap();
    let list = shown(&["policy", "list", "--hits", "-o", "json"]).unwrap();
    let hits = &list["policies"][0]["hits"][0];
    assert_eq!((&hits["direction"], &hits["action"]), (&json!("Ingress"), &json!("Allow")));
    assert!(hits["packets"].as_u64() > Some(0), "{list:#}");
    assert!(list["tiers"][0]["packets"].as_u64() > Some(0), "what no rule allowed was counted: {list:#}");
    let words = world.node(1).fabricctl(&["endpoints", "show", "shop/web1"]).unwrap();
    assert!(words.contains("allow tcp, source among ") && words.contains(", generation "), "{words}");
    let file = world.node(1).directory().join("deny.yaml");
    fs::write(&file, policy("shop", "deny", "  podSelector: {}\n")).unwrap();
    let file = file.display().to_string();
    let difference = shown(&["policy", "diff", "-f", &file, "-o", "json"]).unwrap();
    let closed = difference["changes"].as_array().unwrap();
    assert!(
        !closed.is_empty() && closed.iter().all(|change| change["allowedAfter"] == json!(false)),
        "{difference:#}"
    );
}

fn pods_of_other_namespaces_port_ranges_and_labels(world: &World) {
    world.apply(&policy(
        "shop",
        "web-from-ops",
        "  podSelector: { matchLabels: { app: web } }
  ingress:
    - from:
        - namespaceSelector: { matchLabels: { team: ops } }
          podSelector: { matchLabels: { role: client } }
      ports: [{ protocol: TCP, port: 9000, endPort: 9001 }]
",
    ));
    // Allowances of several policies add up.
    world.expect(
        "the range is open for clients of the other namespace",
        &trials(
            "ops/probe shop/web1 tcp 9000 yes
             ops/probe shop/web1 tcp 9001 yes
             ops/probe shop/web2 tcp 9001 yes
             ops/probe shop/web1 tcp 9002 no
             ops/probe shop/web1 udp 9000 no
             ops/probe shop/web1 tcp 8080 no
             ops/scan shop/web1 tcp 9000 no
             ops/scan shop/web2 tcp 9000 no
             shop/client shop/web1 tcp 9000 no
             shop/client shop/web1 tcp 8080 yes",
        ),
    );
    let node = world.pod("ops/scan").node().to_owned();
    world.apply(&scan().label("role", "client").manifest(&node));
    world.expect(
        "a pod that gets the label gets in",
        &trials(
            "ops/scan shop/web1 tcp 9000 yes
                 ops/scan shop/web2 tcp 9001 yes
                 ops/scan shop/web2 tcp 9002 no",
        ),
    );
    world.apply(&namespaces("night"));
    world.expect(
        "the namespace has lost its label",
        &trials(
            "ops/scan shop/web1 tcp 9000 no
                 ops/probe shop/web1 tcp 9000 no
                 ops/probe shop/web2 tcp 9001 no",
        ),
    );
    world.apply(&namespaces("ops"));
    world.apply(&scan().manifest(&node));
    world.expect(
        "all as before",
        &trials(
            "ops/scan shop/web1 tcp 9000 no
                 ops/probe shop/web1 tcp 9000 yes",
        ),
    );
    remove(world, "shop", "web-from-ops");
    remove(world, "shop", "web-from-clients");
}

fn address_blocks_and_udp(world: &World) {
    let except = world.pod("shop/client").addresses();
    let peers = format!(
        "        - ipBlock: {{ cidr: 10.42.0.0/16, except: [{}/32] }}
        - ipBlock: {{ cidr: \"fd00:42::/32\", except: [\"{}/128\"] }}
",
        except[0], except[1]
    );
    world.apply(&policy(
        "shop",
        "web1-from-blocks",
        &format!(
            "  podSelector: {{ matchLabels: {{ app: web }} }}
  ingress:
    - from:
{peers}      ports: [{{ protocol: UDP, port: 8080 }}, {{ protocol: TCP, port: 9002 }}]
"
        ),
    ));
    world.expect(
        "the block gets in but for the exception",
        &trials(
            "shop/other shop/web1 udp 8080 yes
             shop/other shop/web2 udp 8080 yes
             ops/scan shop/web1 udp 8080 yes
             ops/scan shop/web2 tcp 9002 yes
             shop/client shop/web1 udp 8080 no
             shop/client shop/web2 udp 8080 no
             shop/client shop/web2 tcp 9002 no
             shop/other shop/web1 tcp 8080 no
             shop/other shop/web1 udp 8081 no",
        ),
    );
    remove(world, "shop", "web1-from-blocks");
}

fn egress(world: &World) {
    world.apply(&policy(
        "shop",
        "client-to-web",
        "  podSelector: { matchLabels: { role: client } }
  policyTypes: [Egress]
  egress:
    - to: [{ podSelector: { matchLabels: { app: web } } }]
      ports: [{ protocol: UDP, port: 8080 }, { protocol: TCP, port: http }]
    - to: [{ namespaceSelector: { matchLabels: { team: ops } } }]
      ports: [{ protocol: TCP, port: 9000 }]
",
    ));
    world.expect(
        "the client reaches what it may",
        &trials(
            "shop/client shop/web1 udp 8080 yes
             shop/client shop/web2 udp 8080 yes
             shop/client shop/web1 tcp 8080 yes
             shop/client shop/web2 tcp 8081 yes
             shop/client shop/web2 tcp 8080 no
             shop/client shop/web1 tcp 9000 no
             shop/client shop/other tcp 9000 no
             shop/client ops/probe tcp 9000 yes
             shop/client ops/scan tcp 9000 yes
             shop/client ops/scan tcp 9001 no
             shop/web1 shop/client tcp 9002 yes
             shop/other shop/client udp 9002 yes
             ops/probe shop/web2 tcp 9002 yes",
        ),
    );
    remove(world, "shop", "client-to-web");
}

fn default_deny(world: &World) {
    world.apply(&policy("ops", "nothing", "  podSelector: {}\n  policyTypes: [Ingress, Egress]\n"));
    world.expect(
        "nothing gets in or out",
        &trials(
            "ops/probe ops/scan tcp 8080 no
             ops/probe shop/web1 tcp 8080 no
             ops/scan shop/web1 udp 8080 no
             shop/client ops/scan tcp 8080 no
             shop/client ops/probe udp 8080 no
             shop/client shop/web1 tcp 8080 yes",
        ),
    );
    remove(world, "ops", "nothing");
}

fn remove(world: &World, namespace: &str, name: &str) {
    let said = world.node(2).fabricctl(&["delete", "netpol", name, "-n", namespace]).unwrap();
    assert!(said.contains("deleted"), "{said}");
}
