//! The network configuration on standard input.
//!
//! Every field of the specification and of the CNI conventions is either used, or refused with code 2: a field
//! that is read and then has no effect would be a promise that nobody keeps. Only `args` and `capabilities` may
//! hold what this plugin does not know, as the specification demands.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::environment::is_identifier;
use crate::error::{Code, Error};
use crate::spec::SpecVersion;

#[cfg(test)]
mod tests;

/// Below 1280 bytes a link cannot carry IPv6 (RFC 8200 §5).
const MTU_MIN: u32 = 1280;
/// The kernel's `ETH_MAX_MTU`.
const MTU_MAX: u32 = 65_535;

/// Fields of the configuration that this plugin takes.
const KNOWN_FIELDS: [&str; 11] = [
    "cniVersion",
    "name",
    "type",
    "capabilities",
    "args",
    "dns",
    "ipMasq",
    "runtimeConfig",
    "prevResult",
    "socket",
    "mtu",
];
/// Keys under this prefix are the runtime's own, such as the attachments that `GC` is told of.
const RUNTIME_PREFIX: &str = "cni.dev/";

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The network's name.
    pub name: String,
    /// The agent's socket.
    pub socket: PathBuf,
    /// Wanted MTU; 0 for the uplink's.
    pub mtu: u32,
    /// Labels for a container that is no pod.
    pub labels: BTreeMap<String, String>,
    /// Requested addresses, at most one per family.
    pub requested_addresses: Vec<IpAddr>,
    /// Passed through to the result.
    pub dns: Map<String, Value>,
    /// Result of the plugins before this one in the chain.
    pub prev_result: Option<Map<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    name: String,
    socket: Option<PathBuf>,
    mtu: u32,
    ip_masq: bool,
    args: Option<Args>,
    runtime_config: Option<RuntimeConfig>,
    dns: Option<Map<String, Value>>,
    prev_result: Option<Map<String, Value>>,
}

/// `args`: anybody's; only `cni` is of the conventions.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Args {
    cni: Option<CniArgs>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CniArgs {
    labels: Vec<Label>,
    ips: Vec<String>,
}

#[derive(Deserialize)]
struct Label {
    key: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuntimeConfig {
    ips: Vec<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Decodes the JSON.
///
/// # Errors
/// [`Code::Decode`] if it is no JSON object.
pub fn decode_document(text: &[u8]) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(text).map_err(|error| {
        Error::new(Code::Decode, "the configuration on stdin is not a JSON object")
            .with_details(error.to_string())
    })
}

/// Decodes `cniVersion`.
///
/// # Errors
/// [`Code::IncompatibleVersion`] if it is missing or not spoken here, [`Code::Decode`] if it is not a string.
pub fn decode_version(document: &Map<String, Value>) -> Result<SpecVersion, Error> {
    let name = match document.get("cniVersion") {
        None => "",
        Some(Value::String(name)) => name,
        Some(other) => {
            return Err(Error::new(
                Code::Decode,
                format!("cniVersion: {other} is not a string such as \"1.1.0\""),
            ));
        }
    };
    SpecVersion::decode(name).ok_or_else(|| {
        let message = if name.is_empty() {
            "the configuration has no cniVersion".to_owned()
        } else {
            format!("cniVersion {name:?} is not supported")
        };
        Error::new(Code::IncompatibleVersion, message)
            .with_details(format!("supported are {}", SpecVersion::names().join(", ")))
    })
}

/// The version in which to answer `VERSION`: the caller's if it is one of ours, else the latest. The question is
/// what we speak, so not to speak the caller's is no error.
///
/// # Errors
/// [`Code::Decode`] if something other than a JSON object was sent.
pub fn decode_version_for_reply(text: &[u8]) -> Result<SpecVersion, Error> {
    if text.trim_ascii().is_empty() {
        return Ok(SpecVersion::LATEST);
    }
    let document = decode_document(text)?;
    Ok(decode_version(&document).unwrap_or(SpecVersion::LATEST))
}

impl Config {
    /// Decodes and checks a configuration whose version is known.
    ///
    /// # Errors
    /// [`Code::UnsupportedField`], [`Code::Decode`] or [`Code::InvalidConfig`], each naming the field.
    pub fn decode(document: Map<String, Value>) -> Result<Self, Error> {
        refuse_unknown_fields(&document)?;
        let document: Document = serde_path_to_error::deserialize(Value::Object(document))
            .map_err(|error| Error::new(Code::Decode, format!("{}: {}", error.path(), error.inner())))?;
        let Document { name, socket, mtu, ip_masq, args, runtime_config, dns, prev_result } = document;
        check_name(&name)?;
        if mtu != 0 && !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(invalid(format!(
                "mtu: {mtu} is not within {MTU_MIN} and {MTU_MAX} (0: the uplink's)"
            )));
        }
        if ip_masq {
            return Err(unsupported("ipMasq", &Value::Bool(true), "pods keep their address: remove it"));
        }
        let runtime = runtime_config.unwrap_or_default();
        if let Some((key, value)) = runtime.others.iter().find(|(_, value)| !is_empty(value)) {
            return Err(unsupported(
                &format!("runtimeConfig.{key}"),
                value,
                "the only capability is ips: declare this one on the plugin of the chain that has it",
            ));
        }
        let args = args.and_then(|args| args.cni).unwrap_or_default();
        let requested_addresses = match runtime.ips.is_empty() {
            // The runtime's word is about this container, that of the arguments about the network.
            false => decode_addresses("runtimeConfig.ips", &runtime.ips)?,
            true => decode_addresses("args.cni.ips", &args.ips)?,
        };
        Ok(Self {
            name,
            socket: socket.unwrap_or_else(|| PathBuf::from(proto::DEFAULT_SOCKET)),
            mtu,
            labels: decode_labels(args.labels)?,
            requested_addresses,
            dns: dns.unwrap_or_default(),
            prev_result,
        })
    }
}

fn refuse_unknown_fields(document: &Map<String, Value>) -> Result<(), Error> {
    let known = |key: &str| KNOWN_FIELDS.contains(&key) || key.starts_with(RUNTIME_PREFIX);
    match document.iter().find(|(key, value)| !known(key) && !is_empty(value)) {
        None => Ok(()),
        Some((key, value)) if key == "ipam" => {
            Err(unsupported(key, value, "the agent assigns addresses from its pools: remove it"))
        }
        Some((key, value)) => {
            Err(unsupported(key, value, &format!("the known fields are {}", KNOWN_FIELDS.join(", "))))
        }
    }
}

/// Runtimes write out fields that nobody set.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(invalid("name: missing; every network has a name".to_owned()));
    }
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !name.chars().all(is_identifier) {
        return Err(invalid(format!(
            "name: {name:?} must start with a letter or digit and hold only letters, digits, '_', '.', '-'"
        )));
    }
    Ok(())
}

fn decode_labels(list: Vec<Label>) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for (index, Label { key, value }) in list.into_iter().enumerate() {
        if key.is_empty() {
            return Err(invalid(format!("args.cni.labels[{index}].key: empty")));
        }
        if labels.contains_key(&key) {
            return Err(invalid(format!("args.cni.labels[{index}].key: {key:?} is there twice")));
        }
        labels.insert(key, value);
    }
    Ok(labels)
}

/// Decodes addresses with or without prefix length. The length has no meaning here, where every pod has a /32 or
/// /128, but the conventions let runtimes write one.
fn decode_addresses(field: &str, list: &[String]) -> Result<Vec<IpAddr>, Error> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let address = decode_address(text).ok_or_else(|| {
            invalid(format!("{field}[{index}]: {text:?} is not an IP address such as \"10.0.0.1\""))
        })?;
        if addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
            return Err(invalid(format!(
                "{field}[{index}]: {text}: only one address per family can be requested"
            )));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn decode_address(text: &str) -> Option<IpAddr> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (length.unwrap_or(longest) <= longest).then_some(address)
}

fn unsupported(key: &str, value: &Value, advice: &str) -> Error {
    Error::new(Code::UnsupportedField, format!("unsupported field {key}: {value}")).with_details(advice)
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidConfig, message)
}
