use kube::core::response::StatusDetails;
use serde_json::json;

use super::*;

const LIST: Call = Call { verb: "list", kind: Kind::IpPool };
const GET: Call = Call { verb: "get", kind: Kind::Pod };

fn status(code: u16, message: &str, details: serde_json::Value) -> Status {
    let details: Option<StatusDetails> = serde_json::from_value(details).unwrap();
    Status { details, ..Status::failure(message, "").with_code(code) }
}

fn refused(call: Call, status: &Status) -> String {
    let outcome = judge_status(call, status);
    let Outcome::Failed(Error::Refused(what)) = outcome else { panic!("{outcome:?}") };
    what
}

#[test]
fn who_may_not_is_told_what_is_missing() {
    let message = "pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\"";
    let call = Call { verb: "list", kind: Kind::Pod };
    assert_eq!(
        refused(call, &status(403, message, json!({ "kind": "pods" }))),
        format!("may not list pods: {message}; grant it by a ClusterRole")
    );
    let ending =
        "web is forbidden: unable to create new content in namespace shop because it is being terminated";
    let create = Call { verb: "create", kind: Kind::Pod };
    assert_eq!(
        refused(create, &status(403, ending, json!({ "name": "web" }))),
        format!("the API server refuses to create pods: {ending}")
    );
    let unknown = refused(LIST, &status(401, "Unauthorized", json!(null)));
    assert!(unknown.contains("does not know who this is (Unauthorized); check the credentials"), "{unknown}");
}

#[test]
fn a_missing_kind_is_no_missing_object() {
    let object = json!({ "name": "web", "kind": "pods" });
    assert_eq!(judge_status(GET, &status(404, "pods \"web\" not found", object)), Outcome::Absent);
    // As a text that is no Status is told.
    let page = status(404, "404 page not found", json!(null));
    let missing = refused(LIST, &page);
    assert!(missing.starts_with(
        "the custom resource definition of IPPool is not installed; run: kubectl apply -f deploy/crds"
    ));
    assert!(refused(GET, &page).starts_with("the API server does not serve pods (404 page not found)"));
    let create = Call { verb: "create", kind: Kind::WorkloadEndpoint };
    let namespace =
        status(404, "namespaces \"shop\" not found", json!({ "name": "shop", "kind": "namespaces" }));
    assert_eq!(
        refused(create, &namespace),
        "cannot create workloadendpoints.fabric.rs: namespaces \"shop\" not found"
    );
}

#[test]
fn what_passes_is_told_from_what_stays() {
    let judge = |code, details| judge_status(GET, &status(code, "because", details));
    assert_eq!(judge(409, json!(null)), Outcome::Conflict);
    assert_eq!(judge(429, json!({ "retryAfterSeconds": 3 })), Outcome::Busy(Some(3)));
    assert_eq!(judge(429, json!(null)), Outcome::Busy(None));
    for code in [500, 502, 503, 504] {
        let outcome = judge(code, json!(null));
        assert!(matches!(&outcome, Outcome::Failed(Error::Unavailable(what)) if what.contains("because")));
    }
    for code in [400, 405, 413, 422] {
        let what = refused(GET, &status(code, "because", json!(null)));
        assert_eq!(what, "the API server refuses to get pods: because");
    }
}

#[test]
fn what_is_too_old_may_go_on() {
    let mut gone = status(410, "too old", json!(null));
    assert_eq!(judge_status(LIST, &gone), Outcome::Expired(None));
    gone.metadata = serde_json::from_value(json!({ "continue": "token" })).unwrap();
    assert_eq!(judge_status(LIST, &gone), Outcome::Expired(Some("token".to_owned())));
}

#[test]
fn a_wrong_certificate_is_not_taken_for_an_absent_server() {
    let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
    let wrapped = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, tls));
    let Outcome::Failed(Error::Refused(what)) = judge(GET, &kube::Error::Service(Box::new(wrapped))) else {
        panic!("not refused");
    };
    assert!(what.contains("certificate is not accepted") && what.contains("Expired"), "{what}");
    let away = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let outcome = judge(GET, &kube::Error::Service(Box::new(away)));
    let expected = "the API server cannot be reached: connection refused";
    assert_eq!(outcome, Outcome::Failed(Error::Unavailable(expected.to_owned())));
}
