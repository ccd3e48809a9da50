//! What a scalar means: the core schema of YAML 1.2.2 (§10.3.2), in which `yes` and `012` are no traps.

use saphyr_parser::{ScalarStyle, Tag};

use super::node::Value;

/// The value of a scalar; `None` if it is not what its tag says. Tags that are not the schema's own mean nothing.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<Value> {
    if style != ScalarStyle::Plain {
        return Some(Value::String(text.to_owned()));
    }
    let Some(tag) = tag.filter(|tag| tag.is_yaml_core_schema()) else {
        return Some(plain(text));
    };
    let value = if tag.suffix == "str" { Value::String(text.to_owned()) } else { plain(text) };
    match (tag.suffix.as_ref(), value) {
        ("float", Value::Integer(number)) => text.parse().ok().or(Some(number as f64)).map(Value::Float),
        ("str", value @ Value::String(_))
        | ("null", value @ Value::Null)
        | ("bool", value @ Value::Boolean(_))
        | ("int", value @ Value::Integer(_))
        | ("float", value @ Value::Float(_)) => Some(value),
        _ => None,
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Boolean(true),
        "false" | "False" | "FALSE" => return Value::Boolean(false),
        _ => {}
    }
    match (integer(text), float(text)) {
        (Some(number), _) => Value::Integer(number),
        (None, Some(number)) => Value::Float(number),
        (None, None) => Value::String(text.to_owned()),
    }
}

fn integer(text: &str) -> Option<i64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (text.get(2..)?, 16),
        [b'0', b'o', ..] => (text.get(2..)?, 8),
        _ => return text.parse().ok(),
    };
    // The parser would take a sign here.
    if digits.starts_with(['+', '-']) { None } else { i64::from_str_radix(digits, radix).ok() }
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        // The parser would take "infinity", too.
        _ if text.contains(|character: char| character.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}
