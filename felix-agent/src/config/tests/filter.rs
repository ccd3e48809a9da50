//! Filters: each mistake with its place.

use super::{GOOD, parse};

fn with(rules: &str) -> Result<super::Config, Vec<String>> {
    parse(&GOOD.replace("  peers:", &format!("  filters:\n    f: {rules}\n  peers:")))
}

#[test]
fn each_mistake_is_told_at_its_place() {
    let table = [
        (
            "{ rules: [{ match: { prefixes: [] }, then: accept }] }",
            "[] }",
            "bgp.filters.f.rules[0].match.prefixes: is empty, so that it never holds; remove it, or name something",
        ),
        (
            "{ rules: [{ match: { med: { min: 2, max: 1 } }, then: accept }] }",
            "{ min: 2",
            "bgp.filters.f.rules[0].match.med: never holds: min is above max; exchange them",
        ),
        (
            "{ rules: [{ match: { not: {} }, then: accept }] }",
            "{} }",
            "bgp.filters.f.rules[0].match.not: is empty; remove it, or name what may not hold",
        ),
        ("{ rules: [{ match: {} }] }", "{ match", "bgp.filters.f.rules[0].then: is missing; it is required"),
        (
            "{ rules: [{ then: acept }] }",
            "acept",
            "bgp.filters.f.rules[0].then: \"acept\" is unknown; did you mean \"accept\"?",
        ),
        (
            "{ rules: [{ set: { med: 1 }, then: reject }] }",
            "{ med: 1",
            "bgp.filters.f.rules[0].set: changes what is rejected; remove it, or write another `then`",
        ),
        (
            "{ rules: [{ set: { nextHop: here }, then: accept }] }",
            "here",
            "bgp.filters.f.rules[0].set.nextHop: is the text \"here\"; write an IP address, self or unchanged",
        ),
        (
            "{ rules: [{ set: { addCommunities: [65001:1:2:3] }, then: accept }] }",
            "65001:1:2:3",
            "bgp.filters.f.rules[0].set.addCommunities[0]: is the text \"65001:1:2:3\"; write a community as 65001:100, 65001:1:2, rt:65001:100, or a name such as no-export",
        ),
        (
            "{ rules: [{ set: { med: nothing }, then: accept }] }",
            "nothing",
            "bgp.filters.f.rules[0].set.med: is the text \"nothing\"; write a whole number from 0 to 4294967295, or none",
        ),
        (
            "{ rules: [{ match: { source: [blok] }, then: accept }] }",
            "blok",
            "bgp.filters.f.rules[0].match.source[0]: \"blok\" is unknown; did you mean \"block\"?",
        ),
    ];
    for (rules, at, error) in table {
        // The place is where this part of the line begins.
        let column = "    f: ".len() + rules.find(at).expect(at) + 1;
        assert_eq!(with(rules).expect_err("wrong"), [format!("agent.yaml:9:{column}: {error}")], "{rules}");
    }
}

#[test]
fn a_filter_has_a_name_of_its_own() {
    for (name, error) in [
        (
            "all",
            "agent.yaml:9:10: bgp.filters.all: has a name that means something else already; choose another",
        ),
        ("a.b", "agent.yaml:9:5: bgp.filters: \"a.b\" is no name; write letters, digits, '-' and '_'"),
    ] {
        let text = GOOD.replace("  peers:", &format!("  filters:\n    {name}: {{}}\n  peers:"));
        assert_eq!(parse(&text).expect_err("wrong"), [error]);
    }
}

#[test]
fn patterns_that_cannot_be_read_are_told_where_they_stand() {
    for (field, value) in
        [("prefixes", "[10.0.0.0/8 ge 99]"), ("communities", "[\"65001:\"]"), ("asPath", "\"(\"")]
    {
        let rules = format!("{{ rules: [{{ match: {{ {field}: {value} }}, then: accept }}] }}");
        let errors = with(&rules).expect_err(&rules);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let place = format!(": bgp.filters.f.rules[0].match.{field}");
        assert!(errors[0].starts_with("agent.yaml:9:") && errors[0].contains(&place), "{errors:?}");
    }
}
