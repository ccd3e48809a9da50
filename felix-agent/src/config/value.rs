//! Values that are written in a form of their own: text that is parsed, and what can be said in more than one way.
//!
//! Each is read by hand, so that what is wrong with it is said at its own place and with what would be right. A
//! password's text is in no error and no debug output.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;

use ::bgp::config::Secret;
use datastore::spelling::nearest;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::peer::{ByFamily, Family, FamilySettings};

/// Text in the form that a type of its own reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<T>(pub T);

/// Which AS a peer may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Is(u32),
    /// Ours.
    Internal,
    /// Any but ours.
    External,
    /// Any.
    Any,
}

/// Which routes pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// All.
    All,
    /// None.
    None,
    /// What this speaker originates.
    Originated,
    /// What the filter of this name says.
    Filter(String),
}

/// How many paths to a prefix a peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendPaths {
    /// The best one.
    #[default]
    Best,
    /// So many.
    Limit(u16),
    /// All.
    All,
}

/// What MULTI_EXIT_DISC is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Med {
    /// It is removed.
    None,
    /// This.
    Is(u32),
}

/// What a filter sets as next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetNextHop {
    /// Ourselves.
    Itself,
    /// As received.
    Unchanged,
    /// This.
    To(IpAddr),
}

/// Address families, each with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Families(pub ByFamily);

/// A password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(pub Secret);

impl Default for Families {
    fn default() -> Self {
        let both = [Family::Ipv4Unicast, Family::Ipv6Unicast];
        Self(both.into_iter().map(|family| (family, FamilySettings::default())).collect())
    }
}

impl<'de, T> Deserialize<'de> for Text<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<T> Visitor<'_> for Read<T>
        where
            T: FromStr,
            T::Err: fmt::Display,
        {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                text.parse().map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read(PhantomData))
    }
}

/// Reads a number, or one of a few words.
struct Word<T: 'static> {
    expected: &'static str,
    words: &'static [(&'static str, T)],
    number: fn(u32) -> Option<T>,
}

impl<T: Copy> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let read = u32::try_from(number).ok().and_then(self.number);
        read.ok_or_else(|| E::custom(format!("is the number {number}; write {}", self.expected)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if let Some((_, value)) = self.words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let near = nearest(text, self.words.iter().map(|(word, _)| *word));
        Err(E::custom(match near {
            Some(near) => format!("\"{text}\" is unknown; did you mean \"{near}\"?"),
            None => format!("is the text \"{text}\"; write {}", self.expected),
        }))
    }
}

impl<'de> Deserialize<'de> for RemoteAs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word {
            expected: "a number from 1 to 4294967295, or internal, external or any",
            words: &[("internal", Self::Internal), ("external", Self::External), ("any", Self::Any)],
            number: |number| Some(Self::Is(number)),
        })
    }
}

impl<'de> Deserialize<'de> for SendPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word {
            expected: "best, all, or a number from 1 to 65535",
            words: &[("best", Self::Best), ("all", Self::All)],
            number: |number| u16::try_from(number).ok().filter(|limit| *limit > 0).map(Self::Limit),
        })
    }
}

impl<'de> Deserialize<'de> for Med {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word {
            expected: "a whole number from 0 to 4294967295, or none",
            words: &[("none", Self::None)],
            number: |number| Some(Self::Is(number)),
        })
    }
}

impl FromStr for Policy {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "all" => Self::All,
            "none" => Self::None,
            "originated" => Self::Originated,
            name => Self::Filter(name.to_owned()),
        })
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|Text(policy)| policy)
    }
}

impl FromStr for SetNextHop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "self" => Ok(Self::Itself),
            "unchanged" => Ok(Self::Unchanged),
            address => address
                .parse()
                .map(Self::To)
                .map_err(|_| format!("is the text \"{text}\"; write an IP address, self or unchanged")),
        }
    }
}

impl<'de> Deserialize<'de> for SetNextHop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|Text(next_hop)| next_hop)
    }
}

impl<'de> Deserialize<'de> for Families {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Families;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ipv4-unicast and ipv6-unicast, or a mapping of them to their settings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Families, A::Error> {
                let mut families = ByFamily::new();
                while let Some(family) = list.next_element::<Family>()? {
                    if families.insert(family, FamilySettings::default()).is_some() {
                        return Err(A::Error::custom("names a family twice; remove one"));
                    }
                }
                Ok(Families(families))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Families, A::Error> {
                let mut families = ByFamily::new();
                while let Some(family) = map.next_key::<Family>()? {
                    let settings: Option<FamilySettings> = map.next_value()?;
                    families.insert(family, settings.unwrap_or_default());
                }
                Ok(Families(families))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes whatever is there, so that no error quotes it.
        struct Read;
        const NO_TEXT: &str = "is no text; write it in quotes";
        impl<'de> Visitor<'de> for Read {
            type Value = Password;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Password, E> {
                Ok(Password(Secret(text.into())))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Password, E> {
                Err(E::custom(NO_TEXT))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Password, E> {
                Err(E::custom(NO_TEXT))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Password, E> {
                Err(E::custom(NO_TEXT))
            }
        }
        deserializer.deserialize_any(Read)
    }
}
