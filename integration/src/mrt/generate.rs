//! A table with the shape of the Internet's, out of a seed.
//!
//! What decides how a speaker fares with a full table is how long prefixes are, how they nest, how many share their
//! attributes, and how long those are. Each is drawn from a distribution that is written down below with where it is
//! published; the shares are rounded, since they move by a per cent a year:
//!
//! - prefix lengths: the tables of active prefixes by size of "BGP in 2024" (G. Huston, APNIC) and of the CIDR report
//!   (bgp.potaroo.net/as6447), IPv6 from the same;
//! - AS path lengths: the same reports' average of 4.4 ASes, prepending included, as RIPE RIS peers see it;
//! - communities, large communities: "AS-level BGP community usage classification" (Krenc et al., IMC 2021) and
//!   "BGP Communities: Even more Worms in the Routing Can" (Streibelt et al., IMC 2018): about three quarters of the
//!   routes carry some, most a handful, a few dozens;
//! - prefixes to a set of attributes: Zipf's law, as prefixes to an origin AS have it: half of all sets have one or two
//!   prefixes, the largest thousands.
//!
//! Prefixes of one set lie near each other, since they are one network's; about half of them so come to lie inside
//! another, as the reports count it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::random::Random;

use super::updates::attribute;
use super::{Peer, Route, Table};

/// How large a table is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The same seed makes the same table.
    pub seed: u64,
    /// IPv4 prefixes; up to some two million fit.
    pub ipv4: usize,
    /// IPv6 prefixes.
    pub ipv6: usize,
    /// Different sets of attributes, among both.
    pub sets: usize,
}

/// IPv4 prefixes by length, of 100,000.
const LENGTHS_V4: [(u8, u32); 17] = [
    (8, 2),
    (9, 1),
    (10, 4),
    (11, 10),
    (12, 30),
    (13, 60),
    (14, 120),
    (15, 210),
    (16, 1_400),
    (17, 850),
    (18, 1_450),
    (19, 2_600),
    (20, 4_500),
    (21, 5_300),
    (22, 11_700),
    (23, 10_400),
    (24, 61_363),
];

/// IPv6 prefixes by length, of 1,000.
const LENGTHS_V6: [(u8, u32); 11] = [
    (24, 1),
    (28, 6),
    (29, 28),
    (32, 120),
    (33, 24),
    (36, 46),
    (40, 95),
    (42, 20),
    (44, 100),
    (46, 80),
    (48, 480),
];

/// ASes in a path behind the peer's own, of 1,000, prepending not included.
const HOPS: [(u8, u32); 8] = [(1, 40), (2, 260), (3, 380), (4, 210), (5, 75), (6, 25), (7, 8), (8, 2)];

/// Communities of a route, of 1,000.
const COMMUNITIES: [(u8, u32); 9] =
    [(0, 250), (1, 90), (2, 120), (3, 150), (5, 150), (8, 120), (12, 80), (20, 30), (40, 10)];

/// How far prefixes of one network lie apart: inside a /14, or an IPv6 /26.
const NEAR_V4: u8 = 14;
const NEAR_V6: u8 = 26;
/// How many prefixes a network has in one place.
const IN_ONE_PLACE: usize = 512;
/// Tries for a prefix that is not there yet, before the network goes elsewhere.
const TRIES: usize = 8;

impl Table {
    /// Makes up a table that `peer` could announce: its AS begins every path, its address is the next hop.
    /// There are at most as many sets as prefixes.
    #[must_use]
    pub fn generate(shape: &Shape, peer: Peer) -> Self {
        let mut random = Random(shape.seed);
        let count = shape.sets.clamp(1, (shape.ipv4 + shape.ipv6).max(1));
        let sets = distinct_sets(&mut random, count, peer);
        let mut routes = Vec::with_capacity(shape.ipv4 + shape.ipv6);
        // IPv6 has its share of the sets, the first ones; those are no larger than others.
        let of_v6 = (count * shape.ipv6).div_ceil((shape.ipv4 + shape.ipv6).max(1)).min(count);
        let mut taken = HashSet::with_capacity(shape.ipv4.max(shape.ipv6));
        let mut place =
            |sizes: Vec<usize>, first: usize, draw: &dyn Fn(&mut Random, &mut Home) -> IpNetwork| {
                for (set, size) in (u32::try_from(first).unwrap_or(0)..).zip(sizes) {
                    network(&mut random, size, draw, &mut taken, |prefix| routes.push(Route { prefix, set }));
                }
            };
        place(sizes(shape.seed, shape.ipv6, of_v6), 0, &draw_v6);
        // A single set is shared by both.
        let first = if shape.ipv6 == 0 { 0 } else { of_v6.min(count - 1) };
        place(sizes(shape.seed, shape.ipv4, count - first), first, &draw_v4);
        routes.sort_by_key(|route| (route.prefix.network(), route.prefix.prefix()));
        Self { peer, sets, routes }
    }
}

/// Where a network's prefixes lie, once it has one.
type Home = Option<u128>;

fn network(
    random: &mut Random,
    size: usize,
    draw: &dyn Fn(&mut Random, &mut Home) -> IpNetwork,
    taken: &mut HashSet<IpNetwork>,
    mut found: impl FnMut(IpNetwork),
) {
    let mut home = None;
    for index in 0..size {
        if index % IN_ONE_PLACE == 0 {
            home = None;
        }
        let mut tries = 0;
        loop {
            let prefix = draw(random, &mut home);
            if taken.insert(prefix) {
                break found(prefix);
            }
            tries += 1;
            if tries % TRIES == 0 {
                home = None;
            }
        }
    }
}

/// So many prefixes over so many sets: one each, and the rest as Zipf's law has it; in no order.
fn sizes(seed: u64, prefixes: usize, sets: usize) -> Vec<usize> {
    if prefixes == 0 {
        return Vec::new();
    }
    let sets = sets.clamp(1, prefixes);
    let weight = |rank: usize| ((rank + 1) as f64).powf(-0.8);
    let total: f64 = (0..sets).map(weight).sum();
    let mut rest = prefixes - sets;
    let share = rest as f64 / total;
    let mut sizes: Vec<usize> = (0..sets)
        .map(|rank| {
            // Rounded down: all together are no more than there are.
            let more = ((weight(rank) * share) as usize).min(rest);
            rest -= more;
            1 + more
        })
        .collect();
    for index in 0..rest {
        sizes[index % sets] += 1;
    }
    Random(seed ^ 0x5e75).shuffle(&mut sizes);
    sizes
}

fn draw_v4(random: &mut Random, home: &mut Home) -> IpNetwork {
    let length = random.weighted(&LENGTHS_V4).unwrap_or(24);
    loop {
        let near = u128::from(random.draw() as u32);
        let far = *home.get_or_insert_with(|| u128::from(random.draw() as u32));
        let bits = if length > NEAR_V4 { mix(far, near, NEAR_V4, 32) } else { near };
        let address = Ipv4Addr::from_bits(bits as u32 & u32::MAX << (32 - u32::from(length)));
        if is_public(address) {
            return network_of(IpAddr::V4(address), length);
        }
        *home = None;
    }
}

fn draw_v6(random: &mut Random, home: &mut Home) -> IpNetwork {
    let length = random.weighted(&LENGTHS_V6).unwrap_or(48);
    let mut bits = || u128::from(random.draw()) << 64 | u128::from(random.draw());
    let near = bits();
    let far = *home.get_or_insert_with(bits);
    let bits = if length > NEAR_V6 { mix(far, near, NEAR_V6, 128) } else { near };
    // 2400::/6 and 2800::/5: what registries give out, without the reserved parts of 2000::/7.
    let bits = bits >> 4 | 0x24 << 120;
    network_of(IpAddr::V6(Ipv6Addr::from_bits(bits & u128::MAX << (128 - u32::from(length)))), length)
}

/// The first so many of so many bits of one, the others of the other.
fn mix(far: u128, near: u128, length: u8, bits: u8) -> u128 {
    let low = (1 << (bits - length)) - 1;
    far & !low | near & low
}

fn network_of(address: IpAddr, length: u8) -> IpNetwork {
    // The lengths above are no longer than addresses.
    IpNetwork::new(address, length).unwrap_or_else(|_| IpNetwork::from(address))
}

/// Unicast, neither private nor reserved for documentation, benchmarks, or carrier NAT (RFC 6890).
fn is_public(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    (1..=223).contains(&a)
        && !matches!((a, b), (10 | 127, _) | (100, 64..=127) | (169, 254) | (172, 16..=31))
        && !matches!((a, b), (192, 0 | 88 | 168) | (198, 18 | 19 | 51) | (203, 0))
}

fn distinct_sets(random: &mut Random, count: usize, peer: Peer) -> Vec<Vec<u8>> {
    let mut seen = HashSet::with_capacity(count);
    let mut sets = Vec::with_capacity(count);
    // Networks with several sets are the rule: that many origins, and transit ASes for each to choose from.
    let origins = u32::try_from(count / 3).unwrap_or(u32::MAX).max(100);
    while sets.len() < count {
        let set = attributes(random, origins, peer);
        if seen.insert(set.clone()) {
            sets.push(set);
        }
    }
    sets
}

fn attributes(random: &mut Random, origins: u32, peer: Peer) -> Vec<u8> {
    let mut out = Vec::with_capacity(80);
    let origin = if random.per_mille(870) { 0 } else { 2 };
    attribute(0x40, 1, &[origin], &mut out);
    let path = as_path(random, origins, peer.asn);
    let mut value = vec![2, u8::try_from(path.len()).unwrap_or(u8::MAX)];
    path.iter().for_each(|asn| value.extend(asn.to_be_bytes()));
    attribute(0x40, 2, &value, &mut out);
    if let IpAddr::V4(address) = peer.address {
        attribute(0x40, 3, &address.octets(), &mut out);
    }
    if random.per_mille(250) {
        attribute(0x80, 4, &random.below(1_000).to_be_bytes(), &mut out);
    }
    if random.per_mille(60) {
        attribute(0x40, 6, &[], &mut out);
    }
    let last = path.last().copied().unwrap_or(peer.asn);
    if random.per_mille(90) {
        let mut value = last.to_be_bytes().to_vec();
        value.extend((random.draw() as u32).to_be_bytes());
        attribute(0xc0, 7, &value, &mut out);
    }
    let transit = path.get(1).copied().unwrap_or(last);
    let communities = random.weighted(&COMMUNITIES).unwrap_or(0);
    if communities > 0 {
        let mut values: Vec<u32> =
            (0..communities).map(|_| (transit & 0xffff) << 16 | random.below(5_000)).collect();
        values.sort_unstable();
        values.dedup();
        let value: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        attribute(0xc0, 8, &value, &mut out);
    }
    if random.per_mille(120) {
        let words = [transit, random.below(100), random.below(5_000)];
        let value: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        attribute(0xc0, 32, &value, &mut out);
    }
    out
}

fn as_path(random: &mut Random, origins: u32, own: u32) -> Vec<u32> {
    let mut path = vec![own];
    let hops = random.weighted(&HOPS).unwrap_or(3);
    for left in (0..hops).rev() {
        // Few large transit ASes near the collector, many networks at the edge.
        let asn = if left > 0 {
            1_000 + random.below(400) * (1 + u32::from(left))
        } else {
            200_000 + random.below(origins)
        };
        if !path.contains(&asn) {
            path.push(asn);
        }
    }
    if random.per_mille(180)
        && let Some(last) = path.last().copied()
    {
        (0..=random.below(4)).for_each(|_| path.push(last));
    }
    path
}
