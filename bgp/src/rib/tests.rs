//! The tables as one: peers announce, come and go, members are told at their own pace; in the end everybody has been
//! told just what the rules say of the table as it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::wire::{AsPath, Codec, FamilySet, Message, framer};

mod features;
mod histories;

/// What one peer has in its Adj-RIB-In of ours, by its own decoder.
#[derive(Debug, Default)]
struct Receiver {
    routes: BTreeMap<Nlri, (Attributes, NextHop)>,
    ends_of_rib: usize,
    /// Announcements and withdrawals, one by one.
    news: usize,
    messages: u32,
}

impl Receiver {
    /// Takes up to `limit` pieces; whether there was less.
    fn drain(&mut self, rib: &mut Rib, member: MemberId, codec: &Codec, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(piece) = rib.next_piece(member) else { return true };
            self.messages += piece.messages;
            self.take(&piece.octets, codec);
        }
        false
    }

    fn take(&mut self, octets: &[u8], codec: &Codec) {
        let theirs = Codec { add_path_receive: codec.add_path_send, ..*codec };
        let mut buffer = BytesMut::from(octets);
        let mut count = 0;
        while let Some(frame) = framer::decode(&mut buffer, theirs.max_octets()).expect("framed") {
            count += 1;
            match Message::decode(frame.kind, &frame.body, &theirs).expect("good").expect("known") {
                Message::Update(update) => self.update(update),
                Message::RouteRefresh(_) => {}
                other @ (Message::Open(_) | Message::Notification(_) | Message::Keepalive) => {
                    panic!("{other:?}")
                }
            }
        }
        assert!(buffer.is_empty() && count > 0);
    }

    fn update(&mut self, update: crate::wire::Update) {
        assert_eq!(update.errors, []);
        self.ends_of_rib += usize::from(update.end_of_rib.is_some());
        for nlri in update.withdrawn {
            self.news += 1;
            self.routes.remove(&nlri);
        }
        for reach in update.reach {
            for nlri in reach.prefixes {
                self.news += 1;
                self.routes.insert(nlri, (update.attributes.clone(), reach.next_hop));
            }
        }
    }
}

fn neighbour(number: u8, kind: Kind) -> Neighbour {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, number));
    Neighbour {
        key: PeerKey::Address(address),
        address,
        interface: None,
        router_id: Ipv4Addr::new(1, 1, 1, number),
        asn: if kind == Kind::External { 65100 + u32::from(number) } else { 65000 },
        kind,
        cost: 0,
    }
}

fn import(policy: Policy) -> Import {
    Import {
        own_as: vec![65000],
        allow_own_as: 0,
        prepend: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(9, 9, 9, 9),
        addresses: vec![],
        role: None,
        policy,
    }
}

fn export(kind: Kind, policy: Policy) -> Export {
    let external = kind == Kind::External;
    Export {
        family: Family::Ipv4Unicast,
        kind,
        prepend: if external { vec![65000] } else { vec![] },
        override_as: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(9, 9, 9, 9),
        client_to_client: true,
        own_next_hop: Some(NextHop::V4(Ipv4Addr::new(10, 0, 0, 254))),
        shared_link: vec![],
        next_hop: NextHopMode::Usual,
        role: None,
        local_as: 65000,
        graceful_shutdown: false,
        long_lived: false,
        add_path: SendPaths::Best,
        policy,
        codec: Codec { external, ..Codec::default() },
    }
}

fn with_add_path(export: Export, add_path: SendPaths) -> Export {
    let add_path_send = FamilySet::from_iter([Family::Ipv4Unicast]);
    Export { add_path, codec: Codec { add_path_send, ..export.codec }, ..export }
}

fn prefix(number: u8) -> IpNetwork {
    format!("10.{number}.0.0/16").parse().expect("a prefix")
}

fn nlri(number: u8) -> Nlri {
    Nlri { prefix: prefix(number), path_id: 0 }
}

fn path(asns: &[u32], med: u32) -> Attributes {
    Attributes { as_path: AsPath::sequence(asns.iter().copied()), med: Some(med), ..Attributes::default() }
}

fn via(number: u8) -> NextHop {
    NextHop::V4(Ipv4Addr::new(10, 0, 0, number))
}

/// A rib with one source of each of these kinds, from 1 on, that takes everything.
fn rib(kinds: &[Kind]) -> (Rib, Vec<SourceId>) {
    let mut rib = Rib::default();
    let sources = kinds.iter().zip(1..).map(|(kind, number)| {
        let source = rib.add_source(neighbour(number, *kind));
        rib.set_import(source, Family::Ipv4Unicast, import(Policy::Accept));
        source
    });
    let sources = sources.collect();
    (rib, sources)
}

/// What a member has to end up with: the rules applied to the table as it is.
fn expected(rib: &Rib, member: MemberId) -> BTreeMap<Nlri, (Attributes, NextHop)> {
    let family = adj_out::family_of(member);
    let me = &rib.family(family).members[&member];
    let rules = &rib.group(family, me.group).expect("a group").export;
    let table = &rib.family(family).table;
    let tables = rib.tables(family);
    let mut expected = BTreeMap::new();
    for dest in table.destinations() {
        for id in table.routes_to(dest) {
            let route = table.route(id);
            let told = match rules.add_path {
                SendPaths::Best => route.state.best(),
                SendPaths::All | SendPaths::Limit(_) => true,
            };
            let counts = told && route.state.unusable.is_none() && !route.state.suppressed();
            if !counts || route.source == me.source || (rib.held && route.source != OWN) {
                continue;
            }
            let path_id = if rules.add_path == SendPaths::Best { 0 } else { group::path_id_of(id) };
            if let Ok(told) = tables.export(rules, dest, route.path, route.source) {
                let nlri = Nlri { prefix: table.prefix(dest), path_id };
                expected.insert(nlri, (told.attributes, told.next_hop));
            }
        }
    }
    expected
}
