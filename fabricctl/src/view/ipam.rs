//! `ipam show`: `{pools: [...]}`, `{blocks: [...]}`, `{allocations: [...]}`, `{nodes: [...]}` or several of them; a
//! section that was not asked for is left out. `ipam assign` and `ipam split` answer in the same shapes.

use proto::v1;
use serde::Serialize;

use self::allocation::Allocation;
use self::block::Block;
use self::node::NodeUse;
use self::pool::Pool;
use crate::output::View;
use crate::output::table;

pub(crate) mod allocation;
mod block;
mod node;
mod pool;

/// What was asked for, of pools, blocks, addresses and what nodes have.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ipam {
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Vec<Pool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<Block>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocations: Option<Vec<Allocation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<NodeUse>>,
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

    /// With these pools and what the nodes have of them; of one node alone, if it is named.
    pub(crate) fn with_utilisation(self, pools: Vec<v1::PoolUtilisation>, only: Option<&str>) -> Self {
        let (mut shown, mut all) = (Vec::new(), Vec::new());
        for v1::PoolUtilisation { pool, nodes } in pools {
            let pool = pool.unwrap_or_default();
            let nodes = nodes.into_iter().filter(|node| only.is_none_or(|only| node.node == only));
            all.extend(nodes.map(|node| NodeUse::new(&pool.name, node)));
            shown.push(Pool::from(pool));
        }
        Self { pools: Some(shown), nodes: Some(all), ..self }
    }

    fn render_sections(&self, is_wide: bool) -> String {
        let pools = self.pools.iter().flatten();
        let allocations = self.allocations.iter().flatten();
        let [pools, allocations] = match is_wide {
            false => [
                table::render_rows(&pool::HEADERS, pools.map(Pool::row)),
                table::render(allocation::HEADERS, allocations.map(Allocation::row)),
            ],
            true => [
                table::render_rows(
                    &[&pool::HEADERS[..], &pool::HEADERS_WIDE].concat(),
                    pools.map(Pool::row_wide),
                ),
                table::render_rows(
                    &[&allocation::HEADERS[..], &allocation::HEADERS_WIDE].concat(),
                    allocations.map(Allocation::row_wide),
                ),
            ],
        };
        let blocks = table::render_rows(&block::HEADERS, self.blocks.iter().flatten().map(Block::row));
        let nodes = table::render_rows(&node::HEADERS, self.nodes.iter().flatten().map(NodeUse::row));
        let sections = [pools, nodes, blocks, allocations];
        let shown: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        shown.join("\n")
    }
}

impl View for Ipam {
    fn render(&self) -> String {
        self.render_sections(false)
    }

    fn render_wide(&self) -> String {
        self.render_sections(true)
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
