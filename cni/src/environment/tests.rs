use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::{Attachment, Pod, check_netns, decode_add, decode_command, decode_del};
use crate::error::Code;
use crate::spec::Command;

/// A valid `ADD`, changed by `changes`; an empty value removes the variable.
fn variables(changes: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
    let mut all: BTreeMap<String, OsString> = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
    ]
    .into_iter()
    .chain(changes.iter().copied())
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect();
    all.retain(|_, value| !value.is_empty());
    move |name| all.get(name).cloned()
}

fn attachment(pod: Option<Pod>) -> Attachment {
    Attachment {
        container_id: "c1".to_owned(),
        netns: "/run/netns/c1".to_owned(),
        interface: "eth0".to_owned(),
        pod,
    }
}

fn pod(uid: &str) -> Option<Pod> {
    Some(Pod { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: uid.to_owned() })
}

#[test]
fn arguments_name_the_pod() {
    let table = [
        ("", None),
        (";;", None),
        ("K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0", pod("")),
        (
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u-1",
            pod("u-1"),
        ),
        ("IgnoreUnknown=TRUE;FOO=a=b;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;", pod("")),
        ("IgnoreUnknown=1;FOO=bar", None),
    ];
    for (args, expected) in table {
        let decoded = decode_add(&variables(&[("CNI_ARGS", args)]));
        assert_eq!(decoded, Ok(attachment(expected)), "{args}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let table = [
        (("CNI_CONTAINERID", ""), "required environment variable CNI_CONTAINERID is missing"),
        (("CNI_NETNS", ""), "required environment variable CNI_NETNS is missing"),
        (("CNI_IFNAME", ""), "required environment variable CNI_IFNAME is missing"),
        (("CNI_CONTAINERID", "-c1"), "CNI_CONTAINERID=\"-c1\": must start"),
        (("CNI_CONTAINERID", "../c1"), "CNI_CONTAINERID=\"../c1\": must start"),
        (("CNI_CONTAINERID", "c 1"), "CNI_CONTAINERID=\"c 1\": must start"),
        (("CNI_IFNAME", "."), "CNI_IFNAME=\".\" cannot name an interface"),
        (("CNI_IFNAME", ".."), "CNI_IFNAME=\"..\" cannot name an interface"),
        (("CNI_IFNAME", "a/b"), "CNI_IFNAME=\"a/b\" holds '/'"),
        (("CNI_IFNAME", "eth0:1"), "CNI_IFNAME=\"eth0:1\" holds '/'"),
        (("CNI_IFNAME", "eth 0"), "CNI_IFNAME=\"eth 0\" holds '/'"),
        (("CNI_IFNAME", "sixteen-bytes-eh"), "CNI_IFNAME=\"sixteen-bytes-eh\" is longer than 15 bytes"),
        (("CNI_ARGS", "FOO"), "CNI_ARGS: \"FOO\" is not of the form KEY=VALUE"),
        (("CNI_ARGS", "FOO=1"), "CNI_ARGS: unknown key \"FOO\""),
        (("CNI_ARGS", "IgnoreUnknown=0;FOO=1"), "CNI_ARGS: unknown key \"FOO\""),
        (("CNI_ARGS", "IgnoreUnknown=maybe"), "CNI_ARGS: IgnoreUnknown=\"maybe\" is neither"),
        (("CNI_ARGS", "K8S_POD_NAME=web-0"), "CNI_ARGS: K8S_POD_NAMESPACE and K8S_POD_NAME belong together"),
    ];
    for (change, message) in table {
        let error = decode_add(&variables(&[change])).expect_err(message);
        assert_eq!(error.code, Code::InvalidEnvironment, "{change:?}");
        assert!(error.message.starts_with(message), "{change:?}: {}", error.message);
    }
}

#[test]
fn bounds_are_inclusive() {
    assert!(decode_add(&variables(&[("CNI_IFNAME", "fifteen-bytes-e")])).is_ok());
    assert!(decode_add(&variables(&[("CNI_CONTAINERID", &"a".repeat(256))])).is_ok());
    assert!(decode_add(&variables(&[("CNI_CONTAINERID", &"a".repeat(257))])).is_err());
}

#[test]
fn delete_does_without_a_namespace() {
    let decoded = decode_del(&variables(&[("CNI_NETNS", "")])).expect("valid");
    assert_eq!(decoded, Attachment { netns: String::new(), ..attachment(None) });
}

#[test]
fn commands() {
    assert_eq!(decode_command(&variables(&[])), Ok(Command::Add));
    assert_eq!(decode_command(&variables(&[("CNI_COMMAND", "GC")])), Ok(Command::Gc));
    for wrong in ["", "add", "UPDATE"] {
        let error = decode_command(&variables(&[("CNI_COMMAND", wrong)])).expect_err("no command");
        assert_eq!(error.code, Code::InvalidEnvironment);
        assert!(error.message.contains("CNI_COMMAND"), "{}", error.message);
    }
}

#[test]
fn other_than_utf8_is_refused() {
    let raw = |name: &str| (name == "CNI_COMMAND").then(|| OsString::from_vec(vec![0xff]));
    let error = decode_command(&raw).expect_err("not UTF-8");
    assert_eq!(error.message, "CNI_COMMAND=\"\\xFF\" is not UTF-8");
}

#[test]
fn namespaces_that_cannot_be_meant() {
    let gone = check_netns("/nonexistent/netns").expect_err("gone");
    assert_eq!(gone.code, Code::UnknownContainer);
    assert_eq!(gone.message, "CNI_NETNS=\"/nonexistent/netns\": no such network namespace");
    let own = check_netns("/proc/self/ns/net").expect_err("the host's");
    assert_eq!(own.code, Code::InvalidEnvironment);
    assert!(own.message.contains("is the host's network namespace"), "{}", own.message);
}
