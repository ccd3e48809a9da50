//! What is read, and what a person is told.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::Deserialize;
use serde_json::json;

use super::Document;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Peer {
    address: String,
    remote_as: u32,
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
enum Mode {
    #[default]
    Active,
    Passive,
}

#[derive(Debug, Deserialize, PartialEq)]
struct File {
    peers: Vec<Peer>,
    note: Option<String>,
}

fn one(text: &str) -> Document {
    let mut documents = Document::parse("f.yaml", text).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[track_caller]
fn problems(text: &str, expected: &[&str]) {
    let found = one(text).read::<File>().expect_err("wrong");
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn good_documents_are_read() {
    let file: File =
        one("peers:\n- {address: a, remoteAs: 7, mode: passive}\nnote: ~\n").read().expect("good");
    assert_eq!(
        file,
        File { peers: vec![Peer { address: "a".to_owned(), remote_as: 7, mode: Mode::Passive }], note: None }
    );
    assert_eq!(Document::parse("f.yaml", "---\n---\na: 1\n---\nb: 2\n").expect("YAML").len(), 2);
    let json: File = one(r#"{"peers": [], "note": "x"}"#).read().expect("JSON is YAML");
    assert_eq!(json.note.as_deref(), Some("x"));
}

#[test]
fn every_unknown_field_is_told_with_its_place_and_the_nearest_name() {
    problems(
        "peers:\n  - address: a\n    remotAs: 7\n    remoteAs: 7\nnot: x\nzzz: 1\n",
        &[
            "f.yaml:3:5: peers[0].remotAs: is unknown; did you mean \"remoteAs\"?",
            "f.yaml:5:1: not: is unknown; did you mean \"note\"?",
            "f.yaml:6:1: zzz: is unknown; known are peers, note",
        ],
    );
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    problems(
        "peers:\n  - address: a\n    remoteAs: many\n",
        &["f.yaml:3:15: peers[0].remoteAs: is the text \"many\"; write a whole number from 0 to 4294967295"],
    );
    problems(
        "peers:\n  - address: a\n    remoteAs: -1\n",
        &["f.yaml:3:15: peers[0].remoteAs: is the number -1; write a whole number from 0 to 4294967295"],
    );
    problems("peers:\n  - address: a\n", &["f.yaml:2:5: peers[0].remoteAs: is missing; it is required"]);
    problems(
        "peers:\n  - {address: a, remoteAs: 1, mode: pasive}\n",
        &["f.yaml:2:37: peers[0].mode: \"pasive\" is unknown; did you mean \"passive\"?"],
    );
    problems(
        "peers:\n  - {address: 1, remoteAs: x}\n  - {address: a}\n",
        &[
            "f.yaml:2:15: peers[0].address: is the number 1; write text (\"1\" in quotes)",
            "f.yaml:2:28: peers[0].remoteAs: is the text \"x\"; write a whole number from 0 to 4294967295",
            "f.yaml:3:5: peers[1].remoteAs: is missing; it is required",
        ],
    );
    problems("peers: 7\n", &["f.yaml:1:8: peers: is the number 7; write a list"]);
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (text, expected) in [
        ("a: [1, 2\n", "f.yaml:2:1: is not YAML: "),
        ("a: 1\na: 2\n", "f.yaml:2:1: a: is here twice; remove one of them"),
        ("a: *x\n", "f.yaml:1:4: is not YAML: "),
        ("a: !!int x\n", "f.yaml:1:4: \"x\" is not what its tag says; remove the tag"),
    ] {
        let problems = Document::parse("f.yaml", text).expect_err("wrong");
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].to_string().starts_with(expected), "{}", problems[0]);
    }
}

#[test]
fn scalars_mean_what_the_core_schema_says() {
    for (text, expected) in [
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("012", json!(12)),
        ("+7", json!(7)),
        ("-7", json!(-7)),
        ("0x+5", json!("0x+5")),
        ("1_000", json!("1_000")),
        ("1e3", json!(1000.0)),
        (".5", json!(0.5)),
        ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
        ("infinity", json!("infinity")),
        ("yes", json!("yes")),
        ("True", json!(true)),
        ("FALSE", json!(false)),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("", json!(null)),
        ("'1'", json!("1")),
        ("!!str 1", json!("1")),
        ("!!float 1", json!(1.0)),
        ("!degree 50", json!(50)),
        ("10.0.0.1", json!("10.0.0.1")),
        ("1:30", json!("1:30")),
    ] {
        let read: serde_json::Value = one(&format!("a: {text}\n")).read().expect(text);
        assert_eq!(read, json!({ "a": expected }), "{text}");
    }
}

#[test]
fn an_overruled_value_names_what_overruled_it() {
    let mut document = one("peers: []\n");
    document.overrule(&["note"], "NOTE", &json!("text"));
    assert_eq!(document.read::<File>().expect("good").note.as_deref(), Some("text"));
    document.overrule(&["note"], "NOTE", &json!(7));
    let found = document.read::<File>().expect_err("wrong");
    assert_eq!(found[0].to_string(), "NOTE: note: is the number 7; write text (\"7\" in quotes)");
}

#[test]
fn a_problem_is_placed_at_the_nearest_field_that_is_there() {
    let document = one("peers:\n  - address: a\n");
    assert_eq!(
        document.problem("peers[0].address", "wrong").to_string(),
        "f.yaml:2:14: peers[0].address: wrong"
    );
    assert_eq!(document.problem("peers[0].ttl", "missing").to_string(), "f.yaml:2:5: peers[0].ttl: missing");
    assert_eq!(document.problem("peers[9].ttl", "missing").to_string(), "f.yaml:2:3: peers[9].ttl: missing");
}

#[test]
fn the_kubernetes_types_are_read_strictly_too() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  ingress:\n  - form: []\n    ports:\n    - port: http\n";
    let problems = one(text).read::<NetworkPolicy>().expect_err("wrong");
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["f.yaml:7:5: spec.ingress[0].form: is unknown; did you mean \"from\"?"]
    );
    one(&text.replace("form", "from")).read::<NetworkPolicy>().expect("good");
}
