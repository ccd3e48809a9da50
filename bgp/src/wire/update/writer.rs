//! Prefixes → UPDATEs, as many in one message as the peer takes.
//!
//! One message carries one kind of thing (RFC 7606 §5.1): withdrawals or announcements, of one family. IPv4 goes in
//! the fields of RFC 4271; IPv6, and IPv4 with an IPv6 next hop (RFC 8950), in the attributes of RFC 4760, of which
//! `MP_REACH_NLRI` comes first. IPv4 is always withdrawn in the field of RFC 4271, which every speaker reads.
//!
//! A full table passes here prefix by prefix: everything is written once, into the buffer that is sent. Invariants:
//! no message is longer than agreed, none is empty.

use bytes::{BufMut, BytesMut};

use super::super::code::attribute;
use super::super::code::flag::{EXTENDED_LENGTH, OPTIONAL};
use super::super::framer::{self, HEADER_OCTETS, Kind};
use super::super::{Codec, Family, NextHop, Nlri, RefreshKind, RouteRefresh, next_hop, nlri, route_refresh};

/// Octets of the two length fields after the header.
const LENGTHS_OCTETS: usize = 4;
/// Flags, type and a length of two octets; AFI and SAFI.
const MP_HEAD_OCTETS: usize = 4 + 3;

/// Routes that cannot be announced to this peer. They have been withdrawn instead, so that it does not keep older ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// RFC 4271 §4 allows 4,096 octets for a message, RFC 8654 §4 65,535.
    #[error("path attributes of {octets} octets leave no room for a prefix in a message of {limit}")]
    TooLarge {
        /// What the attributes take.
        octets: usize,
        /// The longest message.
        limit: usize,
    },
    /// IPv4 routes need an IPv4 next hop (or RFC 8950), IPv6 routes one of theirs.
    #[error("{next_hop} is no next hop for {family}")]
    NextHop {
        /// Of the prefixes.
        family: Family,
        /// As given.
        next_hop: NextHop,
    },
}

/// Writes UPDATEs of one family for peers with one codec.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    family: Family,
    max_octets: usize,
    add_path: bool,
    extended_next_hop: bool,
}

/// Where the prefixes of a message stand.
#[derive(Clone, Copy)]
enum Field<'a> {
    /// Withdrawn routes, RFC 4271.
    Withdrawn,
    /// NLRI, RFC 4271.
    Announced(&'a [u8]),
    /// `MP_REACH_NLRI`, with the other attributes behind it.
    Reach(&'a NextHop, &'a [u8]),
    /// `MP_UNREACH_NLRI`.
    Unreach,
}

impl Writer {
    /// For prefixes of this family.
    #[must_use]
    pub fn new(family: Family, codec: &Codec) -> Self {
        Self {
            family,
            max_octets: codec.max_octets(),
            add_path: codec.add_path_send.contains(family),
            extended_next_hop: codec.extended_next_hop,
        }
    }

    /// Whether prefixes can be announced with these attributes and this next hop.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, list: &[u8], next_hop: &NextHop) -> Result<(), Unencodable> {
        let octets = self.announcing(list, next_hop)?.octets();
        if octets + nlri::MAX_OCTETS > self.max_octets {
            return Err(Unencodable::TooLarge { octets: list.len(), limit: self.max_octets });
        }
        Ok(())
    }

    /// Appends announcements and returns how many messages they took. `list` is what
    /// [`attribute_list`](super::attribute_list) wrote for the same next hop. Where it does not [fit](Self::fits), the
    /// prefixes are withdrawn instead. Prefixes of another family are left out.
    pub fn announce(
        &self,
        list: &[u8],
        next_hop: &NextHop,
        nlri: impl IntoIterator<Item = Nlri>,
        out: &mut BytesMut,
    ) -> u32 {
        match (self.fits(list, next_hop), self.announcing(list, next_hop)) {
            (Ok(()), Ok(field)) => self.write(field, nlri, out),
            (Err(_), _) | (_, Err(_)) => self.withdraw(nlri, out),
        }
    }

    /// Appends withdrawals and returns how many messages they took. Prefixes of another family are left out.
    pub fn withdraw(&self, nlri: impl IntoIterator<Item = Nlri>, out: &mut BytesMut) -> u32 {
        let field = match self.family {
            Family::Ipv4Unicast => Field::Withdrawn,
            Family::Ipv6Unicast => Field::Unreach,
        };
        self.write(field, nlri, out)
    }

    /// Appends the End-of-RIB marker, one message (RFC 4724 §2).
    pub fn end_of_rib(&self, out: &mut BytesMut) {
        let field = match self.family {
            Family::Ipv4Unicast => Field::Announced(&[]),
            Family::Ipv6Unicast => Field::Unreach,
        };
        framer::encode(Kind::Update, out, |out| {
            let start = out.len();
            field.begin(self.family, out);
            field.end(start, out);
        });
    }

    /// Appends a ROUTE-REFRESH of the family, one message: a request, BoRR or EoRR (RFC 2918, RFC 7313).
    pub fn refresh(&self, kind: RefreshKind, out: &mut BytesMut) {
        route_refresh::encode(RouteRefresh { family: self.family, kind }, out);
    }

    fn announcing<'a>(&self, list: &'a [u8], next_hop: &'a NextHop) -> Result<Field<'a>, Unencodable> {
        match (self.family, next_hop) {
            (Family::Ipv4Unicast, NextHop::V4(_)) => Ok(Field::Announced(list)),
            (Family::Ipv6Unicast, NextHop::V6 { .. }) => Ok(Field::Reach(next_hop, list)),
            (Family::Ipv4Unicast, NextHop::V6 { .. }) if self.extended_next_hop => {
                Ok(Field::Reach(next_hop, list))
            }
            (family, _) => Err(Unencodable::NextHop { family, next_hop: *next_hop }),
        }
    }

    /// The caller has seen to it that one prefix fits into a message.
    fn write(&self, field: Field<'_>, nlri: impl IntoIterator<Item = Nlri>, out: &mut BytesMut) -> u32 {
        let of_family = |nlri: &Nlri| Family::of(&nlri.prefix) == self.family;
        let mut nlri = nlri.into_iter().filter(of_family).peekable();
        let room = self.max_octets.saturating_sub(field.octets());
        let mut messages = 0;
        while nlri.peek().is_some() {
            framer::encode(Kind::Update, out, |out| {
                let start = out.len();
                field.begin(self.family, out);
                let limit = out.len() + room;
                while let Some(one) =
                    nlri.next_if(|one| out.len() + nlri::octets(&one.prefix, self.add_path) <= limit)
                {
                    nlri::encode(&one, self.add_path, out);
                }
                field.end(start, out);
            });
            messages += 1;
        }
        messages
    }
}

impl Field<'_> {
    /// What a message takes beside the prefixes.
    fn octets(self) -> usize {
        HEADER_OCTETS
            + LENGTHS_OCTETS
            + match self {
                Self::Withdrawn => 0,
                Self::Announced(list) => list.len(),
                Self::Reach(next_hop, list) => MP_HEAD_OCTETS + next_hop::octets(next_hop) + 1 + list.len(),
                Self::Unreach => MP_HEAD_OCTETS,
            }
    }

    /// What stands before the prefixes, lengths that depend on them still zero.
    fn begin(self, family: Family, out: &mut BytesMut) {
        match self {
            Self::Withdrawn => out.put_u16(0),
            Self::Announced(list) => {
                out.put_u16(0);
                out.put_u16(u16::try_from(list.len()).unwrap_or(u16::MAX));
                out.put_slice(list);
            }
            Self::Reach(next_hop, _) => {
                begin_attribute(attribute::MP_REACH_NLRI, family, out);
                next_hop::encode(next_hop, out);
                out.put_u8(0);
            }
            Self::Unreach => begin_attribute(attribute::MP_UNREACH_NLRI, family, out),
        }
    }

    /// What stands behind the prefixes, and the lengths. `start` is where the body of the message begins.
    fn end(self, start: usize, out: &mut BytesMut) {
        match self {
            Self::Withdrawn => {
                put_length(start, out);
                out.put_u16(0);
            }
            Self::Announced(_) => {}
            Self::Reach(_, list) => {
                put_length(start + LENGTHS_OCTETS + 2, out);
                out.put_slice(list);
                put_length(start + 2, out);
            }
            Self::Unreach => {
                put_length(start + LENGTHS_OCTETS + 2, out);
                put_length(start + 2, out);
            }
        }
    }
}

/// Both lengths, then an optional attribute whose length takes two octets, up to its SAFI.
fn begin_attribute(code: u8, family: Family, out: &mut BytesMut) {
    let [afi_high, afi_low] = family.afi().to_be_bytes();
    out.put_slice(&[0, 0, 0, 0, OPTIONAL | EXTENDED_LENGTH, code, 0, 0, afi_high, afi_low, family.safi()]);
}

/// Fills in the length field at `at` with what follows it.
fn put_length(at: usize, out: &mut BytesMut) {
    let octets = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&octets.to_be_bytes());
    }
}
