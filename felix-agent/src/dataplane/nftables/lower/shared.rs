//! Many selectors in one set.
//!
//! The kernel finds a set by going through all sets of the table, once for each rule that asks it and each list of elements; with
//! ten thousand, a load takes seconds. So from so many sets on ([`super::Options::shared_from`]), all that consist of addresses are one set for each
//! family, keyed by the number in the set's name and the address:
//!
//! ```text
//! ip saddr @s0123456789abcdef4     becomes     0x01234567 . 0x89abcdef . ip saddr @selected4
//! ```
//!
//! A lookup is one in a hash table either way. What it costs: `nft list` shows a number and no name, and nobody counts a
//! selector's members at a glance.
//!
//! Pure, and a step of its own behind the lowering of sets and profiles: neither knows of it. Deliberately left alone: sets of
//! networks, which are intervals and cannot share, and sets of addresses with ports, of which there is one for each *name* of a
//! port.

use policy::program::{Program, Set as ProgramSet, SetId};

use crate::dataplane::nftables::table::{
    Chain, Datatype, Elements, Family, Field, Set, Statement, Table, Value,
};

use super::Options;

#[cfg(test)]
mod tests;

/// The number of a set's name, in two words.
pub(in crate::dataplane::nftables) type Selector = [u32; 2];

/// Where the members of a program's sets are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Homes<'a> {
    /// `None`: each set is its own.
    sharing: Option<&'a Program>,
}

/// Where a set is that shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Home {
    /// The shared set.
    pub(super) set: &'static str,
    /// What the keys of its members begin with.
    pub(super) selector: Selector,
}

/// Whether the sets of a program share.
pub(super) fn is_due(program: &Program, options: &Options) -> bool {
    program.sets.len() >= options.shared_from
}

/// The shared sets, empty.
pub(super) fn sets() -> [(String, Set); 2] {
    [Family::V4, Family::V6].map(|family| {
        let key = vec![Datatype::Number, Datatype::Number, family.datatype()];
        (shared_set(family).to_owned(), Set { key, elements: Elements::Keys(Default::default()) })
    })
}

fn shared_set(family: Family) -> &'static str {
    match family {
        Family::V4 => "selected4",
        Family::V6 => "selected6",
    }
}

/// Where a set of this name in the kernel would be if it shared; `None` if it is none of a program's sets.
pub(super) fn home(name: &str) -> Option<Home> {
    let (id, family) = split(name)?;
    let number = u64::from_str_radix(id.strip_prefix('s')?, 16).ok()?;
    let [high, low] = [number >> 32, number & u64::from(u32::MAX)].map(|word| u32::try_from(word).ok());
    Some(Home { set: shared_set(family), selector: [high?, low?] })
}

/// The program's name of a set, and the family.
fn split(name: &str) -> Option<(&str, Family)> {
    let v4 = name.strip_suffix('4').map(|id| (id, Family::V4));
    v4.or_else(|| name.strip_suffix('6').map(|id| (id, Family::V6)))
}

/// What the keys of a selector's members begin with.
pub(super) fn prefix(selector: Selector) -> Vec<Value> {
    selector.map(Value::Number).into()
}

/// Which selector a lookup or a key is about, if it is about one.
pub(in crate::dataplane::nftables) fn selector_of_fields(fields: &[Field]) -> Option<Selector> {
    match fields {
        [Field::Number(high), Field::Number(low), ..] => Some([*high, *low]),
        _ => None,
    }
}

/// The same of a key.
pub(in crate::dataplane::nftables) fn selector_of_key(key: &[Value]) -> Option<Selector> {
    match key {
        [Value::Number(high), Value::Number(low), ..] => Some([*high, *low]),
        _ => None,
    }
}

impl<'a> Homes<'a> {
    /// Of a program's sets.
    pub(super) fn of(program: &'a Program, options: &Options) -> Self {
        Self { sharing: is_due(program, options).then_some(program) }
    }

    /// Whether there is a set that several share.
    pub(super) fn are_shared(&self) -> bool {
        self.sharing.is_some()
    }

    /// Whether a set of this name in the kernel shares another.
    pub(super) fn shares(&self, name: &str) -> bool {
        self.home(name).is_some()
    }

    fn home(&self, name: &str) -> Option<Home> {
        let (id, _) = split(name)?;
        match self.sharing?.sets.get(&SetId(id.to_owned()))? {
            ProgramSet::Addresses(_) => home(name),
            ProgramSet::AddressPorts(_) | ProgramSet::Networks(_) => None,
        }
    }

    /// Where an element of a set is.
    pub(super) fn element(&self, set: String, key: Vec<Value>) -> (String, Vec<Value>) {
        match self.home(&set) {
            None => (set, key),
            Some(home) => (home.set.to_owned(), [prefix(home.selector), key].concat()),
        }
    }

    /// Gives a table a set.
    pub(super) fn put(&self, name: String, set: Set, table: &mut Table) {
        let Some(home) = self.home(&name) else { return drop(table.sets.insert(name, set)) };
        let shared = table.sets.get_mut(home.set).map(|set| &mut set.elements);
        if let (Elements::Keys(members), Some(Elements::Keys(shared))) = (set.elements, shared) {
            shared.extend(members.into_iter().map(|key| [prefix(home.selector), key].concat()));
        }
    }

    /// A chain that asks where the members are.
    pub(super) fn chain(&self, chain: Chain) -> Chain {
        if self.sharing.is_none() {
            return chain;
        }
        let mut chain = chain;
        for statement in chain.rules.iter_mut().flat_map(|rule| &mut rule.statements) {
            if let Statement::InSet(fields, set) | Statement::NotInSet(fields, set) = statement
                && let Some(Home { set: shared, selector }) = self.home(set)
            {
                let numbers = selector.map(Field::Number);
                *fields = numbers.into_iter().chain(fields.iter().copied()).collect();
                *set = shared.to_owned();
            }
        }
        chain
    }
}
