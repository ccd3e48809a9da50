//! `65001:*`, `65001:1:*`, `rt:65001:*`: communities of one kind, some parts of them open.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::ParsePatternError;
use crate::filter::AnyCommunity;
use crate::wire::{Community, ExtendedCommunity, LargeCommunity};

/// Communities of one kind with some parts left open: `65001:*`, `65001:1:*`, `rt:65001:*`, or one alone: `65001:100`,
/// `no-export`, `65001:1:2`, `soo:10.0.0.1:7`, `generic:0x0002fde900000064`. How many parts there are tells the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommunityPattern(Kind);

/// A part of a community; none leaves it open.
type Part<T> = Option<T>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Standard(Part<u16>, Part<u16>),
    Large(Part<u32>, Part<u32>, Part<u32>),
    /// Of a subtype that has a name.
    Extended(Subtype, Part<Administrator>, Part<u32>),
    Generic(Part<u64>),
}

/// RFC 4360 §4 and §5: subtypes whose value is an administrator and a number that it gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subtype {
    RouteTarget,
    RouteOrigin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Administrator {
    /// In two octets or in four (RFC 5668).
    As(u32),
    Address(Ipv4Addr),
}

impl CommunityPattern {
    /// Whether a community is one of these.
    #[must_use]
    pub fn matches(&self, community: AnyCommunity) -> bool {
        match community {
            AnyCommunity::Standard(community) => self.matches_standard(community),
            AnyCommunity::Extended(community) => self.matches_extended(community),
            AnyCommunity::Large(community) => self.matches_large(community),
        }
    }

    /// Whether a community of RFC 1997 is one of these.
    #[must_use]
    pub fn matches_standard(&self, Community(value): Community) -> bool {
        let Kind::Standard(high, low) = self.0 else { return false };
        fits(high.map(u32::from), value >> 16) && fits(low.map(u32::from), value & 0xffff)
    }

    /// Whether an extended community is one of these.
    #[must_use]
    pub fn matches_extended(&self, community: ExtendedCommunity) -> bool {
        match self.0 {
            Kind::Extended(subtype, administrator, number) => read(community)
                .is_some_and(|(s, a, n)| s == subtype && fits(administrator, a) && fits(number, n)),
            Kind::Generic(value) => fits(value, community.0),
            Kind::Standard(..) | Kind::Large(..) => false,
        }
    }

    /// Whether a large community is one of these.
    #[must_use]
    pub fn matches_large(&self, community: LargeCommunity) -> bool {
        let Kind::Large(global, local_1, local_2) = self.0 else { return false };
        fits(global, community.global) && fits(local_1, community.local_1) && fits(local_2, community.local_2)
    }
}

fn fits<T: PartialEq>(part: Part<T>, value: T) -> bool {
    part.is_none_or(|wanted| wanted == value)
}

/// What a transitive community of a named subtype says; none for all others.
fn read(ExtendedCommunity(value): ExtendedCommunity) -> Option<(Subtype, Administrator, u32)> {
    let [kind, subtype, a, b, c, d, e, f] = value.to_be_bytes();
    let subtype =
        [Subtype::RouteTarget, Subtype::RouteOrigin].into_iter().find(|one| one.code() == subtype)?;
    let (administrator, number) = match kind {
        0 => (Administrator::As(u32::from(u16::from_be_bytes([a, b]))), u32::from_be_bytes([c, d, e, f])),
        1 => (Administrator::Address(Ipv4Addr::new(a, b, c, d)), u32::from(u16::from_be_bytes([e, f]))),
        2 => (Administrator::As(u32::from_be_bytes([a, b, c, d])), u32::from(u16::from_be_bytes([e, f]))),
        _ => return None,
    };
    Some((subtype, administrator, number))
}

impl Subtype {
    fn code(self) -> u8 {
        match self {
            Self::RouteTarget => 2,
            Self::RouteOrigin => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::RouteTarget => "rt",
            Self::RouteOrigin => "soo",
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).map_err(|reason| ParsePatternError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Kind, String> {
    let parts: Vec<&str> = text.splitn(5, ':').collect();
    match *parts.as_slice() {
        ["generic", value] => generic(value).map(Kind::Generic),
        [name @ ("rt" | "soo"), administrator, number] => extended(name, administrator, number),
        ["rt" | "soo" | "generic", ..] => {
            Err("an extended community is rt:65001:100, soo:10.0.0.1:7 or generic:0x0002fde900000064"
                .to_owned())
        }
        [high, low] => Ok(Kind::Standard(part(high, u16::MAX)?, part(low, u16::MAX)?)),
        [global, local_1, local_2] => {
            Ok(Kind::Large(part(global, u32::MAX)?, part(local_1, u32::MAX)?, part(local_2, u32::MAX)?))
        }
        [name] => match name.parse::<Community>() {
            Ok(Community(value)) => Ok(standard(value)),
            Err(_) => {
                Err("give two parts as 65001:100 or 65001:*, three as 65001:1:*, an extended community as \
                           rt:65001:*, or a name such as no-export"
                    .to_owned())
            }
        },
        _ => Err("a community has two parts (65001:*), three if it is large (65001:1:*)".to_owned()),
    }
}

fn standard(value: u32) -> Kind {
    Kind::Standard(u16::try_from(value >> 16).ok(), u16::try_from(value & 0xffff).ok())
}

/// A number up to `most`, digits alone, or an asterisk.
fn part<T: FromStr + fmt::Display>(text: &str, most: T) -> Result<Part<T>, String> {
    if text == "*" {
        return Ok(None);
    }
    // `parse` takes a sign, which no other text of a community has.
    let number = text.parse().ok().filter(|_| !text.starts_with('+'));
    number.map(Some).ok_or_else(|| format!("part {text:?} is neither a number up to {most} nor *"))
}

fn extended(name: &str, administrator: &str, number: &str) -> Result<Kind, String> {
    let subtype = if name == "rt" { Subtype::RouteTarget } else { Subtype::RouteOrigin };
    let administrator = match administrator.parse() {
        Ok(address) => Some(Administrator::Address(address)),
        Err(_) => part(administrator, u32::MAX)
            .map_err(|_| format!("part {administrator:?} is neither an AS, nor an IPv4 address, nor *"))?
            .map(Administrator::As),
    };
    // Two octets are left beside an administrator of four.
    let short = match administrator {
        Some(Administrator::Address(_)) => true,
        Some(Administrator::As(asn)) => asn > u32::from(u16::MAX),
        None => false,
    };
    let number = if short { part(number, u16::MAX)?.map(u32::from) } else { part(number, u32::MAX)? };
    Ok(Kind::Extended(subtype, administrator, number))
}

fn generic(value: &str) -> Result<Part<u64>, String> {
    if value == "*" {
        return Ok(None);
    }
    let digits = value.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number
        .map(Some)
        .ok_or_else(|| "generic: takes all eight octets, as generic:0x0002fde900000064, or *".to_owned())
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Standard(Some(high), Some(low)) => Community(u32::from(high) << 16 | u32::from(low)).fmt(f),
            Kind::Standard(high, low) => write!(f, "{}:{}", Shown(high), Shown(low)),
            Kind::Large(global, local_1, local_2) => {
                write!(f, "{}:{}:{}", Shown(global), Shown(local_1), Shown(local_2))
            }
            Kind::Extended(subtype, administrator, number) => {
                write!(f, "{}:{}:{}", subtype.name(), Shown(administrator), Shown(number))
            }
            Kind::Generic(Some(value)) => write!(f, "generic:{value:#018x}"),
            Kind::Generic(None) => f.write_str("generic:*"),
        }
    }
}

/// A part as it is written.
struct Shown<T>(Part<T>);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("*"),
        }
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As(asn) => asn.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}
