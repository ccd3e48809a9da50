//! Tiers, and the order of things in and among them.

use std::cmp::Ordering;

use crate::program::TierEnd;

/// The tier of NetworkPolicies, and of policies that name none.
pub const DEFAULT_TIER: &str = "default";

/// The tier of ClusterNetworkPolicies that go before all others.
pub const ADMIN_TIER: &str = "kube-admin";

/// The tier of ClusterNetworkPolicies that go after all others.
pub const BASELINE_TIER: &str = "kube-baseline";

/// Where NetworkPolicies stand in their tier.
pub const NETWORK_POLICY_ORDER: Order = Order(Some(1000.0));

/// A step in the judgement of a packet: the policies that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The least goes first; equal ones by name.
    pub order: Order,
    /// What happens to a packet of which no rule of it decides, though a policy of it selects the endpoint.
    pub end: TierEnd,
}

impl Tier {
    /// The tier with this name that is always there, whatever objects say.
    pub fn built_in(name: &str) -> Option<Self> {
        let (order, end) = match name {
            ADMIN_TIER => (1000.0, TierEnd::Pass),
            DEFAULT_TIER => (1_000_000.0, TierEnd::Deny),
            BASELINE_TIER => (10_000_000.0, TierEnd::Pass),
            _ => return None,
        };
        Some(Self { order: Order(Some(order)), end })
    }

    /// How a tier is treated of which there is no object: its policies count, after all others, and deny what they do
    /// not allow.
    pub fn unknown() -> Self {
        Self { order: Order::LAST, end: TierEnd::Deny }
    }
}

/// A place among others: a number, the least first, or the last place.
#[derive(Debug, Clone, Copy)]
pub struct Order(Option<f64>);

impl Order {
    /// After every number.
    pub const LAST: Self = Self(None);

    /// The place of a number; what is no number is last.
    pub fn of(number: f64) -> Self {
        // There is one zero.
        Self(Some(number + 0.0).filter(|number| !number.is_nan()))
    }

    /// The number; `None` for the last place.
    pub fn number(self) -> Option<f64> {
        self.0
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => one.total_cmp(&other),
        }
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Order {}
