//! Endpoints, against who holds their addresses.

use std::net::IpAddr;

use super::blocks::user;
use super::facts::Endpoint;
use super::report::{Kind, Problem};
use super::{Audit, Progress, Stage, count};

impl<P: FnMut(Progress)> Audit<'_, P> {
    pub(super) fn endpoints(&mut self) {
        let endpoints = &self.judge.facts().endpoints;
        let total = count(endpoints.len());
        for (handle, endpoint) in endpoints {
            self.tell(Stage::Endpoints, self.report.counts.endpoints, total);
            self.report.counts.endpoints += 1;
            // What ran on a node that is gone uses nothing any more.
            if self.judge.node_exists(&endpoint.node) {
                for address in &endpoint.addresses {
                    self.address(handle, endpoint, *address);
                }
            }
        }
        self.over(Stage::Endpoints, total);
    }

    fn address(&mut self, handle: &str, endpoint: &Endpoint, address: IpAddr) {
        if self.index.holdings_at(address).any(|holding| holding.allocation.handle == handle) {
            return;
        }
        let whose = match self.index.who_has(address) {
            Some(other) => format!("{} holds for {}", other.allocation.handle, user(&other)),
            None => "nobody holds".to_owned(),
        };
        let Endpoint { name, node, .. } = endpoint;
        self.problem(Problem {
            kind: Kind::UnallocatedAddress,
            subject: address.to_string(),
            what: format!("pod {name} on node {node} uses {address}, which {whose}"),
            remedy: format!("delete pod {name}; the one that replaces it gets an address of its own"),
            release: None,
        });
    }
}
