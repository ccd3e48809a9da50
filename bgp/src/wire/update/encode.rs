//! Whole routes → UPDATEs. Attributes are encoded once, however many messages repeat them.

use bytes::{BufMut, BytesMut};

use super::super::attribute::encode::{self as attribute_encode, Form};
use super::super::{Attributes, Codec, Family, NextHop, Nlri, Reach, Update};
use super::{Unencodable, Writer};

impl Update {
    /// Appends the messages that say all this: withdrawals first, then announcements, then End-of-RIB.
    ///
    /// # Errors
    /// Some routes were withdrawn instead of announced; everything else is written.
    pub(in crate::wire) fn encode(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), Unencodable> {
        encode_withdrawals(&self.withdrawn, codec, out);
        let mut result = Ok(());
        for reach in &self.reach {
            result = result.and(encode_reach(&self.attributes, reach, codec, out));
        }
        if let Some(family) = self.end_of_rib {
            encode_end_of_rib(family, codec, out);
        }
        result
    }
}

/// Appends the path attributes for a peer, as [`Writer::announce`] wants them: all but `MP_REACH_NLRI`, which the
/// writer puts before them. `next_hop` is written as NEXT_HOP if it is one (IPv4 prefixes with an IPv4 next hop).
/// What does not leave the AS (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST) is left out towards external peers.
pub fn attribute_list(
    attributes: &Attributes,
    next_hop: Option<NextHop>,
    codec: &Codec,
    out: &mut impl BufMut,
) {
    let classic = next_hop.and_then(|next_hop| match next_hop {
        NextHop::V4(address) => Some(address),
        NextHop::V6 { .. } => None,
    });
    attribute_encode::encode(attributes, &Form::to_peer(classic, codec), out);
}

/// Appends the announcements of `reach`'s prefixes. Prefixes of another family are left out.
///
/// # Errors
/// The routes were withdrawn instead; what is written stands.
pub fn encode_reach(
    attributes: &Attributes,
    reach: &Reach,
    codec: &Codec,
    out: &mut BytesMut,
) -> Result<(), Unencodable> {
    let writer = Writer::new(reach.family, codec);
    let mut list = BytesMut::new();
    attribute_list(attributes, Some(reach.next_hop), codec, &mut list);
    writer.announce(&list, &reach.next_hop, reach.prefixes.iter().copied(), out);
    writer.fits(&list, &reach.next_hop)
}

/// Appends the withdrawals of these prefixes, of whatever family.
pub fn encode_withdrawals(prefixes: &[Nlri], codec: &Codec, out: &mut BytesMut) {
    for family in Family::ALL {
        Writer::new(family, codec).withdraw(prefixes.iter().copied(), out);
    }
}

/// Appends the End-of-RIB marker of a family, RFC 4724 §2.
pub fn encode_end_of_rib(family: Family, codec: &Codec, out: &mut BytesMut) {
    Writer::new(family, codec).end_of_rib(out);
}
