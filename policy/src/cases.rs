//! What policies mean, case by case: one test a row of the tables that were made from the documentation of the APIs, from
//! upstream's end-to-end tests, and from issues of other engines.
//!
//! - `network_policy`: `networking.k8s.io/v1` NetworkPolicy, 51 rows;
//! - `cluster_network_policy`: `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy, 16 rows;
//! - `own`: tiers and policies of `fabric.rs/v1`.
//!
//! Every packet is judged by the specification, by the program of the compiler, and by the engine's program and explanation,
//! which must agree, before it is held against what the row says: see [`Scenario::check`](crate::scenario::Scenario::check).

mod cluster_network_policy;
mod network_policy;
mod own;

/// Every row has its test.
#[test]
fn no_row_is_missing() {
    let network_policy = [
        include_str!("cases/network_policy/isolation.rs"),
        include_str!("cases/network_policy/peers.rs"),
        include_str!("cases/network_policy/pods.rs"),
        include_str!("cases/network_policy/ports.rs"),
    ];
    let cluster_network_policy = [include_str!("cases/cluster_network_policy.rs")];
    for (rows, texts) in [(51, network_policy.as_slice()), (16, cluster_network_policy.as_slice())] {
        for row in 1..=rows {
            let name = format!("\nfn row_{row}_");
            assert!(texts.iter().any(|text| text.contains(&name)), "row {row} of {rows}");
        }
    }
}
