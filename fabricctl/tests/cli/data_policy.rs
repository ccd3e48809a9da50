//! The fixed data about policies: a shop whose database lets in the web, and what would close it.

use proto::v1::*;

use crate::data::texts;

fn rule(policy: &str, direction: &str, rule: u32, name: &str) -> RuleRef {
    let kind = if policy == "lock" { "GlobalNetworkPolicy" } else { "NetworkPolicy" };
    let namespace = if policy == "lock" { "" } else { "shop" };
    RuleRef {
        namespace: namespace.to_owned(),
        policy: policy.to_owned(),
        direction: direction.to_owned(),
        rule,
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

pub fn policies() -> ListPoliciesResponse {
    let pending = NodeReason {
        node: "node-2".to_owned(),
        reason: "its agent has not reported the newest version yet".to_owned(),
    };
    let hits = |direction: &str, rule, name: &str, action: &str, packets, bytes| {
        let [direction, name, action] = [direction, name, action].map(str::to_owned);
        RuleHits { direction, rule, name, action, packets, bytes }
    };
    ListPoliciesResponse {
        policies: vec![
            PolicySummary {
                namespace: "shop".to_owned(),
                name: "default-deny".to_owned(),
                types: texts(&["Ingress", "Egress"]),
                endpoints: 12,
                kind: "NetworkPolicy".to_owned(),
                policy: "shop/default-deny".to_owned(),
                tier: "default".to_owned(),
                order: Some(1000.0),
                status: Some(PolicyStatus { nodes: 2, programmed: 1, pending: vec![pending] }),
                ..PolicySummary::default()
            },
            PolicySummary {
                name: "web".to_owned(),
                types: texts(&["Ingress"]),
                endpoints: 1,
                problems: texts(&["no endpoint has a port named http"]),
                kind: "GlobalNetworkPolicy".to_owned(),
                policy: "GlobalNetworkPolicy web".to_owned(),
                tier: "security".to_owned(),
                status: Some(PolicyStatus { nodes: 1, programmed: 1, pending: Vec::new() }),
                hits: vec![
                    hits("Ingress", 0, "no-telnet", "Deny", 1, 60),
                    hits("Ingress", 1, "", "Allow", 12, 720),
                ],
                ..PolicySummary::default()
            },
            PolicySummary {
                name: "soon".to_owned(),
                types: texts(&["Egress"]),
                kind: "StagedGlobalNetworkPolicy".to_owned(),
                policy: "GlobalNetworkPolicy soon".to_owned(),
                tier: "default".to_owned(),
                staged: true,
                ..PolicySummary::default()
            },
        ],
        tiers: vec![TierHits {
            tier: "default".to_owned(),
            direction: "Ingress".to_owned(),
            policies: texts(&["shop/default-deny"]),
            packets: 3,
            bytes: 180,
        }],
    }
}

pub fn explanation(traced: bool) -> ExplainResponse {
    let kernel = KernelRule {
        chains: texts(&["p0123456789abcdef"]),
        comment: "tier default ingress: isolated by shop/default-deny".to_owned(),
        packets: 3,
        bytes: 180,
    };
    let asked = AskedTier {
        name: "default".to_owned(),
        outcome: "denied".to_owned(),
        rule: None,
        policies: texts(&["shop/default-deny", "shop/web"]),
        passed_over: vec![PassedOver {
            rule: Some(rule("web", "Ingress", 0, "")),
            why: "the destination port is 5432, not 80".to_owned(),
        }],
        logged: vec![rule("lock", "Ingress", 2, "watch")],
    };
    ExplainResponse {
        allowed: false,
        source_address: "10.65.0.2".to_owned(),
        destination_address: "10.65.0.66".to_owned(),
        directions: vec![
            DirectionVerdict {
                direction: "Egress".to_owned(),
                endpoint: "shop/web-0".to_owned(),
                allowed: true,
                reason: "allowed by shop/web, egress rule 1".to_owned(),
                decided_by: Some(rule("web", "Egress", 1, "")),
                considered: texts(&["shop/default-deny", "shop/web"]),
                node: "node-2".to_owned(),
                tiers: Vec::new(),
                kernel: None,
            },
            DirectionVerdict {
                direction: "Ingress".to_owned(),
                endpoint: "shop/db-0".to_owned(),
                allowed: false,
                reason: "denied: selected by shop/default-deny and no rule allows it".to_owned(),
                decided_by: None,
                considered: texts(&["shop/default-deny"]),
                node: "node-1".to_owned(),
                tiers: vec![asked],
                kernel: Some(kernel),
            },
        ],
        trace: traced.then(trace),
    }
}

fn trace() -> Trace {
    Trace {
        steps: vec![TraceStep {
            family: "inet".to_owned(),
            table: "fabric".to_owned(),
            chain: "p0123456789abcdef".to_owned(),
            handle: 7,
            verdict: "return".to_owned(),
            comment: "shop/web ingress#0".to_owned(),
        }],
        outcome: "passed".to_owned(),
        summary: "every rule let the probe pass, and it was thrown away behind the last".to_owned(),
        differences: texts(&[
            "the engine says that ingress of shop/db-0 denies it, and the kernel lets it pass",
        ]),
    }
}

pub fn endpoint() -> EndpointDescription {
    let in_words = EndpointRule {
        rule: Some(rule("web", "Ingress", 0, "")),
        words: "allow tcp, source among 3 addresses, to 80".to_owned(),
    };
    let tier = EndpointTier {
        name: "default".to_owned(),
        policies: texts(&["shop/default-deny", "shop/web"]),
        rules: vec![in_words],
        end: "denied".to_owned(),
    };
    EndpointDescription {
        namespace: "shop".to_owned(),
        name: "db-0".to_owned(),
        node: "node-1".to_owned(),
        addresses: texts(&["10.65.0.66"]),
        host_interface: "fab0".to_owned(),
        labels: [("app".to_owned(), "db".to_owned())].into(),
        state: "ready".to_owned(),
        directions: vec![
            EndpointRules {
                direction: "Ingress".to_owned(),
                open: false,
                profile: "p0123456789abcdef".to_owned(),
                generation: 4,
                tiers: vec![tier],
                fallback: "allowed".to_owned(),
            },
            EndpointRules { direction: "Egress".to_owned(), open: true, ..EndpointRules::default() },
        ],
    }
}

pub fn difference() -> DiffResponse {
    let endpoints = |ids: &[&str]| Some(DiffEnd { endpoints: texts(ids), networks: Vec::new() });
    let networks = |networks: &[&str]| Some(DiffEnd { endpoints: Vec::new(), networks: texts(networks) });
    let change = VerdictChange {
        sources: endpoints(&["shop/a", "shop/b", "shop/c", "shop/d", "shop/e"]),
        destinations: endpoints(&["shop/db-0"]),
        families: texts(&["IPv4", "IPv6"]),
        traffic: texts(&["tcp 80,443"]),
        allowed_before: true,
        allowed_after: false,
        because_before: texts(&["allowed: no policy selects it for ingress"]),
        because_after: texts(&["denied: selected by shop/deny and no rule allows it"]),
    };
    let outside = VerdictChange {
        sources: networks(&["0.0.0.0/0"]),
        families: texts(&["IPv4"]),
        traffic: texts(&["everything"]),
        ..change.clone()
    };
    DiffResponse {
        changes: vec![change, outside],
        endpoints: texts(&["shop/db-0"]),
        packets: 21,
        stopped: String::new(),
        problems: Vec::new(),
    }
}
