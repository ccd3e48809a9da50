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
            "f.yaml:3:5: peers[0].remotAs: unknown field; did you mean remoteAs?",
            "f.yaml:5:1: not: unknown field; did you mean note?",
            "f.yaml:6:1: zzz: unknown field; known are peers, note",
        ],
    );
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    problems(
        "peers:\n  - address: a\n    remoteAs: many\n",
        &["f.yaml:3:15: peers[0].remoteAs: invalid type: string \"many\", expected u32"],
    );
    problems(
        "peers:\n  - address: a\n    remoteAs: -1\n",
        &["f.yaml:3:15: peers[0].remoteAs: invalid value: integer `-1`, expected u32"],
    );
    problems("peers:\n  - address: a\n", &["f.yaml:2:5: peers[0]: missing field `remoteAs`"]);
    problems(
        "peers:\n  - {address: a, remoteAs: 1, mode: pasive}\n",
        &["f.yaml:2:37: peers[0].mode: unknown variant `pasive`, expected `active` or `passive`"],
    );
    problems("peers: 7\n", &["f.yaml:1:8: peers: invalid type: integer `7`, expected a sequence"]);
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (text, line) in [("a: [1, 2\n", "f.yaml:"), ("a: 1\na: 2\n", "f.yaml:2:"), ("a: *x\n", "f.yaml:1:")] {
        let problem = Document::parse("f.yaml", text).expect_err("wrong").to_string();
        assert!(problem.starts_with(line), "{problem}");
    }
}

#[test]
fn an_overruled_value_names_what_overruled_it() {
    let mut document = one("peers: []\n");
    document.overrule(&["note"], "NOTE", &json!("text"));
    assert_eq!(document.read::<File>().expect("good").note.as_deref(), Some("text"));
    document.overrule(&["note"], "NOTE", &json!(7));
    let found = document.read::<File>().expect_err("wrong");
    assert_eq!(found[0].to_string(), "NOTE: note: invalid type: integer `7`, expected a string");
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
        ["f.yaml:7:5: spec.ingress[0].form: unknown field; did you mean from?"]
    );
    one(&text.replace("form", "from")).read::<NetworkPolicy>().expect("good");
}
