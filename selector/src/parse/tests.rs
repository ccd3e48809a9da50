use super::*;
use crate::MAX_BYTES;

fn read(text: &str) -> Expression {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_form_is_read_and_written() {
    let cases = [
        ("", "all()"),
        (" \t\r\n", "all()"),
        ("all()", "all()"),
        ("all ( )", "all()"),
        ("global()", "global()"),
        ("has(app)", "has(app)"),
        ("has( example.com/a_b-c )", "has(example.com/a_b-c)"),
        ("a=='x'", "a == 'x'"),
        ("a == \"x\"", "a == 'x'"),
        ("a == ''", "a == ''"),
        ("a == ' x  y '", "a == ' x  y '"),
        ("a == \"it's\"", "a == \"it's\""),
        ("a == 'say \"x\"'", "a == 'say \"x\"'"),
        (r"a == '\'", r"a == '\'"),
        ("a == '&& || ) größe'", "a == '&& || ) größe'"),
        ("a!='x'", "a != 'x'"),
        ("a contains 'x'", "a contains 'x'"),
        ("a contains'x'", "a contains 'x'"),
        ("a starts with 'x'", "a starts with 'x'"),
        ("a starts \n with 'x'", "a starts with 'x'"),
        ("a startswith 'x'", "a starts with 'x'"),
        ("a ends with 'x'", "a ends with 'x'"),
        ("a endswith'x'", "a ends with 'x'"),
        ("a in {'x'}", "a in {'x'}"),
        ("a in{'y',\"x\",'y',}", "a in {'x', 'y'}"),
        ("a in {}", "a in {}"),
        ("a not in {'x', \"it's\"}", "a not in {\"it's\", 'x'}"),
        ("a notin {'x'}", "a not in {'x'}"),
        ("!has(a)", "!has(a)"),
        ("! ! has(a)", "has(a)"),
        ("!!!has(a)", "!has(a)"),
        ("!(!has(a))", "has(a)"),
        ("!(a == 'x')", "!a == 'x'"),
        ("!(has(a) && has(b))", "!(has(a) && has(b))"),
        ("((has(a)))", "has(a)"),
        ("has(a)&&has(b)&&has(c)", "has(a) && has(b) && has(c)"),
        ("has(a) && (has(b) && has(c))", "has(a) && has(b) && has(c)"),
        ("(has(a) || has(b)) || has(c)", "has(a) || has(b) || has(c)"),
        ("has(a) && (has(b) || has(c))", "has(a) && (has(b) || has(c))"),
        ("(has(a) && has(b)) || has(c)", "has(a) && has(b) || has(c)"),
        ("has(b) || has(a)", "has(b) || has(a)"),
        ("all == 'x'", "all == 'x'"),
        ("has(has) && in in {'in'}", "has(has) && in in {'in'}"),
        ("not not in {'x'}", "not not in {'x'}"),
        ("starts starts with 'x'", "starts starts with 'x'"),
        ("contains contains 'contains'", "contains contains 'contains'"),
    ];
    for (text, canonical) in cases {
        let expression = read(text);
        assert_eq!(expression.to_string(), canonical, "{text}");
        assert_eq!(read(canonical), expression, "{text}");
    }
}

#[test]
fn not_takes_the_comparison_and_binds_tightest() {
    let has = |key: &str| Expression::Has(key.to_owned());
    let not = |operand| Expression::Not(Box::new(operand));
    let equal = Expression::Equal { key: "a".to_owned(), value: "x".to_owned() };
    assert_eq!(read("!a == 'x'"), not(equal));
    assert_eq!(
        read("!has(a) && has(b) || has(c)"),
        Expression::Or(vec![Expression::And(vec![not(has("a")), has("b")]), has("c")])
    );
}

const OPERATORS: &str = "expected `==`, `!=`, `contains`, `starts with`, `ends with`, `in` or `not in`";
const CONDITIONS: &str = "expected a label, `has(…)`, `all()`, `global()`, `!` or `(`";

fn assert_errors<const N: usize>(cases: [(&str, String); N]) {
    for (text, wanted) in cases {
        assert_eq!(parse(text).unwrap_err().to_string(), format!("character {wanted}"), "{text}");
    }
}

#[test]
fn errors_at_an_operator_say_where_what_and_what_instead() {
    assert_errors([
        ("app", format!("4: found the end, {OPERATORS}; that the label exists is written `has(app)`")),
        (
            "!app && has(b)",
            format!("6: found `&&`, {OPERATORS}; that the label exists is written `has(app)`"),
        ),
        ("all", format!("4: found the end, {OPERATORS}; did you mean `all()`?")),
        ("(global)", format!("8: found `)`, {OPERATORS}; did you mean `global()`?")),
        ("All()", format!("4: found `(`, {OPERATORS}; did you mean `all()`?")),
        ("exist(app)", format!("6: found `(`, {OPERATORS}; did you mean `has(…)`?")),
        ("hostname(app)", format!("9: found `(`, {OPERATORS}")),
        ("app = 'web'", format!("5: found `=`, {OPERATORS}; did you mean `==`?")),
        ("app is 'web'", format!("5: found `is`, {OPERATORS}; did you mean `==`?")),
        ("app conatins 'web'", format!("5: found `conatins`, {OPERATORS}; did you mean `contains`?")),
        ("app StartsWith 'web'", format!("5: found `StartsWith`, {OPERATORS}; did you mean `starts with`?")),
        ("app NOT IN {'web'}", format!("5: found `NOT`, {OPERATORS}; did you mean `not in`?")),
        ("app like 'web'", format!("5: found `like`, {OPERATORS}")),
        ("app ~ 'web'", format!("5: found `~`, {OPERATORS}")),
        (
            "größe == 'x'",
            format!("3: found `ö`, {OPERATORS}; a label consists of letters, digits, `_`, `.`, `/` and `-`"),
        ),
        (
            "a:b == 'x'",
            format!("2: found `:`, {OPERATORS}; a label consists of letters, digits, `_`, `.`, `/` and `-`"),
        ),
        ("a starts 'x'", "10: found `'x'`, expected `with`".to_owned()),
        ("a ends", "7: found the end, expected `with`".to_owned()),
        ("a not {'x'}", "7: found `{`, expected `in`".to_owned()),
    ]);
}

#[test]
fn errors_at_a_value_say_where_what_and_what_instead() {
    assert_errors([
        ("app == web", "8: found `web`, expected a value in quotes; did you mean `'web'`?".to_owned()),
        ("app ==", "7: found the end, expected a value in quotes".to_owned()),
        ("app === 'x'", "7: found `=`, expected a value in quotes".to_owned()),
        ("app == 'web", "8: the value that begins here lacks its closing '".to_owned()),
        (
            "'ö' in {\"x'}",
            "1: found `'ö'`, expected a label, `has(…)`, `all()`, `global()`, `!` or `(`".to_owned(),
        ),
        ("a == 'ö' || b in {\"x'}", "19: the value that begins here lacks its closing \"".to_owned()),
        ("app in ('x')", "8: found `(`, expected `{`".to_owned()),
        ("app in {x}", "9: found `x`, expected a value in quotes or `}`; did you mean `'x'`?".to_owned()),
        ("app in {,}", "9: found `,`, expected a value in quotes or `}`".to_owned()),
        ("app in {'x',,}", "13: found `,`, expected a value in quotes or `}`".to_owned()),
        ("app in {'x' 'y'}", "13: found `'y'`, expected `,` or `}`".to_owned()),
        ("app in {'x'", "12: found the end, expected `,` or `}`".to_owned()),
        ("app in {", "9: found the end, expected a value in quotes or `}`".to_owned()),
    ]);
}

#[test]
fn errors_around_a_condition_say_where_what_and_what_instead() {
    assert_errors([
        // Instead of it.
        ("'app' == 'web'", format!("1: found `'app'`, {CONDITIONS}; did you mean `app`, without quotes?")),
        ("has(a) && && has(b)", format!("11: found `&&`, {CONDITIONS}")),
        ("has(a) ||", format!("10: found the end, {CONDITIONS}")),
        ("!", format!("2: found the end, {CONDITIONS}")),
        ("()", format!("2: found `)`, {CONDITIONS}")),
        ("\u{7}", format!("1: found `\\u{{7}}`, {CONDITIONS}")),
        // Within a function.
        ("has()", "5: found `)`, expected a label".to_owned()),
        ("has('app')", "5: found `'app'`, expected a label; did you mean `app`, without quotes?".to_owned()),
        ("has(app", "8: found the end, expected `)`".to_owned()),
        ("has(a, b)", "6: found `,`, expected `)`".to_owned()),
        ("all(app)", "5: found `app`, expected `)`".to_owned()),
        // After it.
        ("has(a) & has(b)", "8: found `&`, expected `&&`, `||` or the end; did you mean `&&`?".to_owned()),
        (
            "has(a) AND has(b)",
            "8: found `AND`, expected `&&`, `||` or the end; did you mean `&&`?".to_owned(),
        ),
        ("has(a), has(b)", "7: found `,`, expected `&&`, `||` or the end; did you mean `&&`?".to_owned()),
        ("(has(a) | has(b))", "9: found `|`, expected `&&`, `||` or `)`; did you mean `||`?".to_owned()),
        ("has(a))", "7: found `)`, expected `&&`, `||` or the end".to_owned()),
        ("(has(a)", "8: found the end, expected `&&`, `||` or `)`".to_owned()),
        ("a == 'x' 'y'", "10: found `'y'`, expected `&&`, `||` or the end".to_owned()),
        ("a == 'it\\'s'", "11: found `s`, expected `&&`, `||` or the end".to_owned()),
    ]);
}

#[test]
fn what_an_error_shows_is_short() {
    let long = "x".repeat(1000);
    let shown = format!("{}…", "x".repeat(40));
    let error = parse(&format!("a == {long}")).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("character 6: found `{shown}`, expected a value in quotes; did you mean `'…'`?")
    );
    let error = parse(&format!("has(a) '{long}'")).unwrap_err().to_string();
    let shown = format!("'{}…", "x".repeat(39));
    assert_eq!(error, format!("character 8: found `{shown}`, expected `&&`, `||` or the end"));
}

#[test]
fn a_label_has_at_most_512_characters() {
    read(&format!("has({})", "x".repeat(MAX_LABEL)));
    let error = parse(&format!("has({})", "x".repeat(MAX_LABEL + 1))).unwrap_err();
    assert_eq!(error.to_string(), "character 5: the label has 513 characters, at most 512 are allowed");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}has(a){}", "(".repeat(depth), ")".repeat(depth));
    read(&nested(MAX_DEPTH));
    let error = parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.to_string(), "character 65: brackets nest deeper than the 64 that are allowed");
    parse(&"(".repeat(100_000)).unwrap_err();
    assert_eq!(read(&format!("{}has(a)", "!".repeat(100_001))).to_string(), "!has(a)");
}

#[test]
fn the_deepest_tree_is_written_and_read() {
    let depth = MAX_DEPTH;
    let text = format!("{}has(a){}", "!(has(b) || has(c) && ".repeat(depth), ")".repeat(depth));
    let expression = read(&text);
    assert_eq!(expression.to_string(), text);
    assert_eq!(read(&expression.to_string()), expression);
    assert!(expression.matches(&Default::default()));
}

#[test]
fn length_is_bounded_and_space_is_free() {
    let close = |length: usize| format!("a==\"{}\"", "x".repeat(length - 5));
    let expression = read(&close(MAX_BYTES));
    let written = expression.to_string();
    assert!(written.len() > MAX_BYTES);
    assert_eq!(read(&written), expression);
    let error = parse(&format!("{}||has(b)", close(MAX_BYTES - 4))).unwrap_err();
    let wanted =
        "character 262143: the selector passes the 262144 bytes that are allowed, spaces not counted";
    assert_eq!(error.to_string(), wanted);
}
