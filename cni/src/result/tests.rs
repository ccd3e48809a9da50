use proto::v1::{CniAddResponse, CniAddress, CniRoute, NodeStatus};
use serde_json::{Value, json};

use super::{encode_add, encode_versions, judge_status};
use crate::config::Config;
use crate::environment::Attachment;
use crate::error::{Code, Error};
use crate::spec::SpecVersion;

fn response() -> CniAddResponse {
    let address = |address: &str, gateway: &str| CniAddress {
        address: address.to_owned(),
        gateway: gateway.to_owned(),
    };
    let route =
        |to: &str, gateway: &str| CniRoute { destination: to.to_owned(), gateway: gateway.to_owned() };
    CniAddResponse {
        host_interface: "fab0123456789".to_owned(),
        host_mac: "ee:ee:ee:ee:ee:ee".to_owned(),
        container_mac: "02:00:00:00:00:01".to_owned(),
        mtu: 1500,
        addresses: vec![address("10.65.0.2/32", "169.254.1.1"), address("fd65::2/128", "")],
        routes: vec![route("169.254.1.1/32", ""), route("0.0.0.0/0", "169.254.1.1")],
    }
}

fn encode(version: SpecVersion, config: Value, response: CniAddResponse) -> Result<Value, Error> {
    let mut document = json!({"cniVersion": version.name(), "name": "fabric"});
    for (key, value) in config.as_object().expect("an object") {
        document[key] = value.clone();
    }
    let config = Config::decode(document.as_object().expect("an object").clone()).expect("valid");
    let attachment = Attachment {
        container_id: "c1".to_owned(),
        netns: "/run/netns/c1".to_owned(),
        interface: "eth0".to_owned(),
        pod: None,
    };
    encode_add(version, &attachment, config, response).map(|text| serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn each_version_has_its_own_fields() {
    for version in SpecVersion::ALL {
        let result = encode(version, json!({}), response()).expect("valid");
        let mut v4 = json!({"interface": 1, "address": "10.65.0.2/32", "gateway": "169.254.1.1"});
        let mut v6 = json!({"interface": 1, "address": "fd65::2/128"});
        let mut host = json!({"name": "fab0123456789", "mac": "ee:ee:ee:ee:ee:ee"});
        let mut container = json!({"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"});
        match version {
            SpecVersion::V0_3_0 | SpecVersion::V0_3_1 | SpecVersion::V0_4_0 => {
                v4["version"] = "4".into();
                v6["version"] = "6".into();
            }
            SpecVersion::V1_0_0 => {}
            SpecVersion::V1_1_0 => {
                host["mtu"] = 1500.into();
                container["mtu"] = 1500.into();
            }
        }
        assert_eq!(
            result,
            json!({
                "cniVersion": version.name(),
                "interfaces": [host, container],
                "ips": [v4, v6],
                "routes": [{"dst": "169.254.1.1/32"}, {"dst": "0.0.0.0/0", "gw": "169.254.1.1"}],
                "dns": {},
            })
        );
    }
}

#[test]
fn a_chain_keeps_what_came_before() {
    let prev = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "lo", "sandbox": "/run/netns/c1"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 0}],
        "dns": {"nameservers": ["10.0.0.53"]},
        "vendor": 7,
    });
    let result = encode(SpecVersion::V1_0_0, json!({"prevResult": prev}), response()).expect("valid");
    assert_eq!(result["interfaces"][0], json!({"name": "lo", "sandbox": "/run/netns/c1"}));
    assert_eq!(result["interfaces"][2]["name"], "eth0");
    assert_eq!(result["ips"][0], json!({"address": "127.0.0.1/8", "interface": 0}));
    assert_eq!(result["ips"][1]["interface"], 2);
    assert_eq!(result["ips"][2]["interface"], 2);
    assert_eq!(result["routes"].as_array().map(Vec::len), Some(2));
    assert_eq!(result["dns"], json!({"nameservers": ["10.0.0.53"]}));
    assert_eq!(result["vendor"], 7);

    let both = json!({"prevResult": prev, "dns": {"nameservers": ["10.96.0.10"]}});
    let result = encode(SpecVersion::V1_0_0, both, response()).expect("valid");
    assert_eq!(result["dns"], json!({"nameservers": ["10.96.0.10"]}));

    let error =
        encode(SpecVersion::V1_0_0, json!({"prevResult": {"ips": 5}}), response()).expect_err("no list");
    assert_eq!((error.code, error.message.as_str()), (Code::InvalidConfig, "prevResult.ips: not a list"));
}

#[test]
fn an_answer_without_sense_is_not_passed_on() {
    for address in ["10.65.0.2", "10.65.0.2/33", "fd65::2/129", "/32", "ten/32"] {
        let mut response = response();
        response.addresses[0].address = address.to_owned();
        let error = encode(SpecVersion::V1_1_0, json!({}), response).expect_err(address);
        assert_eq!(error.code, Code::VersionSkew, "{address}");
    }
    let none = CniAddResponse { addresses: Vec::new(), ..response() };
    assert_eq!(
        encode(SpecVersion::V1_1_0, json!({}), none).map_err(|error| error.code),
        Err(Code::VersionSkew)
    );
}

#[test]
fn versions_are_listed() {
    let answer: Value = serde_json::from_str(&encode_versions(SpecVersion::V0_4_0)).expect("JSON");
    assert_eq!(
        answer,
        json!({
            "cniVersion": "0.4.0",
            "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        })
    );
}

#[test]
fn status_carries_the_problems() {
    let ready =
        NodeStatus { ready: true, problems: vec!["a peer is down".to_owned()], ..NodeStatus::default() };
    assert_eq!(judge_status(&ready), Ok(String::new()));
    let not =
        NodeStatus { problems: vec!["no pool".to_owned(), "no uplink".to_owned()], ..NodeStatus::default() };
    let error = judge_status(&not).expect_err("not ready");
    assert_eq!((error.code, error.details.as_str()), (Code::NotAvailable, "no pool; no uplink"));
}
