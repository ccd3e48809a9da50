//! What becomes of connections when policy changes under them.
//!
//! A connection that is still allowed goes on without losing a packet; one that is denied is cut, whoever still sends; and
//! one that is allowed again goes on where it was.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use felix_agent::dataplane::conntrack::{Change, Conntrack};
use felix_agent::dataplane::nftables::table::Bits;
use policy::program::{Direction, Match, Protocol, Side};

use crate::fabric::{
    Fabric, OUTSIDE, PATIENCE, POD_A, POD_B, SILENCE, connect, is_dropped, open_pods, passes, socket_address,
};
use crate::namespace::Namespace;
use crate::programs::{Builder, addresses, is_in, named_port, port, tuples};

/// A TCP connection with both of its ends in hand.
struct Tcp {
    client: TcpStream,
    server: TcpStream,
    _listener: TcpListener,
}

impl Tcp {
    fn open(client: &Namespace, server: &Namespace, address: &str, port: u16) -> Tcp {
        let listener = server.run(|| TcpListener::bind(socket_address(address, port)).unwrap());
        let client = connect(client, address, port, PATIENCE).unwrap();
        let (server, _) = listener.accept().unwrap();
        Tcp { client, server, _listener: listener }
    }

    /// There and back.
    #[track_caller]
    fn goes_on(&mut self) {
        assert!(there(&mut self.client, &mut self.server, PATIENCE), "from the client");
        assert!(there(&mut self.server, &mut self.client, PATIENCE), "from the server");
    }

    #[track_caller]
    fn is_cut(&mut self) {
        assert!(!there(&mut self.client, &mut self.server, SILENCE), "from the client");
        assert!(!there(&mut self.server, &mut self.client, SILENCE), "from the server");
    }
}

/// Whether a byte gets to the other end.
fn there(from: &mut TcpStream, to: &mut TcpStream, patience: Duration) -> bool {
    from.write_all(b"?").unwrap();
    to.set_read_timeout(Some(patience)).unwrap();
    match to.read_exact(&mut [0]) {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

/// How many segments the namespaces' TCP had to send again (`RetransSegs` of RFC 1213).
fn sent_again(namespaces: &[&Namespace]) -> u64 {
    let of = |namespace: &&Namespace| -> u64 {
        let text = namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let mut tcp = text.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(str::split_whitespace);
        let (names, values) = (tcp.next().unwrap(), tcp.next().unwrap());
        let found = names.zip(values).find(|(name, _)| *name == "RetransSegs");
        found.and_then(|(_, value)| value.parse().ok()).unwrap()
    };
    namespaces.iter().map(of).sum()
}

/// Datagrams between a client and a server that knows where the client is.
struct Udp {
    client: UdpSocket,
    server: UdpSocket,
}

impl Udp {
    fn open(client: (&Namespace, &str), server: (&Namespace, &str), port: u16) -> Udp {
        let there = socket_address(server.1, port);
        let server = server.0.run(|| UdpSocket::bind(there).unwrap());
        let client = client.0.run(|| UdpSocket::bind(socket_address(client.1, 0)).unwrap());
        client.connect(there).unwrap();
        let mut udp = Udp { client, server };
        assert!(udp.asks(PATIENCE));
        udp.server.connect(udp.client.local_addr().unwrap()).unwrap();
        udp
    }

    fn asks(&mut self, patience: Duration) -> bool {
        self.client.send(b"?").unwrap();
        arrives(&self.server, patience)
    }

    fn answers(&mut self, patience: Duration) -> bool {
        self.server.send(b"!").unwrap();
        arrives(&self.client, patience)
    }

    /// The server goes on sending, and the client says nothing.
    #[track_caller]
    fn push_is_cut_soon(&mut self) {
        let begin = Instant::now();
        while self.answers(SILENCE) {
            assert!(begin.elapsed() < PATIENCE, "what the server sends still arrives");
        }
        assert!(!self.answers(SILENCE));
    }
}

fn arrives(socket: &UdpSocket, patience: Duration) -> bool {
    socket.set_read_timeout(Some(patience)).unwrap();
    match socket.recv(&mut [0; 8]) {
        Ok(_) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Pod b lets these in.
fn let_in(rules: Vec<Vec<Match>>, from: &[&str]) -> Builder {
    Builder::default()
        .set("s1", addresses(from))
        .profile("p1", Direction::Ingress, rules)
        .endpoint("a", &POD_A, None, None)
        .endpoint("b", &POD_B, Some("p1"), None)
}

fn from_set() -> Vec<Match> {
    vec![is_in(Side::Source, "s1")]
}

/// Pod a may go to these.
fn let_out(to: &[&str]) -> Builder {
    Builder::default()
        .set("s1", addresses(to))
        .profile("p1", Direction::Egress, vec![vec![is_in(Side::Destination, "s1")]])
        .endpoint("a", &POD_A, None, Some("p1"))
        .endpoint("b", &POD_B, None, None)
}

#[test]
fn what_is_allowed_outlives_every_change_and_a_new_agent() {
    let mut fabric = Fabric::new();
    let everyone = [POD_A[0], POD_A[1], OUTSIDE[0], OUTSIDE[1]];
    fabric.enforce(&open_pods());
    for family in 0..2 {
        let mut inside = Tcp::open(&fabric.a, &fabric.b, POD_B[family], 80);
        let mut outside = Tcp::open(&fabric.outside, &fabric.b, POD_B[family], 81);
        let mut datagrams = Udp::open((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]), 53);
        let before = sent_again(&[&fabric.a, &fabric.b, &fabric.outside]);
        let changes = [
            let_in(vec![from_set()], &everyone),
            let_in(vec![from_set(), port(Protocol::Tcp, 9)], &everyone),
            let_in(vec![from_set()], &everyone),
            let_in(vec![from_set()], &[&everyone[..], &["10.1.0.77"]].concat()),
            let_in(vec![from_set()], &everyone),
            let_out(&[POD_B[0], POD_B[1]]),
            open_pods(),
        ];
        for change in &changes {
            for restarts in [false, true] {
                if restarts {
                    fabric.restart();
                }
                fabric.enforce(change);
                inside.goes_on();
                outside.goes_on();
                assert!(datagrams.asks(PATIENCE) && datagrams.answers(PATIENCE));
            }
        }
        let after = sent_again(&[&fabric.a, &fabric.b, &fabric.outside]);
        assert_eq!(after, before, "nothing was lost");
    }
}

#[test]
fn what_is_denied_is_cut_and_goes_on_when_allowed_again() {
    let mut fabric = Fabric::new();
    let narrowings = [
        // A rule goes, a member goes while its pod is there, a policy comes; in either direction.
        (let_in(vec![from_set()], &POD_A), let_in(vec![], &POD_A)),
        (let_in(vec![from_set()], &POD_A), let_in(vec![from_set()], &[])),
        (open_pods(), let_in(vec![from_set()], &[])),
        (let_out(&POD_B), let_out(&[])),
        (open_pods(), let_out(&OUTSIDE)),
    ];
    for family in 0..2 {
        for (step, (wide, narrow)) in narrowings.iter().enumerate() {
            fabric.enforce(wide);
            fabric.enforce(wide);
            let mut tcp = Tcp::open(&fabric.a, &fabric.b, POD_B[family], 80);
            let mut udp = Udp::open((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]), 53);
            tcp.goes_on();
            assert!(udp.asks(PATIENCE) && udp.answers(PATIENCE), "step {step}");
            fabric.enforce(narrow);
            assert!(!udp.asks(SILENCE), "step {step}");
            assert!(!udp.answers(SILENCE), "step {step}");
            tcp.is_cut();
            // An agent that starts anew resurrects nothing.
            fabric.restart();
            fabric.enforce(narrow);
            tcp.is_cut();
            fabric.enforce(wide);
            // Twice what was sent meanwhile comes first.
            tcp.goes_on();
            assert!(udp.asks(PATIENCE) && udp.answers(PATIENCE), "step {step}");
        }
    }
}

/// Nothing comes from the client that would meet the rules.
#[test]
fn what_a_server_pushes_is_cut_too_and_comes_again_when_allowed() {
    let mut fabric = Fabric::new();
    for family in 0..2 {
        for (wide, narrow) in
            [(let_in(vec![from_set()], &POD_A), let_in(vec![], &[])), (let_out(&POD_B), let_out(&[]))]
        {
            fabric.enforce(&wide);
            let mut udp = Udp::open((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]), 53);
            assert!(udp.answers(PATIENCE));
            fabric.enforce(&narrow);
            udp.push_is_cut_soon();
            fabric.enforce(&wide);
            let begin = Instant::now();
            while !udp.answers(SILENCE) {
                assert!(begin.elapsed() < PATIENCE, "what the server sends does not arrive");
            }
        }
    }
}

/// The walk judges by the same program: by port, by named port, and towards the outside.
#[test]
fn only_what_is_denied_is_cut() {
    let mut fabric = Fabric::new();
    let ports = |ports: &[u16]| {
        let rules = ports.iter().map(|number| port(Protocol::Udp, *number)).collect();
        let_in(rules, &[])
    };
    fabric.enforce(&ports(&[53, 54]));
    let mut kept = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 53);
    let mut cut = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 54);
    fabric.enforce(&ports(&[53]));
    cut.push_is_cut_soon();
    assert!(kept.answers(PATIENCE));

    let named = |members: &[(&str, Protocol, u16)]| {
        Builder::default()
            .set("s1", tuples(members))
            .profile("p1", Direction::Egress, vec![vec![named_port("s1")]])
            .endpoint("a", &POD_A, None, Some("p1"))
            .endpoint("b", &POD_B, None, None)
    };
    let both = [(OUTSIDE[0], Protocol::Udp, 55), (OUTSIDE[0], Protocol::Udp, 56)];
    fabric.enforce(&named(&both));
    let mut kept = Udp::open((&fabric.a, POD_A[0]), (&fabric.outside, OUTSIDE[0]), 55);
    let mut cut = Udp::open((&fabric.a, POD_A[0]), (&fabric.outside, OUTSIDE[0]), 56);
    fabric.enforce(&named(&both[..1]));
    cut.push_is_cut_soon();
    assert!(kept.answers(PATIENCE));
}

/// With `nf_conntrack_tcp_loose` the server's next segment would begin the connection anew, the other way round.
#[test]
fn a_connection_that_is_forgotten_does_not_come_back_from_the_other_end() {
    let mut fabric = Fabric::new();
    fabric.enforce(&open_pods());
    let mut tcp = Tcp::open(&fabric.a, &fabric.b, POD_B[0], 80);
    tcp.goes_on();
    fabric.enforce(&let_in(vec![], &[]));
    tcp.is_cut();
    fabric.node.command("conntrack", &["-D", "-p", "tcp", "--dport", "80"]);
    tcp.is_cut();
    is_dropped(&fabric.a, POD_B[0], 80);
}

#[test]
fn a_connection_older_than_the_rules_is_picked_up_and_later_ones_must_begin_properly() {
    let mut fabric = Fabric::new();
    let mut old = Tcp::open(&fabric.a, &fabric.b, POD_B[0], 80);
    old.goes_on();
    assert_eq!(fabric.enforce(&open_pods()).settles_in, Some(Duration::ZERO));
    old.goes_on();
    fabric.enforce(&open_pods());
    old.goes_on();
    let mut forgotten = Tcp::open(&fabric.a, &fabric.b, POD_B[0], 81);
    fabric.node.command("conntrack", &["-D", "-p", "tcp", "--dport", "81"]);
    forgotten.is_cut();
    passes(&fabric.a, POD_B[0], 81);
}

/// Probes, for instance: they never come by a rule, and no walk may touch them.
#[test]
fn what_the_node_itself_began_is_never_cut() {
    let mut fabric = Fabric::new();
    fabric.enforce(&open_pods());
    let mut tcp = Tcp::open(&fabric.node, &fabric.b, POD_B[0], 80);
    tcp.goes_on();
    fabric.enforce(&let_in(vec![], &[]));
    tcp.goes_on();
    fabric.node.nft("delete table inet fabric");
    fabric.enforce(&let_in(vec![], &[]));
    fabric.restart();
    fabric.enforce(&let_in(vec![], &[]));
    std::thread::sleep(SILENCE);
    tcp.goes_on();
}

#[test]
fn what_began_while_the_rules_were_gone_is_judged_when_they_are_back() {
    let mut fabric = Fabric::new();
    let denied = let_in(vec![port(Protocol::Udp, 53)], &[]);
    fabric.enforce(&denied);
    let mut allowed = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 53);
    // Something else keeps connection tracking awake.
    fabric
        .node
        .nft("table ip other { chain c { type filter hook forward priority 5; ct state new counter; }; }");
    fabric.node.nft("delete table inet fabric");
    let mut smuggled = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 54);
    assert!(fabric.enforce(&denied).applied.disturbed);
    smuggled.push_is_cut_soon();
    assert!(!smuggled.asks(SILENCE));
    assert!(allowed.answers(PATIENCE) && allowed.asks(PATIENCE));
}

/// The kernel's table is given the last generation, and one connection's mark the first, as if it had slept since the last
/// time that the generations began again.
#[test]
fn generations_begin_again_without_reviving_what_they_meant_before() {
    let mut fabric = Fabric::new();
    let ports =
        |ports: &[u16]| let_in(ports.iter().map(|number| port(Protocol::Udp, *number)).collect(), &[]);
    // Twice, for the rule about SYN comes only then. nft shows the mask with the value in it.
    fabric.enforce(&ports(&[53, 54]));
    fabric.enforce(&ports(&[53, 54]));
    let list = fabric.node.list().replace("0x00001000", "0x00ffe000").replace("0xff001fff", "0xff000fff");
    fabric.node.nft("delete table inet fabric");
    fabric.node.nft(&list);
    fabric.restart();
    assert_eq!(fabric.enforce(&ports(&[53, 54])).applied.changes, 0, "it is taken for ours");
    let mut kept = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 53);
    let mut cut = Udp::open((&fabric.a, POD_A[0]), (&fabric.b, POD_B[0]), 54);
    let mut conntrack = fabric.node.run(|| Conntrack::open().unwrap());
    let entries = conntrack.dump(Some(Bits { mask: 0x00ff_ffff, value: 0x00ff_e001 })).unwrap();
    assert_eq!(entries.len(), 2);
    let asleep = entries.iter().filter(|entry| entry.original.ports.1 == 54);
    let first = Change::Mark(Bits { mask: 0x00ff_f000, value: 0x0000_1000 });
    assert_eq!(conntrack.change(asleep.map(|entry| (entry, first))).unwrap(), 1);
    fabric.enforce(&ports(&[53]));
    assert!(fabric.node.list().contains("0x00001000"));
    assert!(!cut.asks(SILENCE) && !cut.answers(SILENCE));
    assert!(kept.asks(PATIENCE) && kept.answers(PATIENCE));
}
