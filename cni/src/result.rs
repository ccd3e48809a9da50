//! What success looks like on standard output, per version of the specification.
//!
//! The host's end of the link comes first in `interfaces`, then the container's; `ips[].interface` points at the
//! latter. Behind another plugin of a chain, ours is appended to what that plugin left, and indices are shifted.

use std::net::IpAddr;

use proto::v1::{CniAddResponse, CniAddress, CniRoute, NodeStatus};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::environment::Attachment;
use crate::error::{Code, Error};
use crate::spec::SpecVersion;

#[cfg(test)]
mod tests;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    cni_version: &'static str,
    supported_versions: [&'static str; 5],
}

#[derive(Serialize)]
struct Interface<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'a str,
    // Since 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<&'a str>,
}

#[derive(Serialize)]
struct Ip<'a> {
    // Until 0.4.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    interface: usize,
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    gateway: &'a str,
}

#[derive(Serialize)]
struct Route<'a> {
    dst: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    gw: &'a str,
}

/// A result, ours or that of the plugins before.
struct Outcome {
    interfaces: Vec<Value>,
    ips: Vec<Value>,
    routes: Vec<Value>,
    /// `dns`, and whatever else the plugins before us wrote.
    others: Map<String, Value>,
}

/// The answer to `VERSION`.
pub fn encode_versions(version: SpecVersion) -> String {
    encode_json(&Versions { cni_version: version.name(), supported_versions: SpecVersion::names() })
}

/// The answer to a successful `ADD`.
///
/// # Errors
/// [`Code::InvalidConfig`] if `prevResult` is no result, [`Code::VersionSkew`] if the agent's answer is not
/// understood.
pub fn encode_add(
    version: SpecVersion,
    attachment: &Attachment,
    config: Config,
    response: CniAddResponse,
) -> Result<String, Error> {
    let mut outcome = Outcome::decode(config.prev_result)?;
    outcome.append(version, attachment, &response)?;
    // The network's own `dns` goes before that of the plugins before us; without either it is empty, not absent.
    if !config.dns.is_empty() || !outcome.others.contains_key("dns") {
        outcome.others.insert("dns".to_owned(), Value::Object(config.dns));
    }
    Ok(outcome.encode(version))
}

/// The answer to `STATUS`: nothing if the agent is ready.
///
/// # Errors
/// [`Code::NotAvailable`] with the agent's problems.
pub fn judge_status(status: &NodeStatus) -> Result<String, Error> {
    if status.ready {
        return Ok(String::new());
    }
    let problems = match status.problems.is_empty() {
        true => "it gives no reason; it may be starting".to_owned(),
        false => status.problems.join("; "),
    };
    Err(Error::new(Code::NotAvailable, "the agent is not ready").with_details(problems))
}

impl Outcome {
    fn decode(prev_result: Option<Map<String, Value>>) -> Result<Self, Error> {
        let mut others = prev_result.unwrap_or_default();
        Ok(Self {
            interfaces: take_list(&mut others, "interfaces")?,
            ips: take_list(&mut others, "ips")?,
            routes: take_list(&mut others, "routes")?,
            others,
        })
    }

    fn append(
        &mut self,
        version: SpecVersion,
        attachment: &Attachment,
        response: &CniAddResponse,
    ) -> Result<(), Error> {
        let CniAddResponse { host_interface, host_mac, container_mac, mtu, addresses, routes } = response;
        if addresses.is_empty() {
            return Err(not_understood("it assigned no address"));
        }
        let mtu = (version >= SpecVersion::V1_1_0 && *mtu != 0).then_some(*mtu);
        let host = Interface { name: host_interface, mac: host_mac, mtu, sandbox: None };
        let container = Interface {
            name: &attachment.interface,
            mac: container_mac,
            mtu,
            sandbox: Some(&attachment.netns),
        };
        self.interfaces.push(encode_value(&host));
        self.interfaces.push(encode_value(&container));
        let interface = self.interfaces.len() - 1;
        for CniAddress { address, gateway } in addresses {
            let family = decode_family(address)?;
            let version = (version < SpecVersion::V1_0_0).then_some(family);
            self.ips.push(encode_value(&Ip { version, interface, address, gateway }));
        }
        for CniRoute { destination, gateway } in routes {
            decode_family(destination)?;
            self.routes.push(encode_value(&Route { dst: destination, gw: gateway }));
        }
        Ok(())
    }

    fn encode(self, version: SpecVersion) -> String {
        let Self { interfaces, ips, routes, mut others } = self;
        others.insert("cniVersion".to_owned(), version.name().into());
        others.insert("interfaces".to_owned(), interfaces.into());
        others.insert("ips".to_owned(), ips.into());
        others.insert("routes".to_owned(), routes.into());
        encode_json(&others)
    }
}

fn take_list(document: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, Error> {
    match document.remove(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Err(Error::new(Code::InvalidConfig, format!("prevResult.{key}: not a list")))
        }
    }
}

/// "4" or "6" of an address or prefix in CIDR notation.
fn decode_family(text: &str) -> Result<&'static str, Error> {
    let malformed = || not_understood(&format!("{text:?} is not in CIDR notation"));
    let (address, length) = text.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let length: u8 = length.parse().map_err(|_| malformed())?;
    match address {
        IpAddr::V4(_) if length <= 32 => Ok("4"),
        IpAddr::V6(_) if length <= 128 => Ok("6"),
        IpAddr::V4(_) | IpAddr::V6(_) => Err(malformed()),
    }
}

fn not_understood(reason: &str) -> Error {
    Error::new(Code::VersionSkew, "the agent's answer is not understood").with_details(reason)
}

/// Values of these types always encode: their keys are strings and they hold no foreign code.
fn encode_value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Indented, since people read it too, and closed by a newline.
pub(crate) fn encode_json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
