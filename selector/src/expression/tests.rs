use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str) -> Expression {
    crate::parse::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_form_means_what_it_says() {
    let web = labels(&[("app", "web-front"), ("empty", "")]);
    let cases = [
        ("all()", true),
        ("!all()", false),
        ("global()", true),
        ("has(app)", true),
        ("has(empty)", true),
        ("has(absent)", false),
        ("app == 'web-front'", true),
        ("app == 'web'", false),
        ("empty == ''", true),
        ("absent == ''", false),
        ("app != 'web'", true),
        ("app != 'web-front'", false),
        ("absent != 'web'", true),
        ("absent != ''", true),
        ("app contains 'b-f'", true),
        ("app contains ''", true),
        ("app contains 'x'", false),
        ("absent contains ''", false),
        ("app starts with 'web'", true),
        ("app starts with 'front'", false),
        ("absent starts with ''", false),
        ("app ends with 'front'", true),
        ("app ends with 'web'", false),
        ("absent ends with ''", false),
        ("app in {'db', 'web-front'}", true),
        ("app in {'db', 'web'}", false),
        ("app in {}", false),
        ("absent in {'', 'db'}", false),
        ("app not in {'db', 'web'}", true),
        ("app not in {'db', 'web-front'}", false),
        ("app not in {}", true),
        ("absent not in {'', 'db'}", true),
        ("!absent == 'x'", true),
        ("!(absent != 'x')", false),
        ("has(app) && has(empty)", true),
        ("has(app) && has(absent)", false),
        ("has(absent) || has(app)", true),
        ("has(absent) || !has(app)", false),
        ("has(app) || has(app) && has(absent)", true),
        ("(has(app) || has(app)) && has(absent)", false),
    ];
    for (text, wanted) in cases {
        assert_eq!(read(text).matches(&web), wanted, "{text}");
    }
}

#[test]
fn global_is_the_absence_of_a_namespace() {
    let global = read("global()");
    assert!(global.matches(&labels(&[])));
    assert!(global.matches(&labels(&[("app", "web")])));
    assert!(!global.matches(&labels(&[(NAMESPACE_LABEL, "default")])));
    assert!(!global.matches(&labels(&[(NAMESPACE_LABEL, "")])));
}

/// Trees as the parser makes them, up to seven operators deep.
pub(crate) fn any_expression() -> impl Strategy<Value = Expression> {
    any_comparison().prop_recursive(7, 48, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Expression::negation),
            vec(inner.clone(), 1..4).prop_map(Expression::conjunction),
            vec(inner, 1..4).prop_map(Expression::disjunction),
        ]
    })
}

/// Words of the language are labels too.
const WORDS: [&str; 11] =
    ["all", "global", "has", "in", "not", "starts", "with", "contains", "notin", "-", NAMESPACE_LABEL];

fn any_comparison() -> impl Strategy<Value = Expression> {
    let key =
        || prop_oneof!["[A-Za-z0-9_./-]{1,12}", proptest::sample::select(&WORDS[..]).prop_map(str::to_owned)];
    // Whatever there is, but not both kinds of quotes.
    let value = || prop_oneof!["[^']{0,8}", "[^\"]{0,8}", "[a-c ]{0,3}"];
    prop_oneof![
        Just(Expression::All),
        Just(Expression::Global),
        key().prop_map(Expression::Has),
        (key(), value()).prop_map(|(key, value)| Expression::Equal { key, value }),
        (key(), value()).prop_map(|(key, value)| Expression::NotEqual { key, value }),
        (key(), value()).prop_map(|(key, value)| Expression::Contains { key, value }),
        (key(), value()).prop_map(|(key, value)| Expression::StartsWith { key, value }),
        (key(), value()).prop_map(|(key, value)| Expression::EndsWith { key, value }),
        (key(), btree_set(value(), 0..4)).prop_map(|(key, values)| Expression::In { key, values }),
        (key(), btree_set(value(), 0..4)).prop_map(|(key, values)| Expression::NotIn { key, values }),
    ]
}
