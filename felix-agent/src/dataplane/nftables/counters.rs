//! The rules of our table as they stand in the kernel, with what they have counted.
//!
//! A rule is found again by its chain and its comment ([`super::lower::name`]). Counters begin with the rule: a rule that
//! stays when policies change keeps counting, one that is new begins at zero.
//!
//! Has a socket of its own, so that whoever asks holds nobody up who writes.

use std::collections::BTreeMap;
use std::io;

use policy::program::Direction;

use super::TABLE_NAME;
use super::lower::end_chain;
use super::mark::{Generation, MarkLayout};
use super::read::{dump, is_transient};
use super::socket::NetfilterSocket;
use super::table::{Bits, Statement};
use super::wire::{Attributes, Received, code};

#[cfg(test)]
mod tests;

/// Dumps that a change may spoil in a row.
const ATTEMPTS: usize = 10;

/// Chains of endpoints' ends begin so.
const END_PREFIX: &str = "ep_";

/// A rule of our table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRule {
    /// Its chain.
    pub chain: String,
    /// The kernel's name for it.
    pub handle: u64,
    /// What it stands for; empty if for nothing of a policy.
    pub comment: String,
    /// What it has counted, if it counts.
    pub count: Option<Count>,
}

/// What a counter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packet.
    pub bytes: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// All rules of our table, chain by chain in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelRules {
    chains: BTreeMap<String, Vec<KernelRule>>,
    /// What the chains of endpoints write into connections' marks.
    marks: BTreeMap<String, Bits>,
}

impl KernelRules {
    /// Reads them, in the calling thread's network namespace. None if there is no table.
    ///
    /// # Errors
    /// Without the right to ask (`CAP_NET_ADMIN`), or if the ruleset does not stand still.
    pub fn read() -> io::Result<Self> {
        let mut socket = NetfilterSocket::connect()?;
        for _ in 0..ATTEMPTS {
            match read_once(&mut socket) {
                Err(error) if is_transient(&error) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Self::default()),
                answer => return answer,
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// The rule with this name of the kernel's.
    #[must_use]
    pub fn get(&self, chain: &str, handle: u64) -> Option<&KernelRule> {
        self.chains.get(chain)?.iter().find(|rule| rule.handle == handle)
    }

    /// The rules of a profile with this comment: those that stand for one thing of a policy. A profile is the chain of its
    /// name and those named so with a number behind it.
    pub fn of_profile<'a>(
        &'a self,
        profile: &'a str,
        comment: &'a str,
    ) -> impl Iterator<Item = &'a KernelRule> {
        let chains =
            self.chains.range(profile.to_owned()..).take_while(move |(chain, _)| chain.starts_with(profile));
        let of_profile = chains.filter(move |(chain, _)| is_of_profile(chain, profile));
        of_profile.flat_map(|(_, rules)| rules).filter(move |rule| rule.comment == comment)
    }

    /// The generation of an endpoint's end, where the mark has the fields as said; `None` if it has no chain.
    #[must_use]
    pub fn generation(&self, interface: &str, direction: Direction, mark: MarkLayout) -> Option<Generation> {
        mark.generation(direction, *self.marks.get(&end_chain(interface, direction))?)
    }

    /// What each profile has counted under each comment, over all alternatives of a rule.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(&str, &str), Count> {
        let mut counts: BTreeMap<(&str, &str), Count> = BTreeMap::new();
        for rule in self.chains.values().flatten() {
            if let Some(count) = rule.count {
                *counts.entry((profile_of(&rule.chain), rule.comment.as_str())).or_default() += count;
            }
        }
        counts
    }
}

/// Whether a chain is one of the profile's.
#[must_use]
pub fn is_of_profile(chain: &str, profile: &str) -> bool {
    profile_of(chain) == profile
}

/// A chain's name without the number of those behind the first.
fn profile_of(chain: &str) -> &str {
    match chain.rsplit_once('_') {
        Some((profile, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            profile
        }
        Some(_) | None => chain,
    }
}

fn read_once(socket: &mut NetfilterSocket) -> io::Result<KernelRules> {
    let mut rules = KernelRules::default();
    let named = |attributes: &mut Attributes| attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
    dump(socket, code::NFT_MSG_GETRULE, named, |message| {
        if let Some((chain, bits)) = decode_mark(message.attributes()) {
            rules.marks.insert(chain, bits);
        }
        if let Some(rule) = decode(message.attributes()) {
            rules.chains.entry(rule.chain.clone()).or_default().push(rule);
        }
    })?;
    Ok(rules)
}

fn decode(attributes: Received<'_>) -> Option<KernelRule> {
    Some(KernelRule {
        chain: attributes.text(code::NFTA_RULE_CHAIN)?.to_owned(),
        handle: attributes.number64(code::NFTA_RULE_HANDLE)?,
        comment: attributes
            .bytes(code::NFTA_RULE_USERDATA)
            .and_then(super::decode::comment)
            .unwrap_or_default(),
        count: count(attributes),
    })
}

/// What a rule that ends the chain of an endpoint's end writes.
fn decode_mark(attributes: Received<'_>) -> Option<(String, Bits)> {
    attributes.text(code::NFTA_RULE_CHAIN).filter(|chain| chain.starts_with(END_PREFIX))?;
    let (chain, rule) = super::decode::rule(attributes)?;
    match rule.statements.as_slice() {
        [Statement::SetMark(bits)] => Some((chain, *bits)),
        _ => None,
    }
}

/// The first counter among the rule's expressions.
fn count(attributes: Received<'_>) -> Option<Count> {
    let mut expressions =
        attributes.nested(code::NFTA_RULE_EXPRESSIONS)?.iter().map(|(_, one)| Received(one));
    let counter = expressions.find(|one| one.text(code::NFTA_EXPR_NAME) == Some("counter"))?;
    let shown = counter.nested(code::NFTA_EXPR_DATA)?;
    Some(Count {
        packets: shown.number64(code::NFTA_COUNTER_PACKETS)?,
        bytes: shown.number64(code::NFTA_COUNTER_BYTES)?,
    })
}
