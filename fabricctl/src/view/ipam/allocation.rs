//! An address in use, and by whom.

use proto::v1;
use serde::Serialize;

/// Column heads for [`Allocation::row`].
pub(crate) const HEADERS: [&str; 6] = ["ADDRESS", "POD", "NODE", "BLOCK", "POOL", "HANDLE"];

/// Column heads for what [`Allocation::row_wide`] has beyond.
pub(crate) const HEADERS_WIDE: [&str; 1] = ["SEQUENCE"];

/// How the handles begin of addresses that nodes keep ready for when the datastore is away.
const STANDBY: &str = "standby:";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allocation {
    address: String,
    handle: String,
    node: String,
    block: String,
    pool: String,
    pod_namespace: String,
    pod_name: String,
    /// Told apart by it: the same address given out again has another.
    sequence: u64,
    /// The node whose block it is, where that is another.
    borrowed_from: String,
}

impl From<v1::Allocation> for Allocation {
    fn from(message: v1::Allocation) -> Self {
        let v1::Allocation {
            address,
            handle,
            node,
            block,
            pool,
            pod_namespace,
            pod_name,
            sequence,
            borrowed_from,
        } = message;
        Self { address, handle, node, block, pool, pod_namespace, pod_name, sequence, borrowed_from }
    }
}

impl Allocation {
    /// The cells of its row.
    pub(crate) fn row(&self) -> [String; 6] {
        [
            self.address.clone(),
            self.pod(),
            self.node.clone(),
            self.block_and_owner(),
            self.pool.clone(),
            self.handle.clone(),
        ]
    }

    /// And more of them.
    pub(crate) fn row_wide(&self) -> Vec<String> {
        let mut row = Vec::from(self.row());
        row.push(self.sequence.to_string());
        row
    }

    /// "10.65.0.2 of shop/web-0 on node-1, held by c1.eth0, from 10.65.0.64/26 of node-2".
    pub(crate) fn sentence(&self) -> String {
        let of = if self.pod_name.is_empty() { String::new() } else { format!(" of {}", self.pod()) };
        format!(
            "{}{of} on {}, held by {}, from {}",
            self.address,
            self.node,
            self.handle,
            self.block_and_owner()
        )
    }

    fn pod(&self) -> String {
        match self.pod_name.is_empty() {
            true if self.handle.starts_with(STANDBY) => "(standby)".to_owned(),
            true => String::new(),
            false => format!("{}/{}", self.pod_namespace, self.pod_name),
        }
    }

    /// With the node that it is borrowed from.
    fn block_and_owner(&self) -> String {
        match self.borrowed_from.as_str() {
            "" => self.block.clone(),
            owner => format!("{} of {owner}", self.block),
        }
    }
}
