//! In which order policies are asked.

use crate::model::{Model, Order, Policy};
use crate::program::{Direction, TierEnd};

/// A tier, as far as one endpoint and one direction go.
#[derive(Debug, Clone)]
pub(crate) struct Stack<'a> {
    pub(crate) name: &'a str,
    pub(crate) end: TierEnd,
    /// In order; never empty.
    pub(crate) policies: Vec<&'a Policy>,
}

/// Those of the policies that say anything of a direction, tier by tier. A tier of which none does is not there.
pub(crate) fn tiers<'a>(
    model: &Model,
    direction: Direction,
    policies: impl IntoIterator<Item = &'a Policy>,
) -> Vec<Stack<'a>> {
    let speaking = policies.into_iter().filter(|policy| policy.rules(direction).is_some());
    let mut sorted: Vec<(Order, &Policy)> =
        speaking.map(|policy| (model.tier(&policy.tier).order, policy)).collect();
    sorted.sort_by(|(order, policy), (other_order, other)| {
        (order, &policy.tier, policy.order, &policy.id).cmp(&(
            other_order,
            &other.tier,
            other.order,
            &other.id,
        ))
    });
    let mut tiers: Vec<Stack<'a>> = Vec::new();
    for (_, policy) in sorted {
        match tiers.last_mut() {
            Some(tier) if tier.name == policy.tier => tier.policies.push(policy),
            _ => tiers.push(Stack {
                name: &policy.tier,
                end: model.tier(&policy.tier).end,
                policies: vec![policy],
            }),
        }
    }
    tiers
}
