use proptest::prelude::*;

use super::*;

fn selector(text: &str) -> ::selector::Selector {
    text.parse().unwrap()
}

/// `a` is x, `b` does not exist, of `c` nothing is known.
fn label(key: &str) -> Known<'static> {
    match key {
        "a" => Known::Value("x"),
        "c" => Known::Nothing,
        _ => Known::Absent,
    }
}

#[test]
fn what_is_not_known_counts_only_where_it_matters() {
    let cases = [
        ("all()", Some(true)),
        ("global()", Some(true)),
        ("a == 'x'", Some(true)),
        ("a != 'x'", Some(false)),
        ("b != 'x'", Some(true)),
        ("b not in {'x'}", Some(true)),
        ("!has(b)", Some(true)),
        ("c == 'x'", None),
        ("c != 'x'", None),
        ("!has(c)", None),
        ("c in {'x'} && a == 'x'", None),
        ("c in {'x'} && a == 'y'", Some(false)),
        ("c in {'x'} || a == 'x'", Some(true)),
        ("c in {'x'} || a == 'y'", None),
        ("!(c starts with 'x' && has(b))", Some(true)),
    ];
    for (text, wanted) in cases {
        assert_eq!(truth(selector(text).expression(), &label), wanted, "{text}");
    }
}

#[test]
fn the_anchor_must_exist_in_whatever_is_selected() {
    let cases = [
        ("a == 'x' && has(b)", "Values(\"a\", {\"x\"})"),
        ("has(b) && a in {'x', 'y'}", "Values(\"a\", {\"x\", \"y\"})"),
        ("b contains 'x' && c != 'y'", "Key(\"b\")"),
        ("a == 'x' || a in {'y', 'z'}", "Values(\"a\", {\"x\", \"y\", \"z\"})"),
        ("a == 'x' || has(a)", "Key(\"a\")"),
        ("a == 'x' || b == 'x'", "Nowhere"),
        ("a == 'x' || !has(a)", "Nowhere"),
        ("!(a == 'x')", "Nowhere"),
        ("a in {}", "Values(\"a\", {})"),
        ("all()", "Nowhere"),
    ];
    for (text, wanted) in cases {
        assert_eq!(format!("{:?}", anchor(selector(text).expression())), wanted, "{text}");
    }
}

fn expressions() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c"]);
    let value = prop::sample::select(vec!["x", "xy", ""]);
    let comparison = prop::sample::select(vec!["==", "!=", "contains", "starts with", "ends with"]);
    let leaf = prop_oneof![
        6 => (key.clone(), comparison, value.clone()).prop_map(|(key, is, value)| format!("{key} {is} '{value}'")),
        2 => (key.clone(), any::<bool>(), prop::collection::vec(value, 0..3)).prop_map(|(key, not, values)| {
            let values = values.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>().join(", ");
            format!("{key} {}in {{{values}}}", if not { "not " } else { "" })
        }),
        1 => key.prop_map(|key| format!("has({key})")),
        1 => Just("all()".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| format!("!({operand})")),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|operands| format!("({})", operands.join(" && "))),
            prop::collection::vec(inner, 1..4).prop_map(|operands| format!("({})", operands.join(" || "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_all_labels_known_it_is_what_the_language_says(
        text in expressions(),
        labels in prop::collection::btree_map("[abc]", "x?y?", 0..3),
    ) {
        let selector = selector(&text);
        let holds = selector.matches(&labels);
        prop_assert_eq!(truth(selector.expression(), &|key| Known::of(&labels, key)), Some(holds));
        let anchored = match anchor(selector.expression()) {
            Anchor::Values(key, values) => labels.get(key).is_some_and(|value| values.contains(value.as_str())),
            Anchor::Key(key) => labels.contains_key(key),
            Anchor::Nowhere => true,
        };
        prop_assert!(anchored || !holds, "{text}");
    }

    #[test]
    fn what_holds_without_a_label_holds_whatever_it_is(text in expressions(), value in prop::option::of("x?y?")) {
        let selector = selector(&text);
        if let Some(certain) = truth(selector.expression(), &label) {
            let found = truth(selector.expression(), &|key| match (key, &value) {
                ("c", Some(value)) => Known::Value(value),
                ("c", None) => Known::Absent,
                (key, _) => label(key),
            });
            prop_assert_eq!(found, Some(certain));
        }
    }
}
