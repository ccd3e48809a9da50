//! Settings from the environment and from flags, laid over the file.
//!
//! Each is named once, in [`SETTINGS`]: the variable, the flag and the key that it overrules. A `FABRIC_` variable that
//! is none of them is a mistake that would otherwise go unseen, so it is refused with the nearest right name.

use std::collections::BTreeMap;

use datastore::document::Document;
use datastore::spelling::correction;
use serde_json::Value;

use super::Invalid;

/// A setting that can be overruled.
struct Setting {
    variable: &'static str,
    path: &'static [&'static str],
    kind: ValueKind,
}

/// How the text of a variable becomes a value.
#[derive(Clone, Copy)]
enum ValueKind {
    Text,
    Number,
    /// Comma-separated.
    List,
    /// Comma-separated, each `key=value`.
    Map,
}

const SETTINGS: [Setting; 10] = [
    Setting { variable: "FABRIC_NODE_NAME", path: &["node", "name"], kind: ValueKind::Text },
    Setting { variable: "FABRIC_NODE_ADDRESSES", path: &["node", "addresses"], kind: ValueKind::List },
    Setting { variable: "FABRIC_NODE_LABELS", path: &["node", "labels"], kind: ValueKind::Map },
    Setting {
        variable: "FABRIC_DATASTORE_PATH",
        path: &["datastore", "sqlite", "path"],
        kind: ValueKind::Text,
    },
    Setting {
        variable: "FABRIC_ETCD_ENDPOINTS",
        path: &["datastore", "etcd", "endpoints"],
        kind: ValueKind::List,
    },
    Setting { variable: "FABRIC_SOCKET", path: &["api", "socket"], kind: ValueKind::Text },
    Setting { variable: "FABRIC_LOCAL_AS", path: &["bgp", "localAS"], kind: ValueKind::Number },
    Setting { variable: "FABRIC_ROUTER_ID", path: &["bgp", "routerID"], kind: ValueKind::Text },
    Setting { variable: "FABRIC_LOG_FORMAT", path: &["log", "format"], kind: ValueKind::Text },
    Setting { variable: "FABRIC_LOG_LEVEL", path: &["log", "level"], kind: ValueKind::Text },
];

/// Variables that are ours but not settings of the agent's file.
const OTHERS: [&str; 1] = ["FABRIC_CONFIG"];

/// Values for settings, by variable name.
#[derive(Debug, Clone, Default)]
pub struct Overrides(BTreeMap<String, Given>);

/// A value, and where it was given, as problems name it.
#[derive(Debug, Clone)]
struct Given {
    text: String,
    origin: String,
}

impl Overrides {
    /// Takes the `FABRIC_` variables out of an environment.
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with("FABRIC_"));
        Self(
            ours.map(|(name, text)| (name.clone(), Given { text, origin: format!("environment: {name}") }))
                .collect(),
        )
    }

    /// Overrules a setting, named by its variable, by what the flag of the same name gave: a flag wins over the
    /// environment.
    pub fn set(&mut self, variable: &'static str, value: Option<String>) {
        if let Some(text) = value {
            let flag = variable.trim_start_matches("FABRIC_").to_ascii_lowercase().replace('_', "-");
            self.0.insert(variable.to_owned(), Given { text, origin: format!("--{flag}") });
        }
    }

    /// Writes the values into the document.
    pub(super) fn lay_over(&self, document: &mut Document) -> Result<(), Invalid> {
        let mut problems = Vec::new();
        for (variable, Given { text, origin }) in &self.0 {
            if OTHERS.contains(&variable.as_str()) {
                continue;
            }
            match SETTINGS.iter().find(|setting| setting.variable == variable) {
                Some(setting) => match setting.kind.value(text) {
                    Ok(value) => document.overrule(setting.path, origin, &value),
                    Err(why) => problems.push(format!("{origin}: {why}")),
                },
                None => problems.push(unknown(variable)),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Invalid(problems)) }
    }
}

impl ValueKind {
    fn value(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text => Ok(Value::from(text)),
            Self::Number => text
                .parse::<u32>()
                .map(Value::from)
                .map_err(|_| format!("is the text \"{text}\"; write a whole number from 1 to 4294967295")),
            Self::List => Ok(items(text).map(Value::from).collect()),
            Self::Map => items(text)
                .map(|item| match item.split_once('=') {
                    Some((key, value)) => Ok((key.trim().to_owned(), Value::from(value.trim()))),
                    None => Err(format!("\"{item}\" has no '='; write key=value, and ',' between several")),
                })
                .collect::<Result<serde_json::Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}

/// What stands between commas.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn unknown(variable: &str) -> String {
    let right = correction(variable, &SETTINGS.map(|setting| setting.variable), "known are");
    format!("environment: {variable}: is unknown; {right}")
}
