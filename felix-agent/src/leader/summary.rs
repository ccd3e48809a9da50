//! What there is to say of the upkeep. Values only.

use std::collections::BTreeMap;

use ipam::audit::Kind;

/// What there is to say of the upkeep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Whether this agent does it.
    pub leading: bool,
    /// Looks at everything, since the process began.
    pub rounds: u64,
    /// Those that could not be ended.
    pub failed: u64,
    /// What both of the last two looks found, by kind; empty where this agent has not looked.
    pub problems: BTreeMap<Kind, u64>,
    /// What looks like garbage, and may be collected unless somebody turns up.
    pub suspects: u64,
    /// What was collected, since the process began.
    pub collected: Collected,
}

/// What was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Collected {
    pub handles: u64,
    pub addresses: u64,
    /// Given back, with their blocks.
    pub claims: u64,
    /// Half made, and brought to their end.
    pub finished: u64,
    pub endpoints: u64,
    pub pools: u64,
}

impl Summary {
    /// Of an agent that does not lead any more: what it knew of the fabric is no longer looked after.
    pub fn step_down(&mut self) {
        self.leading = false;
        self.problems.clear();
        self.suspects = 0;
    }
}
