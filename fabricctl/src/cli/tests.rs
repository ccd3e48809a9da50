use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use super::policy::{PolicyCommand, Protocol};
use super::value::{PortSpec, Prefix, ProtocolSpec, decode_duration};
use super::{Cli, Command};

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn durations() {
    let table = [
        ("500ms", Some(500)),
        ("10s", Some(10_000)),
        ("7", Some(7_000)),
        ("2m", Some(120_000)),
        ("1440m", Some(86_400_000)),
        ("1441m", None),
        ("0s", None),
        ("", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", None),
        ("1h", None),
        ("ß", None),
        ("18446744073709551615m", None),
    ];
    for (text, expected) in table {
        assert_eq!(decode_duration(text).ok(), expected.map(Duration::from_millis), "{text:?}");
    }
}

#[test]
fn prefixes() {
    let table = [
        ("10.65.0.0/26", Ok("10.65.0.0/26")),
        ("FD65::0/122", Ok("fd65::/122")),
        ("0.0.0.0/0", Ok("0.0.0.0/0")),
        ("10.65.0.5", Err("the length is missing; for exactly this address write 10.65.0.5/32")),
        ("fd65::5", Err("the length is missing; for exactly this address write fd65::5/128")),
        ("10.65.0.0/33", Err("the length \"33\" is not within 0 and 32")),
        ("10.65.0/24", Err("\"10.65.0\" is not an IP address")),
        ("web", Err("not a prefix such as 10.65.0.0/26")),
    ];
    for (text, expected) in table {
        let expected = expected.map(|text| Prefix(text.to_owned())).map_err(str::to_owned);
        assert_eq!(text.parse::<Prefix>(), expected, "{text:?}");
    }
}

#[test]
fn ports() {
    let table = [
        ("80", Some((80, None))),
        ("53/udp", Some((53, Some(Protocol::Udp)))),
        ("53/UDP", Some((53, Some(Protocol::Udp)))),
        ("65535/sctp", Some((65535, Some(Protocol::Sctp)))),
        ("0", None),
        ("65536", None),
        ("http", None),
        ("80/", None),
        ("80/http", None),
    ];
    for (text, expected) in table {
        let expected = expected.map(|(port, protocol)| PortSpec { port, protocol });
        assert_eq!(text.parse::<PortSpec>().ok(), expected, "{text:?}");
    }
}

#[test]
fn what_port_and_protocol_mean_together() {
    let named = |protocol, port| Ok((ProtocolSpec::Named(protocol), port));
    let table = [
        (&["80"][..], named(Protocol::Tcp, 80)),
        (&["53/udp"], named(Protocol::Udp, 53)),
        (&["53", "--protocol", "udp"], named(Protocol::Udp, 53)),
        (&["53", "--protocol", "17"], named(Protocol::Udp, 53)),
        (&["53/udp", "--protocol", "udp"], named(Protocol::Udp, 53)),
        (&["--protocol", "icmp"], named(Protocol::Icmp, 0)),
        (&["--icmp", "3/1"], named(Protocol::Icmp, 0)),
        (&["--protocol", "47"], Ok((ProtocolSpec::Number(47), 0))),
        (&["53/udp", "--protocol", "tcp"], Err("the port says udp, --protocol says tcp")),
        (&["8/icmp"], Err("icmp has no ports: leave it out")),
        (&["80", "--protocol", "47"], Err("47 has no ports: leave it out")),
        (&["80", "--icmp", "8"], Err("icmp has no ports: leave it out")),
        (&["80/udp", "--icmp", "8"], Err("--icmp is of icmp, not of udp")),
        (&["--icmp", "8", "--source-port", "9"], Err("icmp has no ports: leave --source-port out")),
        (&[], Err("tcp needs a destination port, such as `fabricctl policy explain a/b c/d 8080/tcp`")),
        (
            &["--protocol", "udp"],
            Err("udp needs a destination port, such as `fabricctl policy explain a/b c/d 8080/udp`"),
        ),
    ];
    for (arguments, expected) in table {
        let all = ["fabricctl", "policy", "explain", "a/b", "c/d"].iter().chain(arguments);
        let cli = Cli::try_parse_from(all).expect("parses");
        let Command::Policy(PolicyCommand::Explain(args)) = cli.command else { panic!("{arguments:?}") };
        assert_eq!(args.decode_target(), expected.map_err(str::to_owned), "{arguments:?}");
    }
}

#[test]
fn contradictions_are_refused() {
    let table = [
        "",
        "routes --peer 10.0.0.1 --received 10.0.0.2",
        "routes --advertised 10.0.0.1 --received 10.0.0.2",
        "routes --longer",
        "routes 10.0.0.0/8 --longer --shorter",
        "routes --table in --received 10.0.0.1",
        "routes --table rib",
        "routes --advertised 10.0.0.1 --rejected",
        "routes --limit 0",
        "routes --family ipv5",
        "why",
        "why web",
        "reset",
        "reset 10.0.0.1 --soft both",
        "reset 10.0.0.1 --soft in --message bye",
        "reset 10.0.0.1 --family ipv4",
        "ipam",
        "ipam show --ip 10.0.0.1 --blocks",
        "ipam show --blocks -n shop",
        "ipam show --blocks --handle h",
        "ipam show --ip 10.0.0.1 --handle h",
        "ipam show --nodes --blocks",
        "ipam show --nodes -n shop",
        "ipam show --nodes --ip 10.0.0.1",
        "ipam release",
        "ipam release web",
        "ipam release 10.0.0.1 --handle h",
        "ipam release 10.0.0.1 --from-report f",
        "ipam release --handle h --from-report f",
        "ipam release --dry-run",
        "ipam assign --ipv4 1",
        "ipam assign --handle h",
        "ipam assign --handle h --pool p",
        "ipam assign --handle h --ipv4 0",
        "ipam assign --handle h --ipv4 1 --use pod",
        "ipam reserve",
        "ipam reserve r",
        "ipam reserve r 10.0.0.1",
        "ipam unreserve",
        "ipam split p",
        "ipam split p 0",
        "ipam split p 1",
        "ipam split p 6",
        "ipam split p -2",
        "datastore",
        "datastore import",
        "datastore export a b",
        "apply",
        "get",
        "delete",
        "delete netpol",
        "delete netpol x -f file",
        "delete -n shop -f file",
        "policy explain a/b",
        "policy explain a/b c/d 80 --ip-version 5",
        "peers --output xml",
        "peers --timeout soon",
        "completions cobol",
    ];
    table.iter().for_each(|line| refused(line));
}

#[test]
fn contradictions_about_policies_are_refused() {
    let table = [
        "policy explain a/b c/d 80 --protocol 256",
        "policy explain a/b c/d 80 --source-port 0",
        "policy explain a/b c/d --icmp 8/",
        "policy explain a/b c/d 80 --direction up",
        "policy explain a/b c/d 80 --direction ingress --trace",
        "policy show",
        "policy diff",
        "policy diff --delete",
        "policy diff -f file --staged",
        "endpoints show",
        "endpoints --all-nodes show a/b",
    ];
    table.iter().for_each(|line| refused(line));
}

#[track_caller]
fn refused(line: &str) {
    let arguments = std::iter::once("fabricctl").chain(line.split_whitespace());
    assert!(Cli::try_parse_from(arguments).is_err(), "{line}");
}
