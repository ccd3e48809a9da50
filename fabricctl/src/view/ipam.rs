//! `ipam show`: `{pools: [...]}`, `{blocks: [...]}`, `{allocations: [...]}` or several of them; a section that was
//! not asked for is left out.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::quantity::{render_count, render_usage};
use crate::output::table;

/// What was asked for, of pools, blocks and addresses.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ipam {
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Vec<Pool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<Block>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocations: Option<Vec<Allocation>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pool {
    name: String,
    cidr: String,
    block_size: u32,
    disabled: bool,
    addresses_total: String,
    addresses_used: u64,
    blocks_total: String,
    blocks_used: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    cidr: String,
    node: String,
    pool: String,
    affinity_state: String,
    addresses_total: u64,
    addresses_used: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Allocation {
    address: String,
    handle: String,
    node: String,
    block: String,
    pool: String,
    pod_namespace: String,
    pod_name: String,
}

impl Ipam {
    /// With these pools.
    pub(crate) fn with_pools(self, pools: Vec<v1::Pool>) -> Self {
        Self { pools: Some(pools.into_iter().map(Pool::from).collect()), ..self }
    }

    /// With these blocks.
    pub(crate) fn with_blocks(self, blocks: Vec<v1::Block>) -> Self {
        Self { blocks: Some(blocks.into_iter().map(Block::from).collect()), ..self }
    }

    /// With these addresses.
    pub(crate) fn with_allocations(self, allocations: impl IntoIterator<Item = v1::Allocation>) -> Self {
        Self { allocations: Some(allocations.into_iter().map(Allocation::from).collect()), ..self }
    }
}

impl From<v1::Pool> for Pool {
    fn from(message: v1::Pool) -> Self {
        let v1::Pool {
            name,
            cidr,
            block_size,
            disabled,
            addresses_total,
            addresses_used,
            blocks_total,
            blocks_used,
        } = message;
        Self { name, cidr, block_size, disabled, addresses_total, addresses_used, blocks_total, blocks_used }
    }
}

impl From<v1::Block> for Block {
    fn from(message: v1::Block) -> Self {
        let v1::Block { cidr, node, pool, affinity_state, addresses_total, addresses_used } = message;
        Self { cidr, node, pool, affinity_state, addresses_total, addresses_used }
    }
}

impl From<v1::Allocation> for Allocation {
    fn from(message: v1::Allocation) -> Self {
        let v1::Allocation { address, handle, node, block, pool, pod_namespace, pod_name } = message;
        Self { address, handle, node, block, pool, pod_namespace, pod_name }
    }
}

impl Pool {
    fn row(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.cidr.clone(),
            format!("/{}", self.block_size),
            format!("{}/{}", self.blocks_used, render_count(&self.blocks_total)),
            format!("{}/{}", self.addresses_used, render_count(&self.addresses_total)),
            render_usage(self.addresses_used, &self.addresses_total),
            if self.disabled { "disabled" } else { "enabled" }.to_owned(),
        ]
    }
}

impl Block {
    fn row(&self) -> [String; 6] {
        [
            self.cidr.clone(),
            self.pool.clone(),
            self.node.clone(),
            self.affinity_state.clone(),
            format!("{}/{}", self.addresses_used, self.addresses_total),
            render_usage(self.addresses_used, &self.addresses_total.to_string()),
        ]
    }
}

impl Allocation {
    fn row(&self) -> [String; 6] {
        let pod = match self.pod_name.is_empty() {
            true => String::new(),
            false => format!("{}/{}", self.pod_namespace, self.pod_name),
        };
        [
            self.address.clone(),
            pod,
            self.node.clone(),
            self.block.clone(),
            self.pool.clone(),
            self.handle.clone(),
        ]
    }
}

impl View for Ipam {
    fn render(&self) -> String {
        let pools = self.pools.iter().flatten().map(Pool::row);
        let blocks = self.blocks.iter().flatten().map(Block::row);
        let allocations = self.allocations.iter().flatten().map(Allocation::row);
        let sections = [
            table::render(["POOL", "CIDR", "BLOCK", "BLOCKS", "ADDRESSES", "USAGE", "STATE"], pools),
            table::render(["BLOCK", "POOL", "NODE", "AFFINITY", "ADDRESSES", "USAGE"], blocks),
            table::render(["ADDRESS", "POD", "NODE", "BLOCK", "POOL", "HANDLE"], allocations),
        ];
        let shown: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        shown.join("\n")
    }

    fn remark_if_empty(&self) -> &'static str {
        match (&self.pools, &self.blocks, &self.allocations) {
            (Some(_), _, _) => "There are no pools: apply an IPPool.",
            (None, Some(_), None) => "No such blocks.",
            (None, None, _) => "No such addresses in use.",
            (None, Some(_), Some(_)) => "No such blocks, and no such addresses in use.",
        }
    }
}
