use ::ipam::Family;
use datastore::{Error, Kind, Revision};

use super::*;

fn details(status: &Status) -> ErrorDetails {
    status.check_error_details().unwrap()
}

fn refused(error: AssignError) -> Status {
    addresses(&ipam::Error::Refused(Refusal::Assign(error)))
}

fn fill(name: &str) -> PoolFill {
    PoolFill {
        name: name.to_owned(),
        cidr: "10.0.0.0/30".parse().unwrap(),
        used: 3,
        cooling: 1,
        reserved: 0,
        total: 4,
    }
}

fn address(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_full_pool_is_told_with_how_full_it_is_and_what_frees_space() {
    let full =
        AssignError::Full { family: Family::V4, pools: vec![fill("a"), fill("b")], passed_over: Vec::new() };
    let status = refused(full);
    assert_eq!(status.code(), Code::ResourceExhausted);
    for words in
        ["pool a (10.0.0.0/30) has 3 of 4 addresses in use", "1 resting", "delete pods", "another IPPool"]
    {
        assert!(status.message().contains(words), "{status}");
    }
    let details = details(&status);
    let violations = &details.quota_failure().unwrap().violations;
    let told: Vec<(&str, bool)> =
        violations.iter().map(|v| (v.subject.as_str(), v.description.contains("3 of 4"))).collect();
    assert_eq!(told, [("pool a", true), ("pool b", true)]);
}

#[test]
fn what_has_no_end_is_cut_and_says_so() {
    let pools: Vec<PoolFill> = (0..1000).map(|number| fill(&format!("pool-{number}"))).collect();
    let status = refused(AssignError::Full { family: Family::V4, pools, passed_over: Vec::new() });
    assert!(status.message().len() <= MESSAGE + 4 && status.message().ends_with(" …"));
    assert!(status.details().len() < 4 * MESSAGE, "{} octets", status.details().len());
    let details = details(&status);
    let last = details.quota_failure().unwrap().violations.last().unwrap();
    assert_eq!(last.description, format!("and {} more pools", 1000 - VIOLATIONS));
    // Never within a character.
    assert!(clip("ü".repeat(MESSAGE)).ends_with("ü …"));
}

#[test]
fn a_wrong_wish_names_the_field() {
    let block = "10.0.0.0/26".parse().unwrap();
    for (error, field) in [
        (AssignError::UnknownPool { pool: "x".to_owned(), known: vec!["a".to_owned()] }, "pools"),
        (AssignError::Repeated { address: address("10.0.0.1") }, "addresses"),
        (AssignError::OutsidePools { address: address("192.0.2.1"), pools: vec![fill("a")] }, "addresses"),
        (AssignError::Reserved { address: address("10.0.0.1"), reservation: "gw".to_owned() }, "addresses"),
        (
            AssignError::BlockRefused { address: address("10.0.0.1"), block, refused: ClaimRefused::Off },
            "addresses",
        ),
    ] {
        let text = error.to_string();
        let status = refused(error);
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, format!("{field}: {text}").as_str())
        );
        let details = details(&status);
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!((violations[0].field.as_str(), &violations[0].description), (field, &text));
    }
}

#[test]
fn what_others_hold_names_them() {
    let status = refused(AssignError::InUse { address: address("10.0.0.1"), holder: "shop/web".to_owned() });
    assert_eq!(status.code(), Code::AlreadyExists);
    let resource = details(&status).resource_info().unwrap().clone();
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name.as_str(), resource.owner.as_str()),
        ("address", "10.0.0.1", "shop/web")
    );
    let asked = address("10.0.0.2");
    let status =
        refused(AssignError::HoldsOther { handle: "h".to_owned(), held: address("10.0.0.1"), asked });
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(details(&status).resource_info().unwrap().resource_name, "h");
}

#[test]
fn budgets_are_quotas() {
    let budget = ClaimRefused::Budget { blocks: 2, budget: 2 };
    for (error, subject) in [
        (
            AssignError::NoBlock { family: Family::V4, node: "n1".to_owned(), refused: budget, strict: true },
            "node n1",
        ),
        (AssignError::NotToBorrow { family: Family::V4, node: "n1".to_owned(), free: 4 }, "node n1"),
        (
            AssignError::BlockRefused {
                address: address("10.0.0.1"),
                block: "10.0.0.0/26".parse().unwrap(),
                refused: budget,
            },
            "block 10.0.0.0/26",
        ),
    ] {
        let status = refused(error);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(details(&status).quota_failure().unwrap().violations[0].subject, subject);
    }
}

#[test]
fn what_passes_says_when_to_ask_again() {
    let unavailable = Error::Unavailable("no quorum".to_owned());
    let conflict = Error::Conflict { key: Key::global(Kind::IpPool, "a"), found: None };
    let resting = AssignError::Resting { address: address("10.0.0.1"), seconds: 17 };
    for (status, code, seconds) in [
        (datastore(&unavailable), Code::Unavailable, 1),
        (datastore(&conflict), Code::Aborted, 1),
        (datastore(&Error::Compacted { oldest: Revision(7) }), Code::Aborted, 1),
        (addresses(&ipam::Error::Contended), Code::Aborted, 1),
        (addresses(&ipam::Error::Stopping), Code::Unavailable, 1),
        (refused(resting), Code::Unavailable, 17),
    ] {
        assert_eq!(status.code(), code, "{status}");
        let after = details(&status).retry_info().unwrap().retry_delay;
        assert_eq!(after, Some(Duration::from_secs(seconds)), "{status}");
    }
}

#[test]
fn what_a_human_must_see_to_is_a_precondition() {
    let corrupt = Error::Refused("IPAMBlock a cannot be understood; delete or repair it".to_owned());
    let taken_again = ReleaseError::GivenOutAgain {
        address: address("10.0.0.1"),
        handle: "h".to_owned(),
        found: 9,
        expected: 4,
    };
    for (status, kind, subject, words) in [
        (datastore(&corrupt), "DATASTORE", "datastore", "delete or repair it"),
        (
            addresses(&ipam::Error::Refused(Refusal::Release(taken_again))),
            "HOLDER",
            "10.0.0.1",
            "look again before releasing it",
        ),
    ] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains(words), "{status}");
        let details = details(&status);
        let violation = &details.precondition_failure().unwrap().violations[0];
        assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), (kind, subject));
    }
}

#[test]
fn other_words_keep_the_details() {
    let status = with_message(&unavailable("away"), "IPPool a: away (done before: nothing)".to_owned());
    assert_eq!(status.message(), "IPPool a: away (done before: nothing)");
    assert!(details(&status).retry_info().is_some());
}
