use std::collections::BTreeSet;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::expression::tests::any_expression;

fn read(text: &str) -> Selector {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn only_all_says_that_it_selects_all() {
    for text in ["", "all()", "(all())", "!!all()"] {
        assert!(read(text).selects_all(), "{text}");
        assert_eq!(read(text), Selector::default(), "{text}");
    }
    for text in ["!all()", "global()", "has(a) || !has(a)", "all() && all()"] {
        assert!(!read(text).selects_all(), "{text}");
    }
    assert_eq!(read("has(a)").expression(), &Expression::Has("a".to_owned()));
}

#[test]
fn serialised_as_text() {
    let selector: Selector = serde_json::from_str(r#""a==\"it's\"&&has(b)""#).unwrap();
    assert_eq!(serde_json::to_string(&selector).unwrap(), r#""a == \"it's\" && has(b)""#);
    let error = serde_json::from_str::<Selector>(r#""a = 'x'""#).unwrap_err().to_string();
    let wanted = "a = 'x'".parse::<Selector>().unwrap_err().to_string();
    assert!(error.starts_with(&wanted), "{error}");
}

type Labels = BTreeMap<String, String>;

/// A selector as somebody may write it: it knows how it is spelt and, in the most obvious way, what it means.
#[derive(Debug, Clone)]
enum Written {
    All,
    Global,
    Has(&'static str),
    Value { key: &'static str, operator: Operator, value: String },
    Set { key: &'static str, negated: bool, values: BTreeSet<String> },
    Not(Box<Written>),
    And(Vec<Written>),
    Or(Vec<Written>),
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
}

impl Written {
    fn holds(&self, labels: &Labels) -> bool {
        let mut found = None;
        for (key, value) in labels {
            if Some(key.as_str()) == self.key() {
                found = Some(value.clone());
            }
        }
        match self {
            Self::All => true,
            Self::Global => !labels.keys().any(|key| key == "projectcalico.org/namespace"),
            Self::Has(_) => found.is_some(),
            Self::Value { operator: Operator::NotEqual, value, .. } => found.as_ref() != Some(value),
            Self::Value { operator, value, .. } => match found {
                Some(found) => operator.holds(&found, value),
                None => false,
            },
            Self::Set { negated, values, .. } => {
                let mut is_one = false;
                for value in values {
                    is_one |= found.as_ref() == Some(value);
                }
                is_one != *negated
            }
            Self::Not(operand) => !operand.holds(labels),
            Self::And(operands) => operands.iter().filter(|operand| !operand.holds(labels)).count() == 0,
            Self::Or(operands) => operands.iter().filter(|operand| operand.holds(labels)).count() > 0,
        }
    }

    fn key(&self) -> Option<&'static str> {
        match self {
            Self::Has(key) | Self::Value { key, .. } | Self::Set { key, .. } => Some(key),
            Self::All | Self::Global | Self::Not(_) | Self::And(_) | Self::Or(_) => None,
        }
    }

    /// Its text, each choice of spelling made by the next of `choices`.
    fn spell(&self, choices: &mut impl Iterator<Item = usize>) -> String {
        let mut one_of = |spellings: &[&str]| spellings[choices.next().unwrap() % spellings.len()].to_owned();
        match self {
            Self::All => one_of(&["all()", "all( )", " ( all() ) "]),
            Self::Global => one_of(&["global()", "global\t()"]),
            Self::Has(key) => one_of(&["has(KEY)", "has( KEY )\n"]).replace("KEY", key),
            Self::Value { key, operator, value } => {
                let operator = one_of(operator.spellings());
                let quote = one_of(&["'", "\""]);
                format!("{key}{operator}{quote}{value}{quote}")
            }
            Self::Set { key, negated, values } => {
                let operator =
                    one_of(if *negated { &[" not in ", " notin", " not\nin"] } else { &[" in ", " in"] });
                let mut text = format!("{key}{operator}{{");
                for value in values {
                    text += &one_of(&["'V',", "\"V\",", " 'V' , "]).replace('V', value);
                }
                if one_of(&["trailing", ""]).is_empty() && !values.is_empty() {
                    text.truncate(text.trim_end().len() - 1);
                }
                text + "}"
            }
            Self::Not(operand) => {
                let (before, after) = if operand.is_joined() { ("!(", ")") } else { ("!", "") };
                before.to_owned() + &operand.spell(choices) + after
            }
            Self::And(operands) => spell_all(operands, "&&", true, choices),
            Self::Or(operands) => spell_all(operands, "||", false, choices),
        }
    }

    fn is_joined(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_))
    }
}

fn spell_all(
    operands: &[Written],
    operator: &str,
    brackets: bool,
    choices: &mut impl Iterator<Item = usize>,
) -> String {
    let spelt: Vec<String> = operands
        .iter()
        .map(|operand| {
            let text = operand.spell(choices);
            if operand.is_joined() && brackets { format!("({text})") } else { text }
        })
        .collect();
    spelt.join(operator)
}

impl Operator {
    fn holds(self, found: &str, value: &str) -> bool {
        let (found, value) = (found.as_bytes(), value.as_bytes());
        let at = |start: usize| found.iter().skip(start).take(value.len()).eq(value);
        match self {
            Self::Equal => found == value,
            Self::NotEqual => found != value,
            Self::Contains => (0..=found.len()).any(at),
            Self::StartsWith => at(0),
            Self::EndsWith => found.len() >= value.len() && at(found.len() - value.len()),
        }
    }

    fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Equal => &["==", " == ", "\n=="],
            Self::NotEqual => &["!=", " != "],
            Self::Contains => &[" contains ", " contains"],
            Self::StartsWith => &[" starts with ", " startswith ", " starts\t with"],
            Self::EndsWith => &[" ends with ", " endswith"],
        }
    }
}

const KEYS: [&str; 4] = ["a", "b", "in", NAMESPACE_LABEL];

fn any_value() -> impl Strategy<Value = String> {
    "[xy]{0,3}"
}

fn any_written() -> impl Strategy<Value = Written> {
    use Operator::{Contains, EndsWith, Equal, NotEqual, StartsWith};
    let operator = || select(&[Equal, NotEqual, Contains, StartsWith, EndsWith][..]);
    let value = (select(&KEYS[..]), operator(), any_value());
    let set = (select(&KEYS[..]), any::<bool>(), btree_set(any_value(), 0..4));
    let leaf = prop_oneof![
        1 => Just(Written::All),
        1 => Just(Written::Global),
        2 => select(&KEYS[..]).prop_map(Written::Has),
        6 => value.prop_map(|(key, operator, value)| Written::Value { key, operator, value }),
        3 => set.prop_map(|(key, negated, values)| Written::Set { key, negated, values }),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| Written::Not(Box::new(operand))),
            vec(inner.clone(), 1..4).prop_map(Written::And),
            vec(inner, 1..4).prop_map(Written::Or),
        ]
    })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    btree_map(select(&KEYS[..]).prop_map(str::to_owned), any_value(), 0..=KEYS.len())
}

/// Texts that get further than noise does.
fn almost_selectors() -> impl Strategy<Value = String> {
    let pieces = [
        "a", "all", "has", "in", "not", "with", "starts", "contains", "(", ")", "()", "{", "}", ",", "!",
        "=", "==", "!=", "&&", "&", "||", "'x'", "\"", "'", " ", "ö", "has(a)", "b == 'x'",
    ];
    vec(select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

/// Reading does not panic, and what is read is written so that it reads back.
fn read_and_back(text: &str) {
    if let Ok(selector) = text.parse::<Selector>() {
        assert_eq!(read(&selector.to_string()), selector, "{text}");
        selector.matches(&Labels::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_reads_back(expression in any_expression()) {
        let selector = Selector { expression };
        prop_assert_eq!(read(&selector.to_string()), selector.clone());
        let json = serde_json::to_string(&selector).unwrap();
        prop_assert_eq!(serde_json::from_str::<Selector>(&json).unwrap(), selector);
    }

    #[test]
    fn matches_as_the_obvious_does(
        written in any_written(),
        choices in vec(any::<usize>(), 1..32),
        labels in vec(any_labels(), 8),
    ) {
        let text = written.spell(&mut choices.iter().copied().cycle());
        let selector = read(&text);
        let canonical = selector.to_string();
        let is_counted = |c: &char| !c.is_whitespace();
        prop_assert!(canonical.chars().filter(is_counted).count() <= text.chars().filter(is_counted).count());
        prop_assert_eq!(read(&canonical), selector.clone());
        for labels in labels {
            prop_assert_eq!(selector.matches(&labels), written.holds(&labels), "{} of {:?}", text, labels);
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_and_back(&text);
    }

    #[test]
    fn no_almost_selector_panics(text in almost_selectors()) {
        read_and_back(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..64)) {
        read_and_back(&String::from_utf8_lossy(&bytes));
        let _ = serde_json::from_slice::<Selector>(&bytes);
    }
}
