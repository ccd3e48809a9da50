//! Classes of what is above IP: protocols, ports and ICMP messages that no rule of some profiles tells apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::evaluate::Transport;
use crate::program::{Family, Match, Profile, Protocol, Set, Side};
use crate::ranges::merge as merge_ranges;
use crate::words;

/// First to last port, inclusive.
type Range = (u16, u16);

/// What is above IP, as far as it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// Whatever it is.
    Everything,
    /// A protocol with ports.
    Ports {
        /// Which.
        protocol: Protocol,
        /// From these ports; first and last, sorted, disjoint.
        sources: Vec<(u16, u16)>,
        /// To these.
        destinations: Vec<(u16, u16)>,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// The type; `None`: any that no rule names.
        kind: Option<u8>,
        /// The code; `None`: any that no rule names.
        code: Option<u8>,
    },
    /// All of another protocol; `None`: of any that no rule names.
    Protocol(Option<u8>),
}

const ALL_PORTS: (u16, u16) = (0, u16::MAX);

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Ports { protocol, sources, destinations } => {
                write!(f, "{protocol}")?;
                if destinations.as_slice() != [ALL_PORTS] {
                    write!(f, " {}", words::ports(destinations))?;
                }
                if sources.as_slice() != [ALL_PORTS] {
                    write!(f, " from {}", words::ports(sources))?;
                }
                Ok(())
            }
            Self::Icmp { kind: Some(kind), code: Some(code) } => write!(f, "icmp {kind}/{code}"),
            Self::Icmp { kind: Some(kind), code: None } => write!(f, "icmp {kind}"),
            Self::Icmp { kind: None, .. } => f.write_str("icmp"),
            Self::Protocol(Some(number)) => write!(f, "protocol {number}"),
            Self::Protocol(None) => f.write_str("other protocols"),
        }
    }
}

/// A class with a transport of it.
#[derive(Debug, Clone)]
pub(super) struct Class {
    traffic: Traffic,
    pub(super) transport: Transport,
}

/// What profiles and their sets name.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// First ports of the ranges that they cut the ports into, on each side.
    starts: BTreeMap<(Protocol, Side), BTreeSet<u16>>,
    icmp: BTreeMap<(Family, u8), BTreeSet<u8>>,
    protocols: BTreeSet<u8>,
}

impl Named {
    pub(super) fn add_profile(&mut self, profile: &Profile) {
        for condition in profile.tiers.iter().flat_map(|tier| &tier.rules).flat_map(|rule| &rule.matches) {
            match condition {
                Match::Protocol { number, .. } => drop(self.protocols.insert(*number)),
                Match::Icmp { family, kind, code, .. } => {
                    self.icmp.entry((*family, *kind)).or_default().extend(*code);
                }
                Match::Ports { side, ranges, .. } => {
                    // Of whichever protocol the rule is: a cut too many costs little.
                    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                        ranges.iter().for_each(|(first, last)| self.cut(protocol, *side, *first, *last));
                    }
                }
                Match::Family(_) | Match::Address { .. } | Match::AddressPort { .. } => {}
            }
        }
    }

    /// The ports in a set; a rule may ask it of either side.
    pub(super) fn add_set(&mut self, set: &Set) {
        let Set::AddressPorts(members) = set else { return };
        let ports: BTreeSet<_> = members.iter().map(|(_, protocol, port)| (*protocol, *port)).collect();
        for (protocol, port) in ports {
            self.cut(protocol, Side::Source, port, port);
            self.cut(protocol, Side::Destination, port, port);
        }
    }

    fn cut(&mut self, protocol: Protocol, side: Side, first: u16, last: u16) {
        let starts = self.starts.entry((protocol, side)).or_default();
        starts.insert(first);
        starts.extend(last.checked_add(1));
    }

    fn ports(&self, protocol: Protocol, side: Side) -> Vec<(u16, u16)> {
        let mut starts = self.starts.get(&(protocol, side)).cloned().unwrap_or_default();
        starts.insert(0);
        let ends: Vec<u16> = starts.iter().skip(1).map(|next| next - 1).chain([u16::MAX]).collect();
        starts.into_iter().zip(ends).collect()
    }

    /// Every class of a family.
    pub(super) fn classes(&self, family: Family) -> Vec<Class> {
        let mut classes = Vec::new();
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            for source in self.ports(protocol, Side::Source) {
                for destination in self.ports(protocol, Side::Destination) {
                    classes.push(Class {
                        traffic: Traffic::Ports {
                            protocol,
                            sources: vec![source],
                            destinations: vec![destination],
                        },
                        transport: Transport::Port { protocol, source: source.0, destination: destination.0 },
                    });
                }
            }
        }
        self.icmp_classes(family, &mut classes);
        let elsewhere = |number: &u8| Protocol::from_number(*number).is_none() && *number != family.icmp();
        for number in self.protocols.iter().copied().filter(elsewhere) {
            let traffic = Traffic::Protocol(Some(number));
            classes.push(Class { traffic, transport: Transport::Other(number) });
        }
        let other = (0..=u8::MAX).rev().filter(elsewhere).find(|number| !self.protocols.contains(number));
        classes.extend(
            other.map(|number| Class {
                traffic: Traffic::Protocol(None),
                transport: Transport::Other(number),
            }),
        );
        classes
    }

    fn icmp_classes(&self, family: Family, classes: &mut Vec<Class>) {
        let mut add = |kind: Option<u8>, code: Option<u8>, message: Option<(u8, u8)>| {
            classes.extend(message.map(|(of, as_code)| Class {
                traffic: Traffic::Icmp { kind, code },
                transport: Transport::Icmp { kind: of, code: as_code },
            }));
        };
        let mut kinds = BTreeSet::new();
        for ((_, kind), codes) in self.icmp.iter().filter(|((of, _), _)| *of == family) {
            kinds.insert(*kind);
            codes.iter().for_each(|code| add(Some(*kind), Some(*code), Some((*kind, *code))));
            let other = (0..=u8::MAX).find(|code| !codes.contains(code));
            add(Some(*kind), None, other.map(|code| (*kind, code)));
        }
        let other = (0..=u8::MAX).find(|kind| !kinds.contains(kind));
        add(None, None, other.map(|kind| (kind, 0)));
    }
}

/// Several classes, in as few words as are exact. `all` is how many there are.
pub(super) fn merge(classes: &[&Class], all: usize) -> Vec<Traffic> {
    if classes.len() == all {
        return vec![Traffic::Everything];
    }
    // First the sources of each range of destinations, then the destinations with the same sources.
    let mut sources: BTreeMap<(Protocol, Range), Vec<Range>> = BTreeMap::new();
    let mut rest = BTreeSet::new();
    for class in classes {
        let Traffic::Ports { protocol, sources: from, destinations } = &class.traffic else {
            rest.insert(class.traffic.clone());
            continue;
        };
        for destination in destinations {
            sources.entry((*protocol, *destination)).or_default().extend(from);
        }
    }
    let mut destinations: BTreeMap<(Protocol, Vec<Range>), Vec<Range>> = BTreeMap::new();
    for ((protocol, destination), from) in sources {
        destinations.entry((protocol, merge_ranges(from))).or_default().push(destination);
    }
    let ports = destinations.into_iter().map(|((protocol, sources), destinations)| Traffic::Ports {
        protocol,
        sources,
        destinations: merge_ranges(destinations),
    });
    ports.chain(rest).collect()
}
