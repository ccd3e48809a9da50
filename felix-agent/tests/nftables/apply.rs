//! What the kernel holds after an apply.

use std::cell::RefCell;

use felix_agent::dataplane::nftables::assemble::{Refusals, assemble};
use felix_agent::dataplane::nftables::render::render;
use felix_agent::dataplane::nftables::transact::Former;
use felix_agent::dataplane::nftables::{Applied, Error, Nftables, Options, Table, lower};
use policy::program::{Program, SetId};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::namespace::Namespace;
use crate::programs::{Interfaces, addresses, example, networks};
use crate::{table, tables};

fn example_table() -> Table {
    let (program, interfaces) = example();
    first_table(&program, &interfaces)
}

/// As it is before anything has changed.
pub fn first_table(program: &Program, interfaces: &Interfaces) -> Table {
    let lowered = lower(program, interfaces, &Options::default());
    assemble(&lowered, Former::None, &Refusals::default(), &|_| true).table
}

fn open(namespace: &Namespace) -> Nftables {
    namespace.run(|| Nftables::open().unwrap())
}

/// Without counters, whose values are not ours to say, and handles.
pub fn without_counts(list: &str) -> String {
    let counter = |line: &str| -> String {
        let Some((before, after)) = line.split_once("counter packets ") else {
            return line.to_owned();
        };
        let rest: Vec<&str> = after.splitn(4, ' ').collect();
        format!("{before}counter {}", rest.get(3).copied().unwrap_or_default())
    };
    list.lines().map(counter).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_kernel_holds_what_nft_makes_of_our_text() {
    let table = example_table();
    let (ours, theirs) = (Namespace::new(), Namespace::new());
    open(&ours).apply(&mut table.clone()).unwrap();
    theirs.nft(&render(&table));
    assert_eq!(without_counts(&ours.list()), without_counts(&theirs.list()));
}

/// Elements that nft adds for itself aside: it marks the space below the first range.
#[test]
fn rules_are_the_very_expressions_of_nft() {
    let table = example_table();
    let (ours, theirs) = (Namespace::new(), Namespace::new());
    open(&ours).apply(&mut table.clone()).unwrap();
    theirs.nft(&render(&table));
    let expressions = |namespace: &Namespace| -> Vec<String> {
        let code = namespace.bytecode();
        code.lines().filter(|line| line.trim_start().starts_with('[')).map(str::to_owned).collect()
    };
    let (ours, theirs) = (expressions(&ours), expressions(&theirs));
    assert!(ours.len() > 50, "{ours:?}");
    assert_eq!(ours, theirs);
}

#[test]
fn a_second_apply_of_the_same_changes_nothing() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let table = example_table();
    assert!(nftables.apply(&mut table.clone()).unwrap().changes > 0);
    assert_eq!(nftables.apply(&mut table.clone()).unwrap(), Applied::default());
}

#[test]
fn a_restarted_agent_keeps_what_is_right() {
    let namespace = Namespace::new();
    let table = example_table();
    open(&namespace).apply(&mut table.clone()).unwrap();
    let before = namespace.command("nft", &["-a", "list", "table", "inet", "fabric"]);
    assert_eq!(open(&namespace).apply(&mut table.clone()).unwrap(), Applied::default());
    assert_eq!(before, namespace.command("nft", &["-a", "list", "table", "inet", "fabric"]));
}

/// Every rule's handle, which the kernel gives anew to a rule that is added.
fn rule_handles(namespace: &Namespace) -> Vec<String> {
    let list = namespace.command("nft", &["-a", "list", "table", "inet", "fabric"]);
    let rules = list.lines().filter(|line| line.starts_with("\t\t") && line.contains("# handle"));
    rules.map(str::to_owned).collect()
}

#[test]
fn members_come_and_go_without_touching_rules() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let (mut program, interfaces) = example();
    nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    let handles = rule_handles(&namespace);
    assert!(handles.len() > 20);

    program.sets.insert(SetId("s1".to_owned()), addresses(&["10.0.0.8", "fd00::7"]));
    program.sets.insert(SetId("s2".to_owned()), networks(&["192.0.2.0/24", "2001:db8::/33"]));
    let applied = nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    assert_eq!(applied, Applied { changes: 4, ..Applied::default() });
    assert_eq!(rule_handles(&namespace), handles);
    let list = namespace.list();
    assert!(list.contains("10.0.0.8") && !list.contains("10.0.0.7 }"), "{list}");
    assert!(list.contains("192.0.2.0/24") && !list.contains("198.51.100.0/24"), "{list}");
}

#[test]
fn a_changed_profile_takes_and_gives_only_the_rules_that_differ() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let (mut program, interfaces) = example();
    let mut table = first_table(&program, &interfaces);
    nftables.apply(&mut table).unwrap();
    let before = rule_handles(&namespace);
    for profile in program.profiles.values_mut() {
        for tier in &mut profile.tiers {
            tier.rules.retain(|rule| !rule.matches.is_empty());
        }
    }
    nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    let after = rule_handles(&namespace);
    let kept = after.iter().filter(|rule| before.contains(rule)).count();
    assert_eq!((before.len() - kept, after.len() - kept), (1, 0));
    nftables.apply(&mut table).unwrap();
    let again = rule_handles(&namespace);
    assert_eq!(again.iter().filter(|rule| after.contains(rule)).count(), after.len());
    let texts = |rules: &[String]| -> Vec<String> {
        rules.iter().filter_map(|rule| rule.split(" # handle").next().map(str::to_owned)).collect()
    };
    assert_eq!(texts(&again), texts(&before));
}

#[test]
fn others_tables_do_not_matter() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let (mut program, interfaces) = example();
    nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    namespace.nft("table inet other { chain fabric { counter accept; }; }");
    program.sets.insert(SetId("s4".to_owned()), addresses(&["10.0.0.9"]));
    let applied = nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    assert_eq!(applied, Applied { changes: 1, ..Applied::default() });
    assert!(namespace.command("nft", &["list", "table", "inet", "other"]).contains("accept"));
}

#[test]
fn what_others_did_to_our_table_is_undone() {
    let table = example_table();
    let disturbances = [
        "delete table inet fabric",
        "flush ruleset",
        "flush table inet fabric",
        "flush chain inet fabric from_endpoint",
        "insert rule inet fabric forward accept",
        "add rule inet fabric p1 ct mark 5 accept",
        "add element inet fabric s14 { 6.6.6.6 }",
        "delete element inet fabric s24 { 224.0.0.0/3 }",
        "add chain inet fabric intruder",
        "add set inet fabric intruder { type ipv4_addr; timeout 5s; }",
        "add table inet fabric { flags dormant; }",
        "add chain inet fabric forward { policy drop; }",
    ];
    for disturbance in disturbances {
        let namespace = Namespace::new();
        let mut nftables = open(&namespace);
        nftables.apply(&mut table.clone()).unwrap();
        let list = namespace.list();
        namespace.nft(disturbance);
        let applied = nftables.apply(&mut table.clone()).unwrap();
        assert!(applied.disturbed && applied.changes > 0, "{disturbance}: {applied:?}");
        assert_eq!(namespace.list(), list, "{disturbance}");
        assert_eq!(nftables.apply(&mut table.clone()).unwrap(), Applied::default(), "{disturbance}");
    }
}

/// Far more than one message holds, or one attribute.
#[test]
fn a_quarter_of_a_million_members_load_in_one_transaction_and_one_more_in_another() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let (mut program, interfaces) = example();
    let many = (0..250_000_u32).map(|n| std::net::Ipv4Addr::from(0x0a01_0000 + n).into());
    let mut many: std::collections::BTreeSet<_> = many.collect();
    program.sets.insert(SetId("s1".to_owned()), policy::program::Set::Addresses(many.clone()));
    let mut table = first_table(&program, &interfaces);
    nftables.apply(&mut table).unwrap();
    assert_eq!(open(&namespace).apply(&mut table).unwrap(), Applied::default());
    many.insert("10.0.0.1".parse().unwrap());
    program.sets.insert(SetId("s1".to_owned()), policy::program::Set::Addresses(many));
    let applied = nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
    assert_eq!(applied, Applied { changes: 1, ..Applied::default() });
}

/// Chains that call each other in a circle.
#[test]
fn a_table_that_the_kernel_refuses_leaves_the_last_one_in_place() {
    let namespace = Namespace::new();
    let mut nftables = open(&namespace);
    let table = example_table();
    nftables.apply(&mut table.clone()).unwrap();
    let list = namespace.list();
    let mut circle = table.clone();
    let calls = |rule: &&table::Rule| matches!(&rule.statements[..], [.., table::Statement::Verdict(table::Verdict::Jump(chain))] if chain == "from_endpoint");
    let to_itself = circle.chains["endpoints"].rules.iter().find(calls).unwrap().clone();
    circle.chains.get_mut("from_endpoint").unwrap().rules.insert(0, to_itself);
    let error = nftables.apply(&mut circle).unwrap_err().to_string();
    assert!(error.contains("the kernel refused to"), "{error}");
    assert_eq!(namespace.list(), list);
    assert_eq!(nftables.apply(&mut table.clone()).unwrap(), Applied::default());
}

/// Read back by a second instance that knows nothing, after every step of a walk from table to table.
#[test]
fn any_table_follows_any_other() {
    let namespace = Namespace::new();
    let walker = RefCell::new(open(&namespace));
    let fail = |error: Error| TestCaseError::fail(error.to_string());
    proptest!(Config::with_cases(64), |(table in tables::table())| {
        let applied = walker.borrow_mut().apply(&mut table.clone()).map_err(fail)?;
        prop_assert!(!applied.disturbed);
        prop_assert_eq!(open(&namespace).apply(&mut table.clone()).map_err(fail)?, Applied::default());
    });
}
