//! A prefix list, looked up without trying each of its patterns.
//!
//! Networks either contain each other or have nothing in common, so they form a tree; sorted by address and then
//! length, each stands before all that it contains. The innermost network around a prefix is then the last one that is
//! not behind the prefix, or an ancestor of that one: a binary search and a short climb. Each network carries the
//! lengths of all patterns that it is in, so that one look tells the answer.

use ipnetwork::IpNetwork;

use super::PrefixPattern;
use super::prefix::{contains, longest};

/// Patterns, any of which may match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PrefixList {
    patterns: Vec<PrefixPattern>,
    /// Sorted; follows from `patterns`.
    networks: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    network: IpNetwork,
    /// The innermost network around this one.
    parent: Option<usize>,
    /// Lengths that match in here, by patterns of this network and of all around it.
    lengths: Lengths,
}

/// A set of prefix lengths, 0 to 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Lengths([u64; 3]);

impl PrefixList {
    /// As given, in that order.
    #[must_use]
    pub fn patterns(&self) -> &[PrefixPattern] {
        &self.patterns
    }

    /// Whether any of the patterns matches.
    #[must_use]
    pub fn matches(&self, prefix: &IpNetwork) -> bool {
        let behind = self.networks.partition_point(|node| node.network <= *prefix);
        let mut candidate = behind.checked_sub(1);
        while let Some(node) = candidate.and_then(|index| self.networks.get(index)) {
            if contains(&node.network, prefix) {
                return node.lengths.contains(prefix.prefix());
            }
            candidate = node.parent;
        }
        false
    }
}

impl From<Vec<PrefixPattern>> for PrefixList {
    fn from(patterns: Vec<PrefixPattern>) -> Self {
        // Whoever builds a pattern without parsing it may have left host bits.
        let network = |pattern: &PrefixPattern| {
            IpNetwork::new(pattern.network.network(), pattern.network.prefix()).unwrap_or(pattern.network)
        };
        let mut sorted: Vec<_> = patterns.iter().map(|pattern| (network(pattern), *pattern)).collect();
        sorted.sort_by_key(|(network, _)| *network);
        let mut networks: Vec<Node> = Vec::new();
        for (network, pattern) in sorted {
            if networks.last().is_none_or(|last| last.network != network) {
                let parent = enclosing(&networks, &network);
                let inherited = parent.and_then(|index| networks.get(index)).map(|node| node.lengths);
                networks.push(Node { network, parent, lengths: inherited.unwrap_or_default() });
            }
            if let Some(node) = networks.last_mut() {
                node.lengths.insert(pattern.at_least, pattern.at_most.min(longest(&network)));
            }
        }
        Self { patterns, networks }
    }
}

/// The innermost of these around a network that comes after all of them.
fn enclosing(networks: &[Node], network: &IpNetwork) -> Option<usize> {
    let mut candidate = networks.len().checked_sub(1);
    while let Some((index, node)) = candidate.and_then(|index| Some((index, networks.get(index)?))) {
        if contains(&node.network, network) {
            return Some(index);
        }
        candidate = node.parent;
    }
    None
}

impl FromIterator<PrefixPattern> for PrefixList {
    fn from_iter<I: IntoIterator<Item = PrefixPattern>>(patterns: I) -> Self {
        patterns.into_iter().collect::<Vec<_>>().into()
    }
}

impl Lengths {
    fn insert(&mut self, at_least: u8, at_most: u8) {
        for length in at_least..=at_most {
            if let Some(word) = self.0.get_mut(usize::from(length / 64)) {
                *word |= 1 << (length % 64);
            }
        }
    }

    fn contains(self, length: u8) -> bool {
        self.0.get(usize::from(length / 64)).is_some_and(|word| word & 1 << (length % 64) != 0)
    }
}
