//! What is asked, against what the speaker is asked; the speaker itself is tried in `tests/` and in `integration`.

use ::bgp::config::PeerKey;
use ::bgp::speaker::Reset;
use ::bgp::speaker::view::{Match, Table};
use ::bgp::wire::Family;
use proto::v1;
use tonic::Code;

use super::{query, reset};

#[test]
fn resets_that_contradict_themselves_are_refused() {
    let ask = |kind: v1::ResetKind, message: &str, family: &str| {
        let (message, family) = (message.to_owned(), family.to_owned());
        reset(&v1::ResetPeerRequest { peer: String::new(), kind: kind.into(), message, family })
            .map_err(|status| status.code())
    };
    assert_eq!(ask(v1::ResetKind::Hard, "", ""), Ok(Reset::Hard(None)));
    assert_eq!(ask(v1::ResetKind::Hard, "new cable", ""), Ok(Reset::Hard(Some("new cable".to_owned()))));
    assert_eq!(ask(v1::ResetKind::SoftIn, "", ""), Ok(Reset::SoftIn(None)));
    let v6 = Some(Family::Ipv6Unicast);
    assert_eq!(ask(v1::ResetKind::SoftOut, "", "ipv6-unicast"), Ok(Reset::SoftOut(v6)));
    assert_eq!(ask(v1::ResetKind::Hard, "", "ipv6-unicast"), Err(Code::InvalidArgument));
    assert_eq!(ask(v1::ResetKind::Hard, &"x".repeat(256), ""), Err(Code::InvalidArgument));
    assert_eq!(ask(v1::ResetKind::SoftIn, "why", ""), Err(Code::InvalidArgument));
    assert_eq!(ask(v1::ResetKind::SoftIn, "", "ipv5"), Err(Code::InvalidArgument));
}

#[test]
fn a_query_says_what_was_asked() {
    let request = v1::ListRoutesRequest {
        table: v1::RouteTable::AdjRibIn.into(),
        prefix: "10.42.0.7".to_owned(),
        r#match: v1::PrefixMatch::Shorter.into(),
        family: "ipv4-unicast".to_owned(),
        rejected: true,
        limit: 7,
        ..v1::ListRoutesRequest::default()
    };
    let peer = PeerKey::Interface("eth0".into());
    let query = query::routes(&request, Some(peer.clone())).expect("sense");
    assert_eq!((query.table, query.peer, query.limit), (Table::AdjRibIn, Some(peer), 7));
    let prefix = "10.42.0.7/32".parse().expect("prefix");
    assert_eq!(query.prefix, Some((prefix, Match::Shorter)), "an address means itself");
    assert_eq!((query.family, query.rejected), (Some(Family::Ipv4Unicast), true));

    let all = super::query::routes(&v1::ListRoutesRequest::default(), None).expect("sense");
    assert_eq!((all.limit, all.prefix), (usize::MAX, None));
    let wrong = v1::ListRoutesRequest { prefix: "web".to_owned(), ..v1::ListRoutesRequest::default() };
    assert_eq!(query::routes(&wrong, None).expect_err("no prefix").code(), Code::InvalidArgument);
}
