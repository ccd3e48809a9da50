//! The name of a pod link's host end, made from what identifies the attachment in the CNI specification: container
//! id and interface name. The same attachment always has the same name, so a repeated ADD and a DEL after a restart
//! find it without any memory.

use crate::dataplane::links::HOST_END_PREFIX;

/// RFC 4648 §6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// With the prefix of three, 15 bytes: the longest name the kernel takes (`IFNAMSIZ` less the final zero).
const HASH_CHARACTERS: usize = 12;

/// The host end's name: [`HOST_END_PREFIX`] and 60 bits of a hash.
///
/// Two of a million attachments on one node would share a name with a probability of one to two million.
#[must_use]
pub fn host_interface_name(container_id: &str, interface: &str) -> String {
    let mut hash = fnv1a(container_id.bytes().chain([0]).chain(interface.bytes()));
    let mut name = String::from(HOST_END_PREFIX);
    for _ in 0..HASH_CHARACTERS {
        name.extend(BASE32.get((hash >> 59) as usize).copied().map(char::from));
        hash <<= 5;
    }
    name
}

/// 64-bit FNV-1a, finished as in MurmurHash3 because its upper bits know little of the last bytes. Names live as
/// long as pods do, through every version of the agent, so the hash may not change; a standard library's may.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests;
