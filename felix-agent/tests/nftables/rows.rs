//! Rows of the policies' tables of cases that are the kernel's affair: who is who on a packet that meets it.
//!
//! The other rows of the kernel are where its other behaviour is: what is established (40, 41) and what nobody knows yet
//! (42) in `established` and `packets`, a pod's start and end with the attachments.

use policy::program::{Direction, Protocol, Side};

use crate::fabric::{
    Fabric, NODE, OUTSIDE, PATIENCE, POD_A, POD_B, connect, datagram_passes, is_dropped, listen, passes,
};
use crate::namespace::Namespace;
use crate::programs::{Builder, is_in, networks, port};

/// A service's address, which is nobody's.
const SERVICE: &str = "10.96.0.10";
const NODE_PORT: u16 = 30080;

/// Both pods; pod a may do nothing, and nobody may reach it.
fn closed_a() -> Builder {
    Builder::default()
        .profile("p1", Direction::Ingress, vec![])
        .profile("p2", Direction::Egress, vec![])
        .endpoint("a", &POD_A, Some("p1"), Some("p2"))
        .endpoint("b", &POD_B, None, None)
}

/// What another program does for services: translates their addresses to a pod's, and hides the client behind the node.
fn serve(node: &Namespace, pod: &str) {
    node.nft(&format!(
        "table ip services {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                ip daddr {SERVICE} tcp dport 80 dnat to {pod}:8080
                ip daddr {} tcp dport {NODE_PORT} dnat to {pod}:8080
            }}
            chain post {{
                type nat hook postrouting priority srcnat;
                ct status dnat masquerade
            }}
        }}",
        NODE[0]
    ));
}

#[test]
fn row_33_a_pod_reaches_itself() {
    let mut fabric = Fabric::new();
    fabric.enforce(&closed_a());
    for address in POD_A {
        let _server = listen(&fabric.a, address, 80);
        passes(&fabric.a, address, 80);
        is_dropped(&fabric.b, address, 80);
    }
}

#[test]
fn row_35_the_own_node_gets_in_and_nobody_whom_it_hides() {
    let mut fabric = Fabric::new();
    fabric.enforce(&closed_a());
    let _servers = POD_A.map(|address| listen(&fabric.a, address, 8080));
    for address in POD_A {
        passes(&fabric.node, address, 8080);
    }
    // A client of a node port arrives with the node's address, but not from the node.
    serve(&fabric.node, POD_A[0]);
    is_dropped(&fabric.outside, NODE[0], NODE_PORT);
}

#[test]
fn row_36_to_its_own_node_a_pods_egress_applies() {
    let mut fabric = Fabric::new();
    fabric.enforce(
        &Builder::default()
            .set("s1", networks(&["192.0.2.1/32"]))
            .profile(
                "p1",
                Direction::Egress,
                vec![[vec![is_in(Side::Destination, "s1")], port(Protocol::Udp, 53)].concat()],
            )
            .endpoint("a", &POD_A, None, Some("p1"))
            .endpoint("b", &POD_B, None, None),
    );
    let _server = listen(&fabric.node, NODE[0], 80);
    is_dropped(&fabric.a, NODE[0], 80);
    passes(&fabric.b, NODE[0], 80);
    assert!(datagram_passes((&fabric.a, POD_A[0]), (&fabric.node, NODE[0]), 53, PATIENCE));
}

/// Pod a may send to these networks only.
fn a_sends_to(allowed: &str) -> Builder {
    Builder::default()
        .set("s1", networks(&[allowed]))
        .profile("p1", Direction::Egress, vec![vec![is_in(Side::Destination, "s1")]])
        .endpoint("a", &POD_A, None, Some("p1"))
        .endpoint("b", &POD_B, None, None)
}

#[test]
fn row_50_to_a_service_a_pods_egress_sees_the_backend() {
    let mut fabric = Fabric::new();
    serve(&fabric.node, POD_B[0]);
    let _server = listen(&fabric.b, POD_B[0], 8080);
    fabric.enforce(&a_sends_to("10.96.0.10/32"));
    is_dropped(&fabric.a, SERVICE, 80);
    fabric.enforce(&a_sends_to("10.1.0.2/32"));
    passes(&fabric.a, SERVICE, 80);
}

/// Pod b takes from these networks only.
fn b_takes_from(allowed: &str) -> Builder {
    Builder::default()
        .set("s1", networks(&[allowed]))
        .profile("p1", Direction::Ingress, vec![vec![is_in(Side::Source, "s1")]])
        .endpoint("a", &POD_A, None, None)
        .endpoint("b", &POD_B, Some("p1"), None)
}

#[test]
fn row_51_where_it_arrives_the_client_of_a_node_port_is_judged_before_it_is_hidden() {
    let mut fabric = Fabric::new();
    serve(&fabric.node, POD_B[0]);
    let server = listen(&fabric.b, POD_B[0], 8080);
    fabric.enforce(&b_takes_from("192.0.2.2/32"));
    let _client = connect(&fabric.outside, NODE[0], NODE_PORT, PATIENCE).unwrap();
    // The pod itself sees the node.
    let (_, seen) = server.accept().unwrap();
    assert_ne!(seen.ip().to_string(), OUTSIDE[0]);
    fabric.enforce(&b_takes_from("169.254.1.1/32"));
    is_dropped(&fabric.outside, NODE[0], NODE_PORT);
}
