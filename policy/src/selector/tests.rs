use super::*;

fn read(yaml: &str) -> (Selector, Vec<Problem>) {
    let mut problems = Vec::new();
    let selector = Selector::read(&serde_saphyr::from_str(yaml).unwrap(), "podSelector", &mut problems);
    (selector, problems)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn operators_match_as_the_api_says() {
    let web = labels(&[("app", "web"), ("empty", "")]);
    let cases = [
        ("{}", true),
        ("matchLabels: {app: web}", true),
        ("matchLabels: {app: db}", false),
        ("matchLabels: {app: web, tier: front}", false),
        ("matchLabels: {empty: ''}", true),
        ("matchLabels: {absent: ''}", false),
        ("matchExpressions: [{key: app, operator: In, values: [db, web]}]", true),
        ("matchExpressions: [{key: tier, operator: In, values: [db, web]}]", false),
        ("matchExpressions: [{key: app, operator: NotIn, values: [db]}]", true),
        ("matchExpressions: [{key: app, operator: NotIn, values: [db, web]}]", false),
        ("matchExpressions: [{key: tier, operator: NotIn, values: [db]}]", true),
        ("matchExpressions: [{key: empty, operator: Exists}]", true),
        ("matchExpressions: [{key: tier, operator: Exists, values: []}]", false),
        ("matchExpressions: [{key: tier, operator: DoesNotExist}]", true),
        ("matchExpressions: [{key: app, operator: DoesNotExist}]", false),
        ("{matchLabels: {app: web}, matchExpressions: [{key: app, operator: NotIn, values: [web]}]}", false),
    ];
    for (yaml, wanted) in cases {
        let (selector, problems) = read(yaml);
        assert_eq!(problems, [], "{yaml}");
        assert_eq!(selector.matches(&web), wanted, "{yaml}");
    }
}

#[test]
fn equal_meaning_by_form_is_equal() {
    let (short, _) = read("matchLabels: {app: web}");
    let (long, _) = read("matchExpressions: [{key: app, operator: In, values: [web, web]}]");
    assert_eq!(short, long);
    assert_eq!(short, Selector::label("app", "web"));
    assert_eq!(short.to_string(), "app=web");
    assert_eq!(Selector::everything().to_string(), "all()");
}

#[test]
fn what_the_api_rejects_is_reported_and_left_out() {
    let cases = [
        (
            "matchExpressions: [{key: app, operator: in, values: [a]}]",
            "podSelector.matchExpressions[0].operator: \"in\" is not one of In, NotIn, Exists, DoesNotExist",
        ),
        (
            "matchExpressions: [{key: app, operator: In}]",
            "podSelector.matchExpressions[0].values: In needs at least one value",
        ),
        (
            "matchExpressions: [{key: app, operator: NotIn, values: []}]",
            "podSelector.matchExpressions[0].values: NotIn needs at least one value",
        ),
        (
            "matchExpressions: [{key: app, operator: Exists, values: [a]}]",
            "podSelector.matchExpressions[0].values: Exists takes no values",
        ),
        (
            "matchExpressions: [{key: -app, operator: Exists}]",
            "podSelector.matchExpressions[0].key: \"-app\" is no label key (like app or example.com/app)",
        ),
        (
            "matchLabels: {Example.com/app: x}",
            "podSelector.matchLabels: \"Example.com/app\" is no label key (like app or example.com/app)",
        ),
        (
            "matchLabels: {app: 'a b'}",
            "podSelector.matchLabels: \"a b\" is no label value (up to 63 letters, digits, '-', '_' and '.', a letter or digit at both ends)",
        ),
    ];
    for (yaml, wanted) in cases {
        let (selector, problems) = read(yaml);
        assert!(selector.is_everything(), "{yaml}");
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [wanted]);
    }
}

#[test]
fn label_keys_of_the_api_are_valid() {
    for key in ["a", "app.kubernetes.io/name", "kubernetes.io/metadata.name", "A_b-c.d", "x.y/Z9"] {
        let (selector, problems) = read(&format!("matchExpressions: [{{key: {key}, operator: Exists}}]"));
        assert_eq!(problems, [], "{key}");
        assert_eq!(selector.to_string(), key);
    }
    let long = "x".repeat(64);
    for key in ["", "/a", "a/", "a/b/c", "a..b/c", "ä", &long] {
        let mut problems = Vec::new();
        assert!(!check_key(key, "key", &mut problems), "{key}");
    }
}

#[test]
fn the_anchor_is_the_narrowest_label_that_must_exist() {
    let anchor = |yaml| format!("{:?}", read(yaml).0.anchor());
    assert_eq!(anchor("{}"), "Nowhere");
    assert_eq!(
        anchor(
            "matchExpressions: [{key: a, operator: NotIn, values: [x]}, {key: b, operator: DoesNotExist}]"
        ),
        "Nowhere"
    );
    assert_eq!(
        anchor("matchExpressions: [{key: b, operator: Exists}, {key: c, operator: NotIn, values: [x]}]"),
        "Key(\"b\")"
    );
    assert_eq!(
        anchor(
            "{matchLabels: {z: y}, matchExpressions: [{key: a, operator: In, values: [p, q]}, {key: b, operator: Exists}]}"
        ),
        "Values(\"z\", {\"y\"})"
    );
}
