//! What can be told of our own tiers and policies by looking at one: Tier, NetworkPolicy, GlobalNetworkPolicy, and the
//! staged ones.
//!
//! What depends on others is not checked here: a tier that does not exist (yet), or two policies of the same order.

use policy::api::own::{PolicySpec, StagedKubernetesNetworkPolicySpec, TierSpec};
use policy::api::{Rest, StagedKubernetesNetworkPolicy};
use selector::Expression;

use super::{Report, names, network_policy};
use crate::key::Kind;

/// Most rules of a direction of one policy.
const RULES: usize = 1024;

/// Tiers that there are without an object: name, order, and what becomes of what they do not decide.
const BUILT_IN: [(&str, f64, &str); 3] = [
    ("kube-admin", 1_000.0, "Pass"),
    ("default", 1_000_000.0, "Deny"),
    ("kube-baseline", 10_000_000.0, "Pass"),
];

/// Reports everything that is wrong with a tier.
pub(super) fn check_tier(name: &str, spec: &TierSpec, report: &mut Report<'_>) {
    report.unknown("spec", &spec.rest, &[TierSpec::FIELDS]);
    report.order(spec.order);
    report.word_or_none("spec.defaultAction", &spec.default_action, &["Deny", "Pass"]);
    let built_in = BUILT_IN.iter().find(|(known, ..)| *known == name);
    let Some((_, order, action)) = built_in else { return };
    let same_action = spec.default_action.is_empty() || spec.default_action == *action;
    if spec.order.is_some_and(|own| own != *order) || !same_action {
        let what = format!(
            "\"{name}\" is built in, with order {order} and defaultAction {action}, and cannot be changed; remove this \
             tier, or name it otherwise"
        );
        report.add("metadata.name", what);
    }
}

/// Reports everything that is wrong with a policy of one of the four kinds that share a specification.
pub(super) fn check_policy(kind: Kind, spec: &PolicySpec, report: &mut Report<'_>) {
    let is_global = !kind.is_namespaced();
    let is_staged = matches!(kind, Kind::StagedNetworkPolicy | Kind::StagedGlobalNetworkPolicy);
    let global = if is_global { PolicySpec::GLOBAL_FIELDS } else { &[] };
    let staged = if is_staged { PolicySpec::STAGED_FIELDS } else { &[] };
    report.unknown("spec", &spec.rest, &[PolicySpec::FIELDS, global, staged]);
    for field in spec.misplaced(is_global, is_staged) {
        report
            .add(&format!("spec.{field}"), format!("has no place in a {}; remove it", kind.manifest_name()));
    }
    report.staged_action(&spec.staged_action);
    if !spec.tier.is_empty()
        && let Some(what) = names::subdomain_problem(&spec.tier)
    {
        report.add("spec.tier", what);
    }
    report.order(spec.order);
    for (field, text) in [
        ("selector", &spec.selector),
        ("namespaceSelector", &spec.namespace_selector),
        ("serviceAccountSelector", &spec.service_account_selector),
    ] {
        report.expression(&format!("spec.{field}"), text, false);
    }
    report.types(&spec.types);
    report.of_hosts(spec);
    for (section, rules) in [("ingress", &spec.ingress), ("egress", &spec.egress)] {
        let field = format!("spec.{section}");
        if rules.len() > RULES {
            let what = format!(
                "has {} rules; write at most {RULES}, and the rest into another policy that follows by its order",
                rules.len()
            );
            report.add(&field, what);
            continue;
        }
        for (index, rule) in rules.iter().enumerate() {
            report.own_rule(&format!("{field}[{index}]"), rule);
        }
    }
}

/// Reports everything that is wrong with a staged policy of Kubernetes.
pub(super) fn check_staged_kubernetes(policy: &StagedKubernetesNetworkPolicy, report: &mut Report<'_>) {
    report.unknown("spec", &policy.spec.rest, &[StagedKubernetesNetworkPolicySpec::FIELDS]);
    report.staged_action(&policy.spec.staged_action);
    network_policy::check(&policy.enforced(), report);
}

impl Report<'_> {
    /// Fields that a type does not know.
    pub(super) fn unknown(&mut self, field: &str, rest: &Rest, known: &[&[&str]]) {
        if rest.is_empty() {
            return;
        }
        let known = known.concat();
        let problems: Vec<_> = rest.keys().map(|key| self.document.unknown(field, key, &known)).collect();
        self.extend(problems);
    }

    /// A word that must be there.
    pub(super) fn word(&mut self, field: &str, word: &str, allowed: &[&str]) {
        if word.is_empty() {
            self.add(field, format!("is missing; write one of {}", allowed.join(", ")));
        } else {
            self.one_of(field, word, allowed);
        }
    }

    fn word_or_none(&mut self, field: &str, word: &str, allowed: &[&str]) {
        if !word.is_empty() {
            self.one_of(field, word, allowed);
        }
    }

    fn staged_action(&mut self, action: &str) {
        self.word_or_none("spec.stagedAction", action, &["Set", "Delete", "Learn", "Ignore"]);
    }

    fn order(&mut self, order: Option<f64>) {
        if order.is_some_and(|order| !order.is_finite()) {
            self.add("spec.order", "is no finite number; write one, or leave it out to be last");
        }
    }

    /// A selector of `projectcalico.org/v3`.
    pub(super) fn expression(&mut self, field: &str, text: &str, may_be_global: bool) {
        match text.parse::<selector::Selector>() {
            Err(problem) => self.add(field, format!("{problem}; write like role == 'frontend' && has(team)")),
            Ok(selector) if !may_be_global && mentions_global(selector.expression()) => {
                let what = "has global(), which only the namespaceSelector of a rule's source or destination can have";
                self.add(field, format!("{what}; remove it"));
            }
            Ok(_) => {}
        }
    }

    fn types(&mut self, types: &[String]) {
        for (index, direction) in types.iter().enumerate() {
            self.one_of(&format!("spec.types[{index}]"), direction, &["Ingress", "Egress"]);
        }
        if types.len() > 2 {
            self.add("spec.types", "has more than two entries; write Ingress, Egress or both");
        }
    }

    /// What only policies of host endpoints have, and what excludes what.
    fn of_hosts(&mut self, spec: &PolicySpec) {
        if spec.do_not_track && spec.pre_dnat {
            self.add("spec.preDNAT", "excludes doNotTrack; remove one of them");
        }
        for (field, is_set) in [("doNotTrack", spec.do_not_track), ("preDNAT", spec.pre_dnat)] {
            if is_set && !spec.apply_on_forward {
                self.add(
                    &format!("spec.{field}"),
                    "judges forwarded traffic too; write applyOnForward: true",
                );
            }
        }
        if spec.pre_dnat && (!spec.egress.is_empty() || spec.types.iter().any(|known| known == "Egress")) {
            let what = "judges what comes in only; remove the egress rules and the type Egress";
            self.add("spec.preDNAT", what);
        }
    }
}

fn mentions_global(expression: &Expression) -> bool {
    match expression {
        Expression::Global => true,
        Expression::Not(inner) => mentions_global(inner),
        Expression::And(all) | Expression::Or(all) => all.iter().any(mentions_global),
        Expression::All
        | Expression::Has(_)
        | Expression::Equal { .. }
        | Expression::NotEqual { .. }
        | Expression::Contains { .. }
        | Expression::StartsWith { .. }
        | Expression::EndsWith { .. }
        | Expression::In { .. }
        | Expression::NotIn { .. } => false,
    }
}
