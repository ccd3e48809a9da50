use serde_json::{Value, json};

use super::{Config, decode_document, decode_version, decode_version_for_reply};
use crate::error::{Code, Error};
use crate::spec::SpecVersion;

/// A minimal configuration with `changes` on top.
fn decode(changes: Value) -> Result<Config, Error> {
    let mut document = json!({"cniVersion": "1.1.0", "name": "fabric", "type": "fabric-cni"});
    for (key, value) in changes.as_object().expect("an object") {
        document[key] = value.clone();
    }
    Config::decode(document.as_object().expect("an object").clone())
}

#[test]
fn the_least_gives_the_defaults() {
    let config = decode(json!({})).expect("valid");
    assert_eq!(config.name, "fabric");
    assert_eq!(config.socket.to_str(), Some(proto::DEFAULT_SOCKET));
    assert_eq!(config.mtu, 0);
    assert!(config.labels.is_empty() && config.requested_addresses.is_empty() && config.dns.is_empty());
    assert_eq!(config.prev_result, None);
}

#[test]
fn everything_is_taken() {
    let config = decode(json!({
        "socket": "/tmp/a.sock",
        "mtu": 9000,
        "ipMasq": false,
        "capabilities": {"ips": true},
        "args": {
            "cni": {"labels": [{"key": "app", "value": "web"}, {"key": "tier", "value": ""}], "ips": ["10.0.0.1"]},
            "someone.else": 1,
        },
        "runtimeConfig": {"ips": ["10.0.0.2/24", "fd00::2"], "portMappings": []},
        "dns": {"nameservers": ["10.96.0.10"]},
        "prevResult": {"ips": []},
        "ipam": {},
        "cni.dev/valid-attachments": [{"containerID": "c", "ifname": "eth0"}],
    }))
    .expect("valid");
    assert_eq!(config.socket.to_str(), Some("/tmp/a.sock"));
    assert_eq!(config.mtu, 9000);
    assert_eq!(
        config.labels.into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), "web".to_owned()), ("tier".to_owned(), String::new()),]
    );
    let requested: Vec<String> = config.requested_addresses.iter().map(ToString::to_string).collect();
    assert_eq!(requested, ["10.0.0.2", "fd00::2"], "the runtime's request goes before the arguments'");
    assert_eq!(Value::Object(config.dns), json!({"nameservers": ["10.96.0.10"]}));
    assert_eq!(config.prev_result.map(Value::Object), Some(json!({"ips": []})));
}

#[test]
fn what_is_wrong_is_named() {
    use Code::{Decode, InvalidConfig, UnsupportedField};
    let table = [
        (json!({"name": ""}), InvalidConfig, "name: missing"),
        (json!({"name": "a/b"}), InvalidConfig, "name: \"a/b\" must start"),
        (json!({"name": 5}), Decode, "name: invalid type: integer `5`"),
        (json!({"mtu": 1279}), InvalidConfig, "mtu: 1279 is not within 1280 and 65535"),
        (json!({"mtu": 65536}), InvalidConfig, "mtu: 65536 is not within"),
        (json!({"mtu": -1}), Decode, "mtu: invalid value: integer `-1`"),
        (json!({"ipMasq": true}), UnsupportedField, "unsupported field ipMasq: true"),
        (
            json!({"ipam": {"type": "host-local"}}),
            UnsupportedField,
            "unsupported field ipam: {\"type\":\"host-local\"}",
        ),
        (json!({"sokcet": "/tmp/x"}), UnsupportedField, "unsupported field sokcet: \"/tmp/x\""),
        (
            json!({"runtimeConfig": {"portMappings": [{"hostPort": 80}]}}),
            UnsupportedField,
            "unsupported field runtimeConfig.portMappings: [{\"hostPort\":80}]",
        ),
        (
            json!({"args": {"cni": {"labels": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}}}),
            InvalidConfig,
            "args.cni.labels[1].key: \"a\" is there twice",
        ),
        (
            json!({"args": {"cni": {"labels": [{"key": "", "value": "1"}]}}}),
            InvalidConfig,
            "args.cni.labels[0].key: empty",
        ),
        (
            json!({"args": {"cni": {"labels": [{"key": "a"}]}}}),
            Decode,
            "args.cni.labels[0]: missing field `value`",
        ),
        (
            json!({"args": {"cni": {"ips": ["10.0.0"]}}}),
            InvalidConfig,
            "args.cni.ips[0]: \"10.0.0\" is not an IP",
        ),
        (
            json!({"runtimeConfig": {"ips": ["fd00::1", "10.0.0.1/33"]}}),
            InvalidConfig,
            "runtimeConfig.ips[1]: \"10.0.0.1/33\" is not an IP",
        ),
        (
            json!({"runtimeConfig": {"ips": ["10.0.0.1", "10.0.0.2"]}}),
            InvalidConfig,
            "runtimeConfig.ips[1]: 10.0.0.2: only one address per family",
        ),
        (json!({"prevResult": []}), Decode, "prevResult: invalid type: sequence"),
    ];
    for (changes, code, message) in table {
        let error = decode(changes.clone()).expect_err(message);
        assert_eq!(error.code, code, "{changes}: {}", error.message);
        assert!(error.message.starts_with(message), "{changes}: {}", error.message);
    }
}

#[test]
fn versions() {
    let version =
        |text: &str| decode_document(text.as_bytes()).and_then(|document| decode_version(&document));
    assert_eq!(version(r#"{"cniVersion": "0.3.0"}"#), Ok(SpecVersion::V0_3_0));
    assert_eq!(version(r#"{"cniVersion": "1.1.0"}"#), Ok(SpecVersion::V1_1_0));
    let table = [
        ("{}", Code::IncompatibleVersion, "the configuration has no cniVersion"),
        (r#"{"cniVersion": "0.2.0"}"#, Code::IncompatibleVersion, "cniVersion \"0.2.0\" is not supported"),
        (r#"{"cniVersion": "9.9.9"}"#, Code::IncompatibleVersion, "cniVersion \"9.9.9\" is not supported"),
        (r#"{"cniVersion": 1}"#, Code::Decode, "cniVersion: 1 is not a string such as \"1.1.0\""),
        ("", Code::Decode, "the configuration on stdin is not a JSON object"),
        ("[]", Code::Decode, "the configuration on stdin is not a JSON object"),
        ("{\"cniVersion\": ", Code::Decode, "the configuration on stdin is not a JSON object"),
    ];
    for (text, code, message) in table {
        let error = version(text).expect_err(message);
        assert_eq!((error.code, error.message.as_str()), (code, message), "{text}");
    }
}

#[test]
fn version_is_answered_in_the_callers_version_where_possible() {
    let table = [
        ("", SpecVersion::LATEST),
        ("{}", SpecVersion::LATEST),
        (r#"{"cniVersion": "0.4.0"}"#, SpecVersion::V0_4_0),
        (r#"{"cniVersion": "0.1.0"}"#, SpecVersion::LATEST),
    ];
    for (text, expected) in table {
        assert_eq!(decode_version_for_reply(text.as_bytes()), Ok(expected), "{text}");
    }
    assert_eq!(decode_version_for_reply(b"nonsense").map_err(|error| error.code), Err(Code::Decode));
}
