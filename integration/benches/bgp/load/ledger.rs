//! Exactly which prefixes a peer holds, at a few nanoseconds each.
//!
//! All prefixes that can come are numbered before the clock starts ([`Catalogue`]); a ledger is then a bit for each. A
//! prefix that nobody announced is an error. Where the same prefixes are announced again with something changed, what
//! changes is the MED, and a ledger can be told to count only what carries the new one.

use std::ops::Range;
use std::sync::Arc;

const MULTI_EXIT_DISC: u8 = 4;
const MP_REACH_NLRI: u8 = 14;
const MP_UNREACH_NLRI: u8 = 15;

/// An address and a length, as a number.
type Key = u64;

const EMPTY: u64 = u64::MAX;

/// Numbers prefixes.
#[derive(Debug)]
pub enum Catalogue {
    /// Any prefixes: a hash table with open addressing, at most half full. A slot has the key in its upper 40 bits and
    /// the number below.
    Table {
        /// A power of two of them.
        slots: Vec<u64>,
        /// 64 less the logarithm of their count.
        shift: u32,
        /// Of prefixes.
        count: usize,
    },
    /// Blocks of equal size, one behind the other.
    Blocks {
        /// The first one's address.
        first: u32,
        /// Prefix length.
        length: u8,
        /// Of blocks.
        count: usize,
    },
}

impl Catalogue {
    /// Of these prefixes (address and length), in this order; fewer than 16 million.
    pub fn table(prefixes: impl ExactSizeIterator<Item = (u32, u8)>) -> Self {
        let size = (prefixes.len() * 2).next_power_of_two().max(16);
        let mut table = Self::Table {
            slots: vec![EMPTY; size],
            shift: 64 - size.trailing_zeros(),
            count: prefixes.len(),
        };
        if let Self::Table { slots, shift, .. } = &mut table {
            for (number, (address, length)) in (0_u64..).zip(prefixes) {
                let key = key(address, length);
                let mut at = slot(key, *shift);
                while slots[at] != EMPTY {
                    at = (at + 1) % size;
                }
                slots[at] = key << 24 | number;
            }
        }
        table
    }

    /// How many prefixes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Table { count, .. } | Self::Blocks { count, .. } => *count,
        }
    }

    #[inline]
    fn find(&self, address: u32, length: u8) -> Option<usize> {
        match self {
            Self::Table { slots, shift, .. } => {
                let key = key(address, length);
                let mut at = slot(key, *shift);
                loop {
                    let found = slots[at];
                    if found == EMPTY {
                        return None;
                    }
                    if found >> 24 == key {
                        return Some((found & 0xff_ffff) as usize);
                    }
                    at = (at + 1) & (slots.len() - 1);
                }
            }
            Self::Blocks { first, length: expected, count } => {
                let number = (address.wrapping_sub(*first) >> (32 - u32::from(*expected))) as usize;
                (length == *expected && number < *count).then_some(number)
            }
        }
    }
}

fn key(address: u32, length: u8) -> Key {
    u64::from(address) << 8 | u64::from(length)
}

fn slot(key: Key, shift: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

/// What one peer holds.
#[derive(Debug)]
pub struct Ledger {
    catalogue: Arc<Catalogue>,
    bits: Vec<u64>,
    held: usize,
    own: Range<usize>,
    wanted_med: Option<u32>,
}

impl Ledger {
    pub fn new(catalogue: &Arc<Catalogue>) -> Self {
        let bits = vec![0; catalogue.len().div_ceil(64)];
        Self { catalogue: Arc::clone(catalogue), bits, held: 0, own: 0..0, wanted_med: None }
    }

    /// How many prefixes it holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// These are its own: whether the device sends them back (FRR does, to its update groups) is not counted.
    pub fn leave_out(&mut self, own: Range<usize>) {
        self.own = own;
    }

    /// Counts from zero, and only what comes with this MED.
    pub fn count_only(&mut self, med: u32) {
        self.bits.fill(0);
        self.held = 0;
        self.wanted_med = Some(med);
    }

    /// Takes the body of an UPDATE into account.
    ///
    /// # Errors
    /// It does not parse, or has a prefix that is not in the catalogue.
    pub fn update(&mut self, body: &[u8]) -> Result<(), String> {
        let (withdrawn, rest) = counted(body)?;
        let (attributes, announced) = counted(rest)?;
        self.each(withdrawn, Self::withdraw)?;
        let mut reach: &[u8] = &[];
        let mut med = None;
        let mut list = attributes;
        while let Some(Attribute { code, value, behind }) = attribute(list)? {
            match code {
                MULTI_EXIT_DISC => med = value.try_into().ok().map(u32::from_be_bytes),
                // Address family, next hop with its length, a reserved octet.
                MP_REACH_NLRI if value.starts_with(&[0, 1, 1]) => {
                    let skipped = 5 + usize::from(value.get(3).copied().unwrap_or(0));
                    reach = value.get(skipped..).ok_or("MP_REACH_NLRI is too short")?;
                }
                MP_UNREACH_NLRI if value.starts_with(&[0, 1, 1]) => self.each(&value[3..], Self::withdraw)?,
                _ => {}
            }
            list = behind;
        }
        if self.wanted_med.is_none_or(|wanted| med == Some(wanted)) {
            self.each(reach, Self::announce)?;
            self.each(announced, Self::announce)?;
        }
        Ok(())
    }

    #[inline]
    fn announce(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        self.held += usize::from(self.bits[word] & bit == 0);
        self.bits[word] |= bit;
    }

    #[inline]
    fn withdraw(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        self.held -= usize::from(self.bits[word] & bit != 0);
        self.bits[word] &= !bit;
    }

    #[inline]
    fn each(&mut self, mut octets: &[u8], mut act: impl FnMut(&mut Self, usize)) -> Result<(), String> {
        while let Some((&length, rest)) = octets.split_first() {
            let count = usize::from(length).div_ceil(8);
            if length > 32 || rest.len() < count {
                return Err(format!("a prefix of {length} bits in {} octets", rest.len()));
            }
            let address = if let Some(four) = rest.first_chunk::<4>() {
                u32::from_be_bytes(*four)
            } else {
                let mut four = [0; 4];
                four[..count].copy_from_slice(&rest[..count]);
                u32::from_be_bytes(four)
            };
            // The low half of 64 bits: a shift by 32 is fine there.
            let mask = (u64::from(u32::MAX) << (32 - u32::from(length))) as u32;
            let Some(number) = self.catalogue.find(address & mask, length) else {
                let stranger = std::net::Ipv4Addr::from_bits(address & mask);
                return Err(format!("{stranger}/{length}, which nobody announced"));
            };
            if !self.own.contains(&number) {
                act(self, number);
            }
            octets = &rest[count..];
        }
        Ok(())
    }
}

fn counted(octets: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = octets.split_first_chunk().ok_or("an UPDATE is too short")?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        .ok_or_else(|| "an UPDATE is too short".into())
}

/// An attribute, and what follows it.
struct Attribute<'a> {
    code: u8,
    value: &'a [u8],
    behind: &'a [u8],
}

fn attribute(list: &[u8]) -> Result<Option<Attribute<'_>>, String> {
    let (code, length, rest) = match list {
        [] => return Ok(None),
        [flags, code, high, low, rest @ ..] if flags & 0x10 != 0 => {
            (*code, usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        [_, code, length, rest @ ..] => (*code, usize::from(*length), rest),
        _ => return Err("an attribute is too short".into()),
    };
    let (value, behind) = rest.split_at_checked(length).ok_or("an attribute is too short")?;
    Ok(Some(Attribute { code, value, behind }))
}
