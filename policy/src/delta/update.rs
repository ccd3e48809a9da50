//! A delta with what there is now: whoever has a copy of the former program makes it one of the present program, for the work of what
//! became different.

use std::collections::{BTreeMap, BTreeSet};

use super::{Delta, Member, SetDelta};
use crate::program::{EndpointId, EndpointProgram, Profile, ProfileId, Program, Set, SetId};

#[cfg(test)]
mod tests;

/// How a copy of one program becomes one of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Whole(Program),
    /// `None`: not there any more.
    Part {
        sets: BTreeMap<SetId, Option<Content>>,
        profiles: BTreeMap<ProfileId, Option<Profile>>,
        endpoints: BTreeMap<EndpointId, Option<EndpointProgram>>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Whole(Set),
    Members { added: BTreeSet<Member>, removed: BTreeSet<Member> },
}

impl Update {
    /// From the program that the delta begins with (`None`: whatever it was) to the present one.
    pub fn of(program: &Program, delta: Option<&Delta>) -> Self {
        let Some(delta) = delta else { return Self(Kind::Whole(program.clone())) };
        let content = |id: &SetId, change: &SetDelta| {
            let set = program.sets.get(id)?;
            Some(match change {
                SetDelta::Whole => Content::Whole(set.clone()),
                SetDelta::Members { added, removed } => {
                    Content::Members { added: added.clone(), removed: removed.clone() }
                }
            })
        };
        Self(Kind::Part {
            sets: delta.sets.iter().map(|(id, change)| (id.clone(), content(id, change))).collect(),
            profiles: with_values(&delta.profiles, &program.profiles),
            endpoints: with_values(&delta.endpoints, &program.endpoints),
        })
    }

    /// Makes the copy one of the present program.
    pub fn apply(self, copy: &mut Program) {
        let (sets, profiles, endpoints) = match self.0 {
            Kind::Whole(program) => {
                *copy = program;
                return;
            }
            Kind::Part { sets, profiles, endpoints } => (sets, profiles, endpoints),
        };
        for (id, content) in sets {
            match content {
                None => drop(copy.sets.remove(&id)),
                Some(Content::Whole(set)) => drop(copy.sets.insert(id, set)),
                Some(Content::Members { added, removed }) => {
                    let Some(set) = copy.sets.get_mut(&id) else { continue };
                    removed.into_iter().for_each(|member| member.put(set, false));
                    added.into_iter().for_each(|member| member.put(set, true));
                }
            }
        }
        put_all(&mut copy.profiles, profiles);
        put_all(&mut copy.endpoints, endpoints);
    }
}

impl Member {
    /// Makes it one of a set of its kind, or none any more.
    fn put(self, set: &mut Set, is_member: bool) {
        match (self, set) {
            (Self::Address(address), Set::Addresses(members)) => put(members, address, is_member),
            (Self::AddressPort(address, protocol, port), Set::AddressPorts(members)) => {
                put(members, (address, protocol, port), is_member);
            }
            (Self::Network(network), Set::Networks(members)) => put(members, network, is_member),
            (Self::Address(_) | Self::AddressPort(..) | Self::Network(_), _) => {}
        }
    }
}

fn put<T: Ord>(members: &mut BTreeSet<T>, member: T, is_member: bool) {
    if is_member {
        members.insert(member);
    } else {
        members.remove(&member);
    }
}

fn with_values<K: Ord + Clone, V: Clone>(keys: &BTreeSet<K>, map: &BTreeMap<K, V>) -> BTreeMap<K, Option<V>> {
    keys.iter().map(|key| (key.clone(), map.get(key).cloned())).collect()
}

fn put_all<K: Ord, V>(map: &mut BTreeMap<K, V>, changes: BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        }
    }
}
