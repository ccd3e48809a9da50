//! Spelling.

use std::net::IpAddr;

use super::super::table::{Bits, ConntrackState, Family, Field, Limit, Log, Rule, Side, Statement, Verdict};
use super::{range_text, rule_text};

#[test]
fn ranges_are_networks_where_they_can_be() {
    let cases = [
        ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("10.0.0.128", "10.0.1.127", "10.0.0.128-10.0.1.127"),
        ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
        ("224.0.0.0", "255.255.255.255", "224.0.0.0/3"),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ("2001:db8::", "2001:db8::ff", "2001:db8::/120"),
        ("2001:db8::1", "2001:db8::3", "2001:db8::1-2001:db8::3"),
    ];
    for (first, last, text) in cases {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(range_text(parse(first), parse(last)), text);
    }
}

#[test]
fn implied_conditions_are_left_out_and_others_are_not() {
    let address = |family| Statement::InSet(vec![Field::Address(Side::Source, family)], "s".to_owned());
    let cases = [
        (vec![Statement::Family(Family::V4), address(Family::V4)], "ip saddr @s"),
        (vec![Statement::Family(Family::V4), address(Family::V6)], "meta nfproto ipv4 ip6 saddr @s"),
        (
            vec![
                Statement::Protocol(6),
                Statement::PortIn(Side::Destination, 80, 90),
                Statement::PortNotIn(Side::Source, 53, 53),
            ],
            "tcp dport 80-90 tcp sport != 53",
        ),
        (
            vec![Statement::Protocol(47), Statement::PortIn(Side::Destination, 80, 80)],
            "meta l4proto 47 th dport 80",
        ),
        (vec![Statement::Protocol(17), Statement::Counter], "meta l4proto udp counter"),
        (
            vec![Statement::Family(Family::V6), Statement::Protocol(58), Statement::IcmpTypeIn(128, 128)],
            "icmpv6 type 128",
        ),
        (
            vec![
                Statement::ConntrackState([ConntrackState::Related, ConntrackState::Established].into()),
                Statement::InterfaceIs(Side::Destination, "eth0".to_owned()),
                Statement::Verdict(Verdict::Jump("c".to_owned())),
            ],
            "ct state established,related oifname \"eth0\" jump c",
        ),
        (
            vec![
                Statement::Family(Family::V4),
                Statement::Protocol(1),
                Statement::IcmpTypeIn(3, 3),
                Statement::IcmpCodeIsNot(4),
            ],
            "icmp type 3 icmp code != 4",
        ),
        (
            vec![
                Statement::IsReply,
                Statement::MarkIs(Bits { mask: 0xfff, value: 5 }),
                Statement::SetMark(Bits { mask: 0xfff, value: 6 }),
                Statement::Limit(Limit { per_second: 10, burst: 20 }),
                Statement::Log(Log { prefix: "deny|a".to_owned(), group: 65, snaplen: 96 }),
            ],
            "ct direction reply ct mark & 0x00000fff == 0x00000005 ct mark set ct mark & 0xfffff000 | 0x00000006 \
             limit rate 10/second burst 20 packets log prefix \"deny|a\" group 65 snaplen 96",
        ),
        (vec![Statement::Protocol(6), Statement::NotPlainSyn], "tcp flags & (fin | syn | rst | ack) != syn"),
    ];
    for (statements, text) in cases {
        assert_eq!(rule_text(&Rule { comment: String::new(), statements }), text);
    }
}
