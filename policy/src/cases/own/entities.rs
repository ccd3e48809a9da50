//! Who is at an end: by labels, namespaces, network sets, service accounts and services.

use super::OUTSIDE;
use crate::scenario::{Scenario, town};

const PODS: [&str; 5] = ["shop/web", "shop/db", "bank/web", "bank/vault", OUTSIDE];

/// Which of [`PODS`] get in to `shop/new`, if a policy of the shop allows just this source.
fn from_in_shop(scenario: Scenario, source: &str) -> [bool; 5] {
    let spec = format!("{{selector: has(new), ingress: [{{action: Allow, source: {{{source}}}}}]}}");
    let scenario = scenario.pod("shop/new", "10.0.0.9", "{new: ''}", "{containers: []}").own("shop/p", &spec);
    PODS.map(|from| scenario.allows(from, "shop/new", "tcp/80"))
}

/// The same for a global policy.
fn from_anywhere(scenario: Scenario, source: &str) -> [bool; 5] {
    let spec = format!("{{selector: has(new), ingress: [{{action: Allow, source: {{{source}}}}}]}}");
    let scenario = scenario.pod("shop/new", "10.0.0.9", "{new: ''}", "{containers: []}").global("p", &spec);
    PODS.map(|from| scenario.allows(from, "shop/new", "tcp/80"))
}

#[test]
fn a_selector_is_for_the_policys_namespace_or_for_all() {
    for (selector, in_shop, anywhere) in [
        ("app == 'web'", [true, false, false, false, false], [true, false, true, false, false]),
        ("app != 'web'", [false, true, false, false, false], [false, true, false, true, false]),
        ("all()", [true, true, false, false, false], [true, true, true, true, false]),
        ("app in {'db', 'vault'}", [false, true, false, false, false], [false, true, false, true, false]),
        ("!has(app)", [false; 5], [false; 5]),
        (
            "app starts with 'v' || app contains 'e'",
            [true, false, false, false, false],
            [true, false, true, true, false],
        ),
    ] {
        let source = format!("selector: \"{selector}\"");
        assert_eq!(from_in_shop(town(), &source), in_shop, "{selector}");
        assert_eq!(from_anywhere(town(), &source), anywhere, "{selector}");
    }
}

#[test]
fn a_negated_selector_takes_in_strangers() {
    let source = "notSelector: \"app == 'web'\"";
    assert_eq!(from_anywhere(town(), source), [false, true, false, true, true]);
    assert_eq!(from_anywhere(town(), "notSelector: 'all()'"), [false, false, false, false, true]);
    let both = "selector: has(app), notSelector: \"app == 'web'\"";
    assert_eq!(from_anywhere(town(), both), [false, true, false, true, false]);
    // In a namespace's policy, it is about the namespace.
    assert_eq!(from_in_shop(town(), source), [false, true, false, false, false]);
}

#[test]
fn a_namespace_selector_is_by_the_labels_of_the_namespace() {
    for (source, expected) in [
        ("namespaceSelector: \"team == 'blue'\"", [false, false, true, true, false]),
        ("namespaceSelector: \"team != 'blue'\"", [true, true, false, false, false]),
        ("namespaceSelector: 'all()'", [true, true, true, true, false]),
        ("namespaceSelector: 'global()'", [false; 5]),
        ("namespaceSelector: \"projectcalico.org/name == 'bank'\"", [false, false, true, true, false]),
        ("namespaceSelector: \"kubernetes.io/metadata.name == 'bank'\"", [false, false, true, true, false]),
        (
            "namespaceSelector: \"team == 'blue'\", selector: \"app == 'web'\"",
            [false, false, true, false, false],
        ),
        ("namespaceSelector: 'all()', notSelector: \"app == 'web'\"", [false, true, false, true, false]),
    ] {
        assert_eq!(from_in_shop(town(), source), expected, "{source}");
        assert_eq!(from_anywhere(town(), source), expected, "{source}");
    }
}

#[test]
fn the_names_of_its_namespace_and_account_are_given_to_a_pod() {
    let in_bank = "selector: \"projectcalico.org/namespace == 'bank'\"";
    assert_eq!(from_anywhere(town(), in_bank), [false, false, true, true, false]);
    // It cannot give itself another.
    let labels = "{app: web, projectcalico.org/namespace: bank, projectcalico.org/serviceaccount: bot}";
    let spoofed = || town().pod("shop/web", "10.0.0.1 fd00::1", labels, "{containers: []}");
    assert_eq!(from_anywhere(spoofed(), in_bank), [false, false, true, true, false]);
    let bot = "selector: \"projectcalico.org/serviceaccount == 'bot'\"";
    assert_eq!(from_anywhere(spoofed(), bot), [false; 5]);
    assert_eq!(from_anywhere(town_with_accounts(), bot), [true, false, true, false, false]);
}

#[test]
fn network_sets_are_selected_like_pods() {
    let town = || {
        town()
            .network_set("shop/near", "{role: partner}", "192.0.2.0/25")
            .network_set("bank/far", "{role: partner}", "198.51.100.0/24 198.51.100.7")
            .global_network_set("world", "{role: world}", "203.0.113.0/24")
    };
    let sources = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.200", "shop/web"];
    let let_in = |scenario: Scenario| sources.map(|from| scenario.allows(from, "10.0.0.2", "tcp/80"));
    let own = |source: &str| {
        let_in(town().own("shop/p", &format!("{{ingress: [{{action: Allow, source: {{{source}}}}}]}}")))
    };
    let global = |source: &str| {
        let_in(town().global("p", &format!("{{ingress: [{{action: Allow, source: {{{source}}}}}]}}")))
    };
    let partners = "selector: \"role == 'partner'\"";
    assert_eq!(own(partners), [true, false, false, false, false]);
    assert_eq!(global(partners), [true, true, false, false, false]);
    assert_eq!(global("selector: has(role)"), [true, true, true, false, false]);
    assert_eq!(global("notSelector: has(role)"), [false, false, false, true, true]);
    assert_eq!(
        global("selector: has(role), notSelector: \"role == 'world'\""),
        [true, true, false, false, false]
    );
    assert_eq!(own("namespaceSelector: 'global()'"), [false, false, true, false, false]);
    assert_eq!(own("namespaceSelector: 'global()', selector: has(role)"), [false, false, true, false, false]);
    assert_eq!(
        own("namespaceSelector: \"team == 'blue'\", selector: has(role)"),
        [false, true, false, false, false]
    );
    assert_eq!(global("selector: has(role), nets: [192.0.2.0/24]"), [true, false, false, false, false]);
    assert_eq!(global("selector: \"role == 'none'\""), [false; 5]);
    // A pod inside of a set's networks is both.
    let inside = town().global_network_set("pods", "{role: pods}", "10.0.0.1/32");
    let spec = "{ingress: [{action: Allow, source: {selector: \"role == 'pods'\"}}]}";
    assert_eq!(let_in(inside.global("p", spec)), [false, false, false, false, true]);
}

#[test]
fn network_sets_are_no_subjects() {
    town()
        .global_network_set("pods", "{role: pods}", "10.0.0.0/16")
        .global("p", "{selector: has(role), types: [Ingress]}")
        .check(&[(OUTSIDE, "shop/web", "tcp/80", true)]);
}

/// `shop/web` runs as `bot`, `bank/web` too, which is another account.
fn town_with_accounts() -> Scenario {
    town()
        .service_account("shop/bot", "{trusted: 'yes'}")
        .service_account("bank/bot", "{trusted: 'no'}")
        .pod("shop/web", "10.0.0.1 fd00::1", "{app: web}", "{serviceAccountName: bot, containers: []}")
        .pod("bank/web", "10.0.1.1 fd00::1:1", "{app: web}", "{serviceAccountName: bot, containers: []}")
}

#[test]
fn service_accounts_are_names_and_labels() {
    let both = [true, false, true, false, false];
    let (shop, bank) = ([true, false, false, false, false], [false, false, true, false, false]);
    for (source, anywhere, in_shop) in [
        ("serviceAccounts: {names: [bot]}", both, shop),
        ("serviceAccounts: {names: [bot, default]}", both, shop),
        ("serviceAccounts: {names: [default]}", [false; 5], [false; 5]),
        ("serviceAccounts: {selector: \"trusted == 'no'\"}", bank, [false; 5]),
        ("serviceAccounts: {names: [bot], selector: \"trusted == 'yes'\"}", shop, shop),
        ("serviceAccounts: {selector: 'all()'}", both, shop),
        ("serviceAccounts: {}", both, shop),
        ("serviceAccounts: {selector: \"projectcalico.org/name == 'bot'\"}", both, shop),
        ("selector: \"app == 'db'\", serviceAccounts: {names: [bot]}", [false; 5], [false; 5]),
    ] {
        assert_eq!(from_anywhere(town_with_accounts(), source), anywhere, "{source}");
        assert_eq!(from_in_shop(town_with_accounts(), source), in_shop, "{source}");
    }
    // An account that is not known may have any labels.
    let cat = "{serviceAccountName: cat, containers: []}";
    let with_cat = town_with_accounts().pod("shop/db", "10.0.0.2", "{app: db}", cat);
    let not_no = "serviceAccounts: {selector: \"trusted != 'no'\"}";
    assert_eq!(from_anywhere(with_cat.clone(), not_no), shop);
    let known = with_cat.service_account("shop/cat", "{}");
    assert_eq!(from_anywhere(known, not_no), [true, true, false, false, false]);
}

#[test]
fn subjects_are_chosen_by_service_account_too() {
    let spec = "{serviceAccountSelector: \"trusted == 'no'\", types: [Ingress]}";
    town_with_accounts().global("p", spec).check(&[
        (OUTSIDE, "bank/web", "tcp/80", false),
        (OUTSIDE, "shop/web", "tcp/80", true),
        (OUTSIDE, "bank/vault", "tcp/80", true),
    ]);
    let all = "{serviceAccountSelector: \"projectcalico.org/name == 'bot'\", types: [Ingress]}";
    town_with_accounts()
        .own("shop/p", all)
        .check(&[(OUTSIDE, "shop/web", "tcp/80", false), (OUTSIDE, "shop/db", "tcp/80", true)]);
}

#[test]
fn a_service_is_its_endpoints_and_their_ports() {
    let town = || town().endpoint_slice("shop/db-1", "db", "10.0.0.2 10.0.1.2", "5432/TCP 53/UDP");
    let egress = |services: &str| {
        let spec = format!("{{egress: [{{action: Allow, destination: {{services: {{{services}}}}}}}]}}");
        town().own("shop/p", &spec)
    };
    for services in ["name: db", "name: db, namespace: shop"] {
        egress(services).check(&[
            ("shop/web", "shop/db", "tcp/5432", true),
            ("shop/web", "bank/vault", "tcp/5432", true),
            ("shop/web", "shop/db", "udp/53", true),
            ("shop/web", "shop/db", "tcp/53", false),
            ("shop/web", "shop/db", "icmp", false),
            ("shop/web", "bank/web", "tcp/5432", false),
        ]);
    }
    egress("name: db, namespace: bank").check(&[("shop/web", "shop/db", "tcp/5432", false)]);
    egress("name: other").check(&[("shop/web", "shop/db", "tcp/5432", false)]);
    // As a source, whatever the port.
    town()
        .own("bank/p", "{ingress: [{action: Allow, source: {services: {name: db, namespace: shop}}}]}")
        .check(&[("shop/db", "bank/web", "tcp/1", true), ("shop/web", "bank/web", "tcp/1", false)]);
}
