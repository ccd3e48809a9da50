//! AS_PATH, RFC 4271 §4.3 and §5.1.2, RFC 5065, RFC 6793: which ASes a route came through.
//!
//! In memory numbers have four octets. Towards a two-octet speaker, numbers that do not fit become `AS_TRANS`, with
//! the truth beside them in AS4_PATH; from one, [`merge`] puts the two together again. Text: sequences bare, sets in
//! braces ("65001 65100 {65200,65201}"), confederation sequences in parentheses and sets in brackets.

use std::fmt;
use std::str::FromStr;

use bytes::BufMut;

use super::code::{AS_TRANS, segment};
use super::{AsPath, AsPathSegment};

#[cfg(test)]
mod tests;

/// Numbers that one segment on the wire can count.
const MAX_SEGMENT: usize = 255;

/// How many octets a number has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Two,
    Four,
}

impl Width {
    pub(super) fn octets(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// What makes an AS_PATH malformed (RFC 7606 §7.2, RFC 7607 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AsPathError {
    #[error("segment type {0} is unknown")]
    SegmentType(u8),
    #[error("a segment is empty")]
    EmptySegment,
    #[error("a segment reaches beyond the attribute")]
    Overrun,
    #[error("one octet is left over")]
    Underrun,
    #[error("AS 0 is in the path")]
    AsZero,
}

impl AsPath {
    /// A path of one sequence; empty if `asns` is.
    #[must_use]
    pub fn sequence(asns: impl IntoIterator<Item = u32>) -> Self {
        let asns: Vec<u32> = asns.into_iter().collect();
        let segments = if asns.is_empty() { Vec::new() } else { vec![AsPathSegment::Sequence(asns)] };
        Self { segments }
    }

    /// Length for the decision process: a set counts as one, confederation segments not at all (RFC 4271 §9.1.2.2,
    /// RFC 5065 §5.3).
    #[must_use]
    pub fn hop_count(&self) -> usize {
        self.segments.iter().map(AsPathSegment::hop_count).sum()
    }

    /// Whether `asn` is anywhere in the path: the loop check of RFC 4271 §9.1.2.
    #[must_use]
    pub fn contains(&self, asn: u32) -> bool {
        self.segments.iter().any(|segment| segment.asns().contains(&asn))
    }

    /// The AS that sent the route, for comparing MEDs (RFC 4271 §9.1.2.2): the first of a leading sequence, where
    /// confederations do not count (RFC 5065 §5.3). None for a path that began in our own AS, or with a set.
    #[must_use]
    pub fn neighbour(&self) -> Option<u32> {
        match self.segments.iter().find(|segment| !segment.is_confederation())? {
            AsPathSegment::Sequence(asns) => asns.first().copied(),
            AsPathSegment::Set(_) | AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => None,
        }
    }

    /// The AS that originated the route: the last of the path, if the path ends with a sequence.
    #[must_use]
    pub fn origin(&self) -> Option<u32> {
        match self.segments.last()? {
            AsPathSegment::Sequence(asns) => asns.last().copied(),
            AsPathSegment::Set(_) | AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => None,
        }
    }

    /// How often `asn` is in the path, wherever.
    #[must_use]
    pub fn count(&self, asn: u32) -> usize {
        let of = |segment: &AsPathSegment| segment.asns().iter().filter(|other| **other == asn).count();
        self.segments.iter().map(of).sum()
    }

    /// The first AS of the message, if the path begins with a sequence of whatever kind: what RFC 4271 §6.3 compares
    /// with the peer's AS.
    #[must_use]
    pub fn leftmost(&self) -> Option<u32> {
        match self.segments.first()? {
            AsPathSegment::Sequence(asns) | AsPathSegment::ConfedSequence(asns) => asns.first().copied(),
            AsPathSegment::Set(_) | AsPathSegment::ConfedSet(_) => None,
        }
    }

    /// The path with `asn` before it, as sent to an external peer (RFC 4271 §5.1.2 b).
    #[must_use]
    pub fn prepended(&self, asn: u32) -> Self {
        let mut path = self.clone();
        path.prepend(asn, 1);
        path
    }

    /// Puts `asn` in front, so many times. No segment gets longer than 255: what does not fit begins another.
    pub fn prepend(&mut self, asn: u32, times: usize) {
        let mut left = times;
        if let Some(AsPathSegment::Sequence(asns)) = self.segments.first_mut() {
            let fitting = left.min(MAX_SEGMENT.saturating_sub(asns.len()));
            asns.splice(0..0, std::iter::repeat_n(asn, fitting));
            left -= fitting;
        }
        while left > 0 {
            let fitting = left.min(MAX_SEGMENT);
            self.segments.insert(0, AsPathSegment::Sequence(vec![asn; fitting]));
            left -= fitting;
        }
    }

    /// Puts `new` wherever `old` is, the length unchanged (as-override). Whether it was there.
    pub fn replace(&mut self, old: u32, new: u32) -> bool {
        let mut found = false;
        for asn in self.segments.iter_mut().flat_map(AsPathSegment::asns_mut) {
            if *asn == old {
                *asn = new;
                found = true;
            }
        }
        found
    }

    /// Whether AS4_PATH has to go along to a two-octet speaker.
    pub(super) fn needs_four_octets(&self) -> bool {
        self.segments.iter().flat_map(AsPathSegment::asns).any(|asn| u16::try_from(*asn).is_err())
    }

    /// Whether a confederation is in the path.
    pub(super) fn has_confederations(&self) -> bool {
        self.segments.iter().any(AsPathSegment::is_confederation)
    }

    /// What AS4_PATH may hold: no confederation segments (RFC 6793 §3).
    pub(super) fn without_confederations(&self) -> Self {
        let plain = |segment: &&AsPathSegment| !segment.is_confederation();
        Self { segments: self.segments.iter().filter(plain).cloned().collect() }
    }
}

impl AsPathSegment {
    /// Its numbers, in the order of the message.
    #[must_use]
    pub fn asns(&self) -> &[u32] {
        match self {
            Self::Sequence(asns) | Self::Set(asns) | Self::ConfedSequence(asns) | Self::ConfedSet(asns) => {
                asns
            }
        }
    }

    fn asns_mut(&mut self) -> &mut Vec<u32> {
        match self {
            Self::Sequence(asns) | Self::Set(asns) | Self::ConfedSequence(asns) | Self::ConfedSet(asns) => {
                asns
            }
        }
    }

    fn hop_count(&self) -> usize {
        match self {
            Self::Sequence(asns) => asns.len(),
            Self::Set(_) => 1,
            Self::ConfedSequence(_) | Self::ConfedSet(_) => 0,
        }
    }

    fn is_confederation(&self) -> bool {
        match self {
            Self::Sequence(_) | Self::Set(_) => false,
            Self::ConfedSequence(_) | Self::ConfedSet(_) => true,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Set(_) => segment::SET,
            Self::Sequence(_) => segment::SEQUENCE,
            Self::ConfedSequence(_) => segment::CONFED_SEQUENCE,
            Self::ConfedSet(_) => segment::CONFED_SET,
        }
    }
}

/// Reads the value of AS_PATH or AS4_PATH.
pub(super) fn decode(mut value: &[u8], width: Width) -> Result<AsPath, AsPathError> {
    let mut segments = Vec::new();
    while let Some((&kind, rest)) = value.split_first() {
        let (&count, rest) = rest.split_first().ok_or(AsPathError::Underrun)?;
        let segment = match kind {
            segment::SET => AsPathSegment::Set,
            segment::SEQUENCE => AsPathSegment::Sequence,
            segment::CONFED_SEQUENCE => AsPathSegment::ConfedSequence,
            segment::CONFED_SET => AsPathSegment::ConfedSet,
            other => return Err(AsPathError::SegmentType(other)),
        };
        if count == 0 {
            return Err(AsPathError::EmptySegment);
        }
        let octets = usize::from(count) * width.octets();
        let (numbers, rest) = rest.split_at_checked(octets).ok_or(AsPathError::Overrun)?;
        let asns = decode_numbers(numbers, width);
        if asns.contains(&0) {
            return Err(AsPathError::AsZero);
        }
        segments.push(segment(asns));
        value = rest;
    }
    Ok(AsPath { segments })
}

fn decode_numbers(octets: &[u8], width: Width) -> Vec<u32> {
    match width {
        Width::Two => {
            octets.as_chunks::<2>().0.iter().map(|number| u32::from(u16::from_be_bytes(*number))).collect()
        }
        Width::Four => octets.as_chunks::<4>().0.iter().map(|number| u32::from_be_bytes(*number)).collect(),
    }
}

/// Octets that [`encode`] writes.
pub(super) fn octets(path: &AsPath, width: Width) -> usize {
    let of = |asns: &[u32]| 2 * asns.len().div_ceil(MAX_SEGMENT) + width.octets() * asns.len();
    path.segments.iter().map(|segment| of(segment.asns())).sum()
}

/// Appends the value of AS_PATH or AS4_PATH. A segment of more than 255 numbers becomes several, which for a
/// sequence means the same.
pub(super) fn encode(path: &AsPath, width: Width, out: &mut impl BufMut) {
    for segment in &path.segments {
        for asns in segment.asns().chunks(MAX_SEGMENT) {
            out.put_u8(segment.code());
            out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
            for asn in asns {
                match width {
                    Width::Two => out.put_u16(u16::try_from(*asn).unwrap_or(AS_TRANS)),
                    Width::Four => out.put_u32(*asn),
                }
            }
        }
    }
}

/// Puts a two-octet AS_PATH and its AS4_PATH together, RFC 6793 §4.2.3: speakers that know nothing of AS4_PATH
/// prepended to the former only, so what it has more of comes first.
pub(super) fn merge(as_path: AsPath, as4_path: &AsPath) -> AsPath {
    let as4_path = as4_path.without_confederations();
    let Some(mut missing) = as_path.hop_count().checked_sub(as4_path.hop_count()) else {
        return as_path;
    };
    let mut segments: Vec<AsPathSegment> = Vec::new();
    for segment in as_path.segments {
        match segment {
            // Leading, or next to something that is kept.
            AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => segments.push(segment),
            AsPathSegment::Sequence(_) | AsPathSegment::Set(_) if missing == 0 => break,
            AsPathSegment::Sequence(mut asns) => {
                asns.truncate(missing);
                missing -= asns.len();
                segments.push(AsPathSegment::Sequence(asns));
            }
            AsPathSegment::Set(_) => {
                missing -= 1;
                segments.push(segment);
            }
        }
    }
    append(segments, as4_path.segments)
}

/// Joins the sequences at the seam, as long as they fit into one segment.
fn append(mut segments: Vec<AsPathSegment>, tail: Vec<AsPathSegment>) -> AsPath {
    for segment in tail {
        match (segments.last_mut(), segment) {
            (Some(AsPathSegment::Sequence(before)), AsPathSegment::Sequence(after))
                if before.len() + after.len() <= MAX_SEGMENT =>
            {
                before.extend(after);
            }
            (_, segment) => segments.push(segment),
        }
    }
    AsPath { segments }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let joined = |by: &str| segment.asns().iter().map(u32::to_string).collect::<Vec<_>>().join(by);
            words.push(match segment {
                AsPathSegment::Sequence(_) => joined(" "),
                AsPathSegment::Set(_) => format!("{{{}}}", joined(",")),
                AsPathSegment::ConfedSequence(_) => format!("({})", joined(" ")),
                AsPathSegment::ConfedSet(_) => format!("[{}]", joined(",")),
            });
        }
        f.pad(&words.join(" "))
    }
}

/// A text that is no AS path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no AS path: give numbers separated by spaces, sets in braces, as in 65001 {{65100,65101}}")]
pub struct ParseAsPathError(String);

impl FromStr for AsPath {
    type Err = ParseAsPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseAsPathError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<AsPath> {
    let mut segments = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (inside, after) = match first {
            '{' => rest.get(1..)?.split_once('}')?,
            '(' => rest.get(1..)?.split_once(')')?,
            '[' => rest.get(1..)?.split_once(']')?,
            _ => rest.split_at(rest.find(['{', '(', '[']).unwrap_or(rest.len())),
        };
        let separator: fn(char) -> bool = match first {
            '{' | '[' => |c| c == ',',
            _ => char::is_whitespace,
        };
        let asns = inside
            .trim()
            .split(separator)
            .filter(|word| !word.is_empty())
            .map(|word| word.trim().parse().ok().filter(|asn| *asn != 0))
            .collect::<Option<Vec<u32>>>()?;
        if asns.is_empty() {
            return None;
        }
        segments.push(match first {
            '{' => AsPathSegment::Set(asns),
            '(' => AsPathSegment::ConfedSequence(asns),
            '[' => AsPathSegment::ConfedSet(asns),
            _ => AsPathSegment::Sequence(asns),
        });
        rest = after.trim_start();
    }
    Some(AsPath { segments })
}
