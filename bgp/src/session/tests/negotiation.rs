//! What two OPENs make of each other.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::RoleConfig;
use crate::wire::{AddPathFamily, LongLivedFamily, Role};

const V4: Family = Family::Ipv4Unicast;
const V6: Family = Family::Ipv6Unicast;

fn with(capabilities: Vec<Capability>) -> Open {
    Open { capabilities, ..their_open() }
}

fn set(families: &[Family]) -> FamilySet {
    families.iter().copied().collect()
}

#[test]
fn opens_are_checked() {
    let external = proposal();
    let remote = |remote_as| Proposal { remote_as, ..proposal() };
    let (internal, any) = (remote(RemoteAs::Internal), remote(RemoteAs::Any));
    let (outside, same) = (remote(RemoteAs::External), remote(RemoteAs::Is(65001)));
    let ours = Open { asn: 65001, router_id: OUR_ID, ..their_open() };
    let inside = Open { router_id: THEIR_ID, ..ours.clone() };
    let table = [
        (&external, their_open(), None),
        (&external, Open { asn: 65003, ..their_open() }, Some(2)),
        (&external, Open { router_id: Ipv4Addr::UNSPECIFIED, ..their_open() }, Some(3)),
        (&external, Open { router_id: OUR_ID, ..their_open() }, None), // RFC 6286
        (&external, Open { hold_time_secs: 2, ..their_open() }, Some(6)),
        (&external, Open { hold_time_secs: 3, ..their_open() }, None),
        (&same, ours.clone(), Some(3)),
        (&same, inside.clone(), None),
        (&internal, inside.clone(), None),
        (&internal, their_open(), Some(2)),
        (&internal, ours.clone(), Some(3)),
        (&outside, inside.clone(), Some(2)),
        (&outside, their_open(), None),
        (&outside, Open { asn: 65003, ..their_open() }, None),
        (&any, inside, None),
        (&any, their_open(), None),
        (&any, ours, Some(3)),
    ];
    for (proposal, open, expected) in table {
        let agreed = proposal.agree(&open);
        if let Ok(negotiated) = &agreed {
            assert_eq!(negotiated.external, open.asn != proposal.local_as);
            assert_eq!(negotiated.codec.external, negotiated.external);
        }
        let subcode = agreed.err().map(|error| (error.notification.code, error.notification.subcode));
        assert_eq!(subcode, expected.map(|subcode| (2, subcode)), "{open:?}");
    }
}

#[test]
fn an_open_of_ours_offers_what_is_configured() {
    use Capability::{
        AddPath, EnhancedRouteRefresh, ExtendedMessage, ExtendedNextHop, FourOctetAs,
        LongLivedGracefulRestart, MultiProtocol, RouteRefresh,
    };
    let usual = [
        MultiProtocol(V4),
        MultiProtocol(V6),
        RouteRefresh,
        EnhancedRouteRefresh,
        ExtendedMessage,
        FourOctetAs(65001),
    ];
    assert_eq!(proposal().open().capabilities, usual);
    let long_lived = LongLivedFamily { family: V6, forwarding_preserved: false, stale_time_secs: 7 };
    let several = AddPathFamily { family: V4, receive: true, send: false };
    let all = Proposal {
        graceful_restart: Some(restart(true)),
        long_lived: vec![long_lived],
        add_path: vec![several, AddPathFamily { family: V6, receive: false, send: false }],
        role: Some(RoleConfig { role: Role::Customer, strict: false }),
        extended_next_hop: true,
        ..proposal()
    };
    let offered = [
        MultiProtocol(V4),
        MultiProtocol(V6),
        RouteRefresh,
        EnhancedRouteRefresh,
        ExtendedNextHop(set(&[V4])),
        ExtendedMessage,
        Capability::Role(Role::Customer),
        Capability::GracefulRestart(restart(true)),
        LongLivedGracefulRestart(vec![long_lived]),
        FourOctetAs(65001),
        AddPath(vec![several]),
    ];
    assert_eq!(all.open().capabilities, offered);
    // RFC 9494 §3.1: not without RFC 4724.
    let without = Proposal { graceful_restart: None, ..all.clone() }.open();
    assert!(!without.capabilities.contains(&LongLivedGracefulRestart(vec![long_lived])));
    // There is nothing that it could be for.
    let only_v6 = Proposal { families: set(&[V6]), extended_messages: false, ..all }.open();
    let absent = [ExtendedNextHop(set(&[V4])), ExtendedMessage, MultiProtocol(V4)];
    assert!(only_v6.capabilities.iter().all(|capability| !absent.contains(capability)));
}

#[test]
fn families_are_intersected() {
    let unknown = |code| Capability::Unknown { code, value: Bytes::new() };
    let table = [
        (vec![], Some(set(&[V4]))), // RFC 4760 §8
        (vec![unknown(99)], Some(set(&[V4]))),
        (vec![unknown(1)], None), // some other family only
        (vec![Capability::MultiProtocol(V6)], Some(set(&[V6]))),
        (Family::ALL.map(Capability::MultiProtocol).to_vec(), Some(both_families())),
    ];
    for (capabilities, expected) in table {
        let agreed = proposal().agree(&with(capabilities)).ok();
        assert_eq!(agreed.as_ref().map(|agreed| agreed.families), expected);
        if let Some(agreed) = agreed {
            assert!(!agreed.route_refresh && !agreed.enhanced_route_refresh);
            assert!(!agreed.codec.four_octet_as && !agreed.codec.extended_messages);
        }
    }
    let only_v6 = Proposal { families: set(&[V6]), ..proposal() };
    let refusal = only_v6.agree(&their_open()).unwrap_err();
    assert_eq!((refusal.notification.code, refusal.notification.subcode), (2, 7));
    assert_eq!(&refusal.notification.data[..], [1, 4, 0, 2, 0, 1], "RFC 5492 §5: what was wanted");
    assert_eq!(refusal.reason, "no family in common: we carry ipv6-unicast, the peer ipv4-unicast");
}

#[test]
fn timers_are_agreed_on() {
    let seconds = Duration::from_secs;
    let timers = |hold, keepalive: Option<u64>, send_hold: Option<u64>| Timers {
        hold: seconds(hold),
        keepalive: keepalive.map(seconds),
        send_hold: send_hold.map(seconds),
        ..Timers::default()
    };
    // Ours, the peer's hold time; hold time, keepalive, send hold time.
    let table = [
        (timers(90, None, None), 90, (90, 30, 480)),
        (timers(90, None, None), 30, (30, 10, 480)),
        (timers(9, Some(2), None), 90, (9, 2, 480)),
        (timers(90, Some(60), None), 90, (90, 30, 480)),
        (timers(90, Some(20), None), 9, (9, 3, 480)),
        (timers(90, Some(0), None), 90, (90, 30, 480)),
        (timers(3, None, None), 90, (3, 1, 480)),
        (timers(0, Some(7), None), 90, (0, 0, 480)),
        (timers(90, None, None), 0, (0, 0, 480)),
        (timers(600, None, None), 600, (600, 200, 1200)),
        (timers(600, None, Some(700)), 600, (600, 200, 700)),
        (timers(90, None, Some(0)), 90, (90, 30, 0)),
    ];
    for (timers, theirs, expected) in table {
        let open = Open { hold_time_secs: theirs, ..their_open() };
        let agreed = Proposal { timers, ..proposal() }.agree(&open).unwrap();
        let found = [agreed.hold_time, agreed.keepalive, agreed.send_hold].map(|time| time.as_secs());
        assert_eq!((found[0], found[1], found[2]), expected, "{timers:?} with {theirs}");
    }
}

#[test]
fn roles_have_to_fit() {
    use Role::{Customer, Peer, Provider, RouteServer, RouteServerClient};
    let fitting = [
        (Provider, Customer),
        (Customer, Provider),
        (RouteServer, RouteServerClient),
        (RouteServerClient, RouteServer),
        (Peer, Peer),
    ];
    let roles = [Provider, RouteServer, RouteServerClient, Customer, Peer];
    let agree = |role: Option<(Role, bool)>, theirs: &[Role]| {
        let role = role.map(|(role, strict)| RoleConfig { role, strict });
        let open = with(theirs.iter().copied().map(Capability::Role).collect());
        let agreed = Proposal { role, ..proposal() }.agree(&open);
        agreed.map(|agreed| agreed.role).map_err(|error| error.notification.subcode)
    };
    for ours in roles {
        for theirs in roles {
            let expected = if fitting.contains(&(ours, theirs)) { Ok(Some(theirs)) } else { Err(11) };
            for strict in [false, true] {
                assert_eq!(agree(Some((ours, strict)), &[theirs]), expected, "{ours} and {theirs}");
                assert_eq!(agree(Some((ours, strict)), &[theirs, theirs]), expected, "{ours} and {theirs}");
            }
        }
        assert_eq!(agree(Some((ours, false)), &[]), Ok(None));
        assert_eq!(agree(Some((ours, true)), &[]), Err(11));
        assert_eq!(agree(Some((ours, false)), &roles), Err(11), "several that differ");
        assert_eq!(agree(None, &[ours]), Ok(Some(ours)));
    }
    let strict = Proposal { role: Some(RoleConfig { role: Provider, strict: true }), ..proposal() };
    let mismatch = strict.agree(&with(vec![Capability::Role(Peer)])).unwrap_err();
    assert_eq!(mismatch.reason, "peer says it is peer, but to a provider it has to be customer");
}

#[test]
fn restarts_are_agreed_on() {
    let long_lived =
        |family, stale_time_secs| LongLivedFamily { family, forwarding_preserved: false, stale_time_secs };
    let offers = |restart, families| {
        let mut capabilities = vec![Capability::MultiProtocol(V4), Capability::MultiProtocol(V6)];
        capabilities.extend(Option::map(restart, Capability::GracefulRestart));
        capabilities.push(Capability::LongLivedGracefulRestart(families));
        with(capabilities)
    };
    let ours = |notification| Proposal {
        graceful_restart: Some(restart(notification)),
        long_lived: vec![long_lived(V4, 100)],
        ..proposal()
    };
    let theirs = || vec![long_lived(V4, 200), long_lived(V6, 300)];
    for (we, they) in [(false, false), (false, true), (true, false), (true, true)] {
        let agreed = ours(we).agree(&offers(Some(restart(they)), theirs())).unwrap();
        assert_eq!(agreed.graceful_restart, Some(restart(they)));
        assert_eq!(agreed.notification, we && they);
        assert_eq!(agreed.long_lived, [long_lived(V4, 200)], "what the peer said, of what we keep so long");
    }
    let without_theirs = ours(true).agree(&offers(None, theirs())).unwrap();
    assert_eq!((without_theirs.graceful_restart, without_theirs.long_lived), (None, vec![]));
    let without_ours = Proposal { graceful_restart: None, ..ours(true) };
    let agreed = without_ours.agree(&offers(Some(restart(true)), theirs())).unwrap();
    assert_eq!((agreed.graceful_restart, agreed.notification, agreed.long_lived), (None, false, vec![]));
    // RFC 4724 §3: of several, the last.
    let mut several = offers(Some(restart(true)), theirs());
    several.capabilities.push(Capability::GracefulRestart(restart(false)));
    assert_eq!(ours(true).agree(&several).unwrap().graceful_restart, Some(restart(false)));
}

#[test]
fn several_paths_are_agreed_on_each_way() {
    let says = |family, receive, send| AddPathFamily { family, receive, send };
    let choices = [(false, false), (false, true), (true, false), (true, true)];
    for ours in choices {
        for theirs in choices {
            let add_path = vec![says(V4, ours.0, ours.1), says(V6, true, true)];
            let open = with(vec![
                Capability::MultiProtocol(V4),
                Capability::AddPath(vec![says(V4, theirs.0, theirs.1), says(V6, true, true)]),
            ]);
            let codec = Proposal { add_path, ..proposal() }.agree(&open).unwrap().codec;
            let expected = |agreed: bool| if agreed { set(&[V4]) } else { set(&[]) };
            assert_eq!(codec.add_path_receive, expected(ours.0 && theirs.1));
            assert_eq!(codec.add_path_send, expected(ours.1 && theirs.0));
        }
    }
}

#[test]
fn extensions_of_the_wire_need_both_ends() {
    let capabilities = vec![
        Capability::MultiProtocol(V4),
        Capability::ExtendedMessage,
        Capability::ExtendedNextHop(set(&[V4])),
        Capability::FourOctetAs(65002),
    ];
    for offered in [false, true] {
        let ours = Proposal { extended_messages: offered, extended_next_hop: offered, ..proposal() };
        let both = ours.agree(&with(capabilities.clone())).unwrap().codec;
        assert_eq!((both.extended_messages, both.extended_next_hop), (offered, offered));
        assert!(both.four_octet_as);
        let alone = ours.agree(&their_open()).unwrap().codec;
        assert!(!alone.extended_messages && !alone.extended_next_hop && !alone.four_octet_as);
    }
    let ours = Proposal { extended_next_hop: true, families: set(&[V6]), ..proposal() };
    let v6_only = vec![Capability::MultiProtocol(V6), Capability::ExtendedNextHop(set(&[V4]))];
    assert!(!ours.agree(&with(v6_only)).unwrap().codec.extended_next_hop, "of a family that is not carried");
}

#[test]
fn what_both_sent_has_names() {
    let everything = Proposal {
        graceful_restart: Some(restart(true)),
        long_lived: vec![LongLivedFamily { family: V6, forwarding_preserved: false, stale_time_secs: 7 }],
        add_path: vec![
            AddPathFamily { family: V4, receive: true, send: true },
            AddPathFamily { family: V6, receive: false, send: true },
        ],
        role: Some(RoleConfig { role: Role::Peer, strict: true }),
        extended_next_hop: true,
        ..proposal()
    };
    let theirs = Proposal { local_as: 65002, router_id: THEIR_ID, ..everything.clone() }.open();
    let names = everything.agree(&theirs).unwrap().capability_names();
    let expected = [
        "multiprotocol ipv4-unicast",
        "multiprotocol ipv6-unicast",
        "route-refresh",
        "enhanced-route-refresh",
        "extended-message",
        "role",
        "four-octet-as",
        "graceful-restart",
        "graceful-restart notification",
        "extended-next-hop ipv4-unicast",
        "long-lived-graceful-restart ipv6-unicast",
        "add-path ipv4-unicast receive",
        "add-path ipv4-unicast send",
    ];
    assert_eq!(names, expected);
    assert_eq!(everything.agree(&with(vec![])).err().map(|error| error.notification.subcode), Some(11));
    assert_eq!(proposal().agree(&their_open()).unwrap().capability_names(), Vec::<String>::new());
}

fn any_proposal() -> impl Strategy<Value = Proposal> {
    let families = prop::sample::select(vec![set(&[V4]), set(&[V6]), both_families()]);
    let add_path = prop::collection::vec(
        (prop::sample::select(Family::ALL.to_vec()), any::<bool>(), any::<bool>())
            .prop_map(|(family, receive, send)| AddPathFamily { family, receive, send }),
        0..3,
    );
    let role = prop::option::of(
        (0..5_u8, any::<bool>())
            .prop_map(|(code, strict)| RoleConfig { role: Role::from_code(code).unwrap(), strict }),
    );
    let long_lived = prop::sample::subsequence(Family::ALL.to_vec(), 0..=2).prop_map(|families| {
        let one = |family| LongLivedFamily { family, forwarding_preserved: false, stale_time_secs: 9 };
        families.into_iter().map(one).collect::<Vec<_>>()
    });
    let restart = prop::option::of(any::<bool>().prop_map(restart));
    (families, add_path, role, long_lived, restart, any::<(bool, bool)>(), 0..200_u64).prop_map(
        |(families, add_path, role, long_lived, graceful_restart, (messages, next_hop), hold)| Proposal {
            families,
            add_path,
            role,
            long_lived,
            graceful_restart,
            extended_messages: messages,
            extended_next_hop: next_hop,
            timers: Timers {
                hold: Duration::from_secs(if hold < 3 { 0 } else { hold }),
                ..Timers::default()
            },
            remote_as: RemoteAs::Any,
            ..proposal()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two of us always see the same session, each from its side, or at least one sees none.
    #[test]
    fn both_ends_agree_on_the_same(ours in any_proposal(), theirs in any_proposal()) {
        let theirs = Proposal { local_as: 65002, router_id: THEIR_ID, ..theirs };
        let (Ok(here), Ok(there)) = (ours.agree(&theirs.open()), theirs.agree(&ours.open())) else {
            return Ok(());
        };
        prop_assert_eq!(here.families, there.families);
        prop_assert!(!here.families.is_empty());
        prop_assert_eq!(here.hold_time, there.hold_time);
        prop_assert_eq!(here.notification, there.notification);
        prop_assert_eq!(here.graceful_restart.is_some(), there.graceful_restart.is_some());
        prop_assert_eq!(here.long_lived.len(), there.long_lived.len());
        prop_assert_eq!(here.codec.add_path_receive, there.codec.add_path_send);
        prop_assert_eq!(here.codec.add_path_send, there.codec.add_path_receive);
        prop_assert_eq!(here.codec.extended_messages, there.codec.extended_messages);
        prop_assert_eq!(here.codec.extended_next_hop, there.codec.extended_next_hop);
        prop_assert!(here.codec.four_octet_as && here.enhanced_route_refresh && here.route_refresh);
        prop_assert_eq!(here.role, there.local_role);
        let mirrored = |names: Vec<String>| -> BTreeSet<String> {
            names.into_iter().filter(|name| !name.starts_with("add-path")).collect()
        };
        prop_assert_eq!(mirrored(here.capability_names()), mirrored(there.capability_names()));
    }
}
