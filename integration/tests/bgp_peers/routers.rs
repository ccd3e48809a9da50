//! A node between a BIRD and an FRR, one session with each that carries both families.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use integration::kernel;
use integration::lab::Lab;
use integration::link::{self, End};
use integration::node::Node;
use integration::topology::addresses;
use integration::tor::bird::protocol_name;
use integration::tor::{self, Kind, Spec, Tor, Way};
use ipnetwork::IpNetwork;

use crate::agent::{self, Neighbour};
use crate::wait_until;

/// Announced by both routers.
pub const SHARED: [&str; 2] = ["198.51.100.0/24", "2001:db8:100::/48"];
/// Announced by BIRD alone.
pub const OF_BIRD: [&str; 2] = ["203.0.113.0/25", "2001:db8:1::/48"];
/// Announced by FRR alone.
pub const OF_FRR: [&str; 2] = ["203.0.113.128/25", "2001:db8:2::/48"];

/// How a test wants it.
pub struct Plan {
    pub node_asn: u32,
    /// BIRD's, FRR's.
    pub router_asns: [u32; 2],
    /// Whether sessions run over IPv6.
    pub over_v6: bool,
    /// What the routers tell the node to wait for them when they restart, seconds.
    pub restart_secs: u16,
}

impl Default for Plan {
    fn default() -> Self {
        Self { node_asn: agent::ASN, router_asns: [65_101, 65_102], over_v6: false, restart_secs: 60 }
    }
}

/// Everything in its lab. The agent runs.
pub struct Routers {
    pub bird: Tor,
    pub frr: Tor,
    pub node: Node,
    pub lab: Lab,
}

impl Routers {
    /// Builds it and waits until all sessions stand and all routes are known to all.
    pub fn start(plan: &Plan) -> Self {
        let lab = Lab::new("test").unwrap();
        let namespace = lab.namespace("node1").unwrap();
        let pick = usize::from(plan.over_v6);
        let neighbours = [1, 2].map(|t| Neighbour {
            address: addresses::link(t, 1).tor[pick].ip(),
            asn: plan.router_asns[usize::from(t) - 1],
            passive: false,
            hold_time_secs: 9,
        });
        let tors = [(1, Kind::Bird, OF_BIRD), (2, Kind::Frr, OF_FRR)].map(|(t, kind, own)| {
            let tor = lab.namespace(&format!("tor{t}")).unwrap();
            let ends = addresses::link(t, 1);
            link::connect(
                End { namespace: &tor, interface: "node1", addresses: &ends.tor },
                End { namespace: &namespace, interface: &format!("tor{t}"), addresses: &ends.node },
            )
            .unwrap();
            let spec = spec(t, kind, plan);
            let config = match kind {
                Kind::Bird => render_bird(&spec, own, plan.restart_secs),
                Kind::Frr => render_frr(&spec, own, plan.restart_secs),
            };
            let directory = lab.make_directory(&format!("tor{t}")).unwrap();
            Tor::start_configured(tor, directory, spec, config).unwrap()
        });
        let mut node = agent::make(&lab, namespace, plan.node_asn, &neighbours);
        node.start_agent().unwrap();
        let [bird, frr] = tors;
        let routers = Self { bird, frr, node, lab };
        routers.settle();
        routers
    }

    /// Waits until all sessions stand, each on the one connection that is left where both ends dialled (RFC 4271 §6.8),
    /// and all routes are known to all, none of them stale.
    pub fn settle(&self) {
        wait_until("there is one connection with each router", || self.ensure_one_connection_each());
        wait_until("both routers have fresh routes of the node", || {
            for tor in self.both() {
                tor.ensure_established()?;
                self.ensure_kept(tor, false)?;
            }
            Ok(())
        });
        wait_until("the node has everything", || {
            for tor in self.both() {
                agent::ensure_established(&self.node, self.address_of(tor))?;
            }
            for (prefixes, tors) in [
                (OF_BIRD, &[&self.bird][..]),
                (OF_FRR, &[&self.frr][..]),
                (SHARED, &[&self.bird, &self.frr][..]),
            ] {
                self.ensure_routed(prefixes, tors)?;
            }
            Ok(())
        });
    }

    /// A session may have stood on a connection before the other end decided for another, and that counts as a flap: what
    /// is counted is compared with what was counted when one was left.
    fn ensure_one_connection_each(&self) -> Result<()> {
        let text = self.node.namespace().output("ss", &["-Htn", "state", "established"])?;
        let bgp: Vec<_> =
            text.lines().filter(|line| line.contains(":179 ") || line.trim_end().ends_with(":179")).collect();
        ensure!(bgp.len() == 2, "{text}");
        let with = self.both().map(|tor| self.address_of(tor).to_string());
        ensure!(with.iter().all(|tor| bgp.iter().any(|line| line.contains(tor))), "{text}");
        Ok(())
    }

    /// How often the session with each router has fallen.
    pub fn flaps(&self) -> [u64; 2] {
        self.both().map(|tor| agent::peer(&self.node, self.address_of(tor)).unwrap().flaps)
    }

    pub fn both(&self) -> [&Tor; 2] {
        [&self.bird, &self.frr]
    }

    /// The address by which the node peers with a router.
    pub fn address_of(&self, tor: &Tor) -> IpAddr {
        tor.spec().neighbours[0].local
    }

    /// The name of BIRD's protocol.
    pub fn protocol(&self) -> String {
        protocol_name(&self.bird.spec().neighbours[0])
    }

    /// The node's end of the link to a router.
    pub fn near(&self, tor: &Tor) -> [IpAddr; 2] {
        addresses::link(number(tor), 1).node.map(|end| end.ip())
    }

    /// The node's link-local address on the link to a router.
    fn link_local(&self, tor: &Tor) -> Result<IpAddr> {
        let arguments = ["-o", "-6", "address", "show", "dev", &tor.spec().name, "scope", "link"];
        let text = self.node.namespace().output("ip", &arguments)?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "inet6").skip(1);
        let network: IpNetwork = words.next().with_context(|| format!("no address in {text:?}"))?.parse()?;
        Ok(network.ip())
    }

    /// Fails unless the node's kernel leads both prefixes over exactly these routers.
    pub fn ensure_routed(&self, prefixes: [&str; 2], over: &[&Tor]) -> Result<()> {
        for (family, prefix) in prefixes.into_iter().enumerate() {
            let wanted: BTreeSet<IpAddr> =
                over.iter().map(|tor| addresses::link(number(tor), 1).tor[family].ip()).collect();
            let found = kernel::gateways(self.node.namespace(), prefix.parse()?)?;
            ensure!(found == wanted, "{prefix} goes over {found:?}, not {wanted:?}");
        }
        Ok(())
    }

    /// Fails unless the router uses the node's two addresses over its link, stale or not as said.
    ///
    /// BIRD marks stale routes only in long-lived graceful restart; here it says of the session what it keeps.
    pub fn ensure_kept(&self, tor: &Tor, stale: bool) -> Result<()> {
        let is_bird = tor.spec().kind == Kind::Bird;
        if is_bird {
            let text = tor.ask(&format!("show protocols all {}", self.protocol()))?;
            let restarting = text.contains("Neighbor graceful restart active");
            ensure!(restarting == stale, "BIRD (expected to keep stale routes: {stale}): {text}");
        }
        for (prefix, near) in agent::announced(&self.node).into_iter().zip(self.near(tor)) {
            let ways = tor.paths(prefix)?;
            let name = &tor.spec().name;
            ensure!(
                matches!(&ways[..], [Way { best: true, stale: mark, next_hop, .. }] if *mark == (stale && !is_bird) && *next_hop == near),
                "{name}: {prefix}: {ways:?}, not (stale: {stale}) by {near}"
            );
            let gateways = kernel::gateways(tor.namespace(), prefix)?;
            // Of the two next hops that there are for IPv6, FRR takes the link-local one (RFC 2545 §2).
            let possible = [near, self.link_local(tor)?];
            ensure!(
                gateways.len() == 1 && gateways.iter().all(|gateway| possible.contains(gateway)),
                "{name}: {prefix} goes over {gateways:?}, not one of {possible:?}"
            );
        }
        Ok(())
    }
}

fn number(tor: &Tor) -> u8 {
    match tor.spec().kind {
        Kind::Bird => 1,
        Kind::Frr => 2,
    }
}

fn spec(t: u8, kind: Kind, plan: &Plan) -> Spec {
    let ends = addresses::link(t, 1);
    let pick = usize::from(plan.over_v6);
    Spec {
        name: format!("tor{t}"),
        kind,
        asn: plan.router_asns[usize::from(t) - 1],
        router_id: Ipv4Addr::new(10, 255, 1, t),
        loopbacks: Vec::new(),
        fabric: Vec::new(),
        neighbours: vec![tor::Neighbour {
            name: "node1".to_owned(),
            local: ends.tor[pick].ip(),
            remote: ends.node[pick].ip(),
            asn: plan.node_asn,
            passive: false,
        }],
    }
}

/// A BIRD that announces prefixes of its own.
pub fn render_bird(spec: &Spec, own: [&str; 2], restart_secs: u16) -> String {
    let session = &spec.neighbours[0];
    let mut text = format!(
        "log stderr all;\nrouter id {id};\ntimeformat protocol iso short;\n\
         debug protocols {{ states }};\nprotocol device {{ scan time 10; }}\n",
        id = spec.router_id,
    );
    for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
        text.push_str(&format!(
            "protocol kernel kernel_{family} {{\n  persist; graceful restart on; merge paths on;\n  \
               {family} {{ import none; export where source = RTS_BGP; }};\n}}\n\
             protocol static own_{family} {{ {family}; route {} blackhole; }}\n\
             protocol static shared_{family} {{ {family}; route {} blackhole; }}\n",
            own[index], SHARED[index],
        ));
    }
    text.push_str(&format!(
        "protocol bgp {protocol} {{\n  \
           local {local} as {asn};\n  neighbor {remote} as {remote_as};\n  direct;\n  passive {passive};\n  \
           hold time 9;\n  keepalive time 1;\n  \
           connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 2;\n  \
           graceful restart on;\n  graceful restart time {restart_secs};\n  \
           ipv4 {{ import all; export where source = RTS_STATIC; }};\n  \
           ipv6 {{ import all; export where source = RTS_STATIC; }};\n}}\n",
        protocol = protocol_name(session),
        local = session.local,
        asn = spec.asn,
        remote = session.remote,
        remote_as = session.asn,
        passive = if session.passive { "on" } else { "off" },
    ));
    text
}

fn render_frr(spec: &Spec, own: [&str; 2], restart_secs: u16) -> String {
    let session = &spec.neighbours[0];
    let remote = session.remote;
    let mut text = format!(
        "hostname {name}\nlog stdout\nrouter bgp {asn}\n \
           bgp router-id {id}\n \
           no bgp default ipv4-unicast\n \
           no bgp ebgp-requires-policy\n \
           no bgp network import-check\n \
           bgp graceful-restart\n \
           bgp graceful-restart preserve-fw-state\n \
           bgp graceful-restart restart-time {restart_secs}\n \
           timers bgp 1 9\n \
           neighbor {remote} remote-as {remote_as}\n \
           neighbor {remote} update-source {local}\n \
           neighbor {remote} timers connect 1\n",
        name = spec.name,
        asn = spec.asn,
        id = spec.router_id,
        remote_as = session.asn,
        local = session.local,
    );
    for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
        text.push_str(&format!(
            " address-family {family} unicast\n  \
               network {}\n  network {}\n  neighbor {remote} activate\n \
             exit-address-family\n",
            own[index], SHARED[index],
        ));
    }
    text
}

/// Parsed.
pub fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}
