//! What the runtime says by environment variables: the command, and which interface of which container.
//!
//! `CNI_PATH` is not read: this plugin delegates to no other. Everything here is pure but for [`check_netns`],
//! which looks at the file system.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;

use crate::error::{Code, Error};
use crate::spec::Command;

#[cfg(test)]
mod tests;

/// Longest container id taken. Runtimes use 64 hexadecimal digits.
const CONTAINER_ID_BYTES_MAX: usize = 256;
/// `IFNAMSIZ` of `linux/if.h` less the closing NUL.
const INTERFACE_BYTES_MAX: usize = 15;
/// The variable that holds key and value pairs.
const ARGS: &str = "CNI_ARGS";

/// Which interface of which container, and which pod it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`; empty only for `DEL`.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// The pod, unless the container is none.
    pub pod: Option<Pod>,
}

/// The pod, from `CNI_ARGS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `K8S_POD_NAMESPACE`.
    pub namespace: String,
    /// `K8S_POD_NAME`.
    pub name: String,
    /// `K8S_POD_UID`; older kubelets leave it out.
    pub uid: String,
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Decodes `CNI_COMMAND`.
///
/// # Errors
/// [`Code::InvalidEnvironment`] if it is missing or no command.
pub fn decode_command(variable: Variable<'_>) -> Result<Command, Error> {
    let name = read_required(variable, "CNI_COMMAND").map_err(|error| {
        error.with_details("this is a CNI plugin: a container runtime starts it, not a person")
    })?;
    Command::decode(&name).ok_or_else(|| {
        let known = Command::ALL.map(Command::name).join(", ");
        invalid(format!("CNI_COMMAND={name:?} is no command; the commands are {known}"))
    })
}

/// Decodes the variables of `ADD`.
///
/// # Errors
/// [`Code::InvalidEnvironment`], naming the variable.
pub fn decode_add(variable: Variable<'_>) -> Result<Attachment, Error> {
    let attachment = decode_del(variable)?;
    if attachment.netns.is_empty() {
        return Err(missing("CNI_NETNS"));
    }
    Ok(attachment)
}

/// Decodes the variables of `DEL`, of which the network namespace may be missing: it may be gone.
///
/// # Errors
/// [`Code::InvalidEnvironment`], naming the variable.
pub fn decode_del(variable: Variable<'_>) -> Result<Attachment, Error> {
    let container_id = read_required(variable, "CNI_CONTAINERID")?;
    check_container_id(&container_id)?;
    let interface = read_required(variable, "CNI_IFNAME")?;
    check_interface(&interface)?;
    let netns = read_optional(variable, "CNI_NETNS")?;
    let pod = decode_args(&read_optional(variable, ARGS)?)?;
    Ok(Attachment { container_id, netns, interface, pod })
}

/// Checks that the namespace of an `ADD` exists and is not the one that the plugin runs in, which is the host's:
/// wiring that one as if it were a container would cut the host off.
///
/// # Errors
/// [`Code::UnknownContainer`] if it does not exist, [`Code::Io`] if it cannot be looked at,
/// [`Code::InvalidEnvironment`] if it is the plugin's own.
pub fn check_netns(netns: &str) -> Result<(), Error> {
    let theirs = std::fs::metadata(netns).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Error::new(Code::UnknownContainer, format!("CNI_NETNS={netns:?}: no such network namespace"))
        } else {
            Error::new(Code::Io, format!("CNI_NETNS={netns:?}: {error}"))
        }
    })?;
    let own = std::fs::metadata("/proc/self/ns/net")
        .map_err(|error| Error::new(Code::Io, format!("/proc/self/ns/net: {error}")))?;
    if (theirs.dev(), theirs.ino()) == (own.dev(), own.ino()) {
        return Err(invalid(format!(
            "CNI_NETNS={netns:?} is the host's network namespace, not a container's"
        )));
    }
    Ok(())
}

/// Decodes `CNI_ARGS`, `KEY=VALUE;KEY=VALUE`. Keys of other plugins are an error unless `IgnoreUnknown` is set, as
/// the reference implementation has it.
fn decode_args(text: &str) -> Result<Option<Pod>, Error> {
    let mut pairs = BTreeMap::new();
    for pair in text.split(';').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid(format!("{ARGS}: {pair:?} is not of the form KEY=VALUE")))?;
        pairs.insert(key, value);
    }
    let ignore_unknown = match pairs.remove("IgnoreUnknown") {
        None => false,
        Some(text) => decode_bool(text)
            .ok_or_else(|| invalid(format!("{ARGS}: IgnoreUnknown={text:?} is neither true nor false")))?,
    };
    let namespace = pairs.remove("K8S_POD_NAMESPACE").unwrap_or_default();
    let name = pairs.remove("K8S_POD_NAME").unwrap_or_default();
    let uid = pairs.remove("K8S_POD_UID").unwrap_or_default();
    // The sandbox's id, which is CNI_CONTAINERID once more.
    pairs.remove("K8S_POD_INFRA_CONTAINER_ID");
    if let (false, Some(key)) = (ignore_unknown, pairs.keys().next()) {
        return Err(invalid(format!("{ARGS}: unknown key {key:?}; IgnoreUnknown=1 would allow it")));
    }
    match (namespace.is_empty(), name.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => {
            Ok(Some(Pod { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() }))
        }
        _ => Err(invalid(format!(
            "{ARGS}: K8S_POD_NAMESPACE and K8S_POD_NAME belong together, one is missing"
        ))),
    }
}

/// The spellings that the reference implementation takes.
fn decode_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn check_container_id(id: &str) -> Result<(), Error> {
    let starts_well = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !id.chars().all(is_identifier) {
        return Err(invalid(format!(
            "CNI_CONTAINERID={id:?}: must start with a letter or digit and hold only letters, digits, '_', '.', '-'"
        )));
    }
    if id.len() > CONTAINER_ID_BYTES_MAX {
        return Err(invalid(format!("CNI_CONTAINERID is longer than {CONTAINER_ID_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// What the specification allows in container ids and network names, after the first character.
pub(crate) fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// `dev_valid_name` of the kernel's `net/core/dev.c`, which the specification repeats.
fn check_interface(name: &str) -> Result<(), Error> {
    let reason = if name.len() > INTERFACE_BYTES_MAX {
        "is longer than 15 bytes"
    } else if name == "." || name == ".." {
        "cannot name an interface"
    } else if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
        "holds '/', ':' or white space"
    } else {
        return Ok(());
    };
    Err(invalid(format!("CNI_IFNAME={name:?} {reason}")))
}

fn read_required(variable: Variable<'_>, name: &str) -> Result<String, Error> {
    let value = read_optional(variable, name)?;
    if value.is_empty() { Err(missing(name)) } else { Ok(value) }
}

fn read_optional(variable: Variable<'_>, name: &str) -> Result<String, Error> {
    variable(name)
        .unwrap_or_default()
        .into_string()
        .map_err(|raw| invalid(format!("{name}={raw:?} is not UTF-8")))
}

fn missing(name: &str) -> Error {
    invalid(format!("required environment variable {name} is missing"))
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidEnvironment, message)
}
