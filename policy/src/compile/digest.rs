//! Names from content: the first 64 bits of a SHA-256 over an unambiguous encoding.
//!
//! A cryptographic hash, because the content is written by tenants: with a weak one, a policy could be crafted
//! whose set takes the name of a set in another namespace. The encoding prefixes every text and list with its
//! length and every alternative with its number, so different content has different bytes. The names are part of what
//! is in the kernel: changing the encoding renames everything at the next start of an agent.

use ipnetwork::IpNetwork;
use sha2::{Digest as _, Sha256};

use crate::program::{Action, Family, Match, PolicyId, PolicyKind, Protocol, Rule, Side};

pub(super) struct Digest(Sha256);

impl Digest {
    /// For content of this kind; different kinds never share a name.
    pub(super) fn of(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self = self.number(text.len() as u64);
        self.0.update(text);
        self
    }

    /// A list, each item written by `write`.
    pub(super) fn list<T>(
        mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(Self, T) -> Self,
    ) -> Self {
        let items = items.into_iter();
        self = self.number(items.len() as u64);
        for item in items {
            self = write(self, item);
        }
        self
    }

    pub(super) fn protocol(self, protocol: Protocol) -> Self {
        self.number(protocol.number().into())
    }

    pub(super) fn network(self, network: &IpNetwork) -> Self {
        self.text(&network.to_string())
    }

    pub(super) fn policy(self, policy: &PolicyId) -> Self {
        let digest = self.number(match policy.kind {
            PolicyKind::NetworkPolicy => 0,
            PolicyKind::ClusterNetworkPolicy => 1,
            PolicyKind::FabricNetworkPolicy => 2,
            PolicyKind::GlobalNetworkPolicy => 3,
        });
        digest.list(&policy.namespace, |digest, namespace| digest.text(namespace)).text(&policy.name)
    }

    pub(super) fn rule(self, rule: &Rule) -> Self {
        let digest = self.policy(&rule.origin.policy).number(rule.origin.rule.into());
        let digest = digest.list(&rule.origin.name, |digest, name| digest.text(name));
        let digest = digest.list(&rule.matches, Self::condition);
        digest.number(match rule.action {
            Action::Allow => 0,
            Action::Deny => 1,
            Action::Pass => 2,
            Action::Log => 3,
        })
    }

    fn condition(self, condition: &Match) -> Self {
        match condition {
            Match::Family(family) => self.number(0).family(*family),
            Match::Protocol { number, negated } => {
                self.number(1).number((*number).into()).number((*negated).into())
            }
            Match::Icmp { family, kind, code, negated } => {
                let digest = self.number(2).family(*family).number((*kind).into());
                digest.list(code, |digest, code| digest.number((*code).into())).number((*negated).into())
            }
            Match::Address { side, set, negated } => {
                self.number(3).side(*side).text(&set.0).number((*negated).into())
            }
            Match::Ports { side, ranges, negated } => {
                let digest = self.number(4).side(*side).list(ranges, |digest, (first, last)| {
                    digest.number((*first).into()).number((*last).into())
                });
                digest.number((*negated).into())
            }
            Match::AddressPort { side, set, negated } => {
                self.number(5).side(*side).text(&set.0).number((*negated).into())
            }
        }
    }

    fn family(self, family: Family) -> Self {
        self.number(match family {
            Family::V4 => 4,
            Family::V6 => 6,
        })
    }

    fn side(self, side: Side) -> Self {
        self.number(match side {
            Side::Source => 0,
            Side::Destination => 1,
        })
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.number(bytes.len() as u64);
        self.0.update(bytes);
        self
    }

    /// All 256 bits.
    pub(super) fn whole(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// `prefix` and 16 hexadecimal digits.
    pub(super) fn name(self, prefix: char) -> String {
        let digest = self.0.finalize();
        let leading = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{prefix}{leading:016x}")
    }
}
