//! The service over SQLite, with a node's allocator and memory as in an agent.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ::ipam::plan::Wanted;
use ::ipam::{Attributes, Configuration, Family, Pool};
use datastore::{Precondition, Resource, SqliteStore};
use proto::v1::ipam_server::Ipam as _;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::ipam::Request as Wish;
use crate::ipam::testing::{Node, node};

mod change;
mod check;
mod list;
mod watch;

/// A fabric of two nodes, and the service of the first.
struct Fabric {
    service: Service,
    store: Arc<dyn Store>,
    first: Node,
    second: Node,
    _directory: TempDir,
}

fn pool(name: &str, cidr: &str) -> Pool {
    Pool::new(name, cidr.parse().unwrap())
}

impl Fabric {
    /// With these pools, and addresses that may be given out again at once.
    async fn new(pools: &[Pool]) -> Self {
        let directory = TempDir::new().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap());
        let configuration = Configuration { ip_cooldown_seconds: 0, ..Configuration::default() };
        let resource = Resource::IpamConfiguration(Box::new(configuration));
        store.put(resource, Precondition::Absent).await.unwrap();
        for pool in pools {
            store.put(Resource::IpPool(Box::new(pool.clone())), Precondition::Absent).await.unwrap();
        }
        let (first, second) = (node(&store, "n1"), node(&store, "n2"));
        let (known, allocator) = (first.known.clone(), Arc::clone(&first.allocator));
        let service = Service::new(Arc::clone(&store), known, allocator, Arc::default());
        let fabric = Self { service, store, first, second, _directory: directory };
        fabric.service.listed().await.unwrap();
        fabric
    }

    /// Two pools; pod shop/web on n1 has one address of each, and n2 has an address that is no pod's.
    async fn inhabited() -> (Self, Vec<IpAddr>) {
        let fabric = Self::new(&[pool("four", "10.0.0.0/16"), pool("six", "fd00::/48")]).await;
        let both = vec![Wanted::Any(Family::V4), Wanted::Any(Family::V6)];
        let attributes = Attributes { namespace: "shop".into(), pod: "web".into(), ..Attributes::default() };
        let web = Wish { handle: "web".into(), attributes, wanted: both, ..Wish::default() };
        let addresses = fabric.first.assign(web).await.unwrap();
        fabric.assign_on_second("host", 1).await;
        fabric.second_is_known().await;
        (fabric, addresses)
    }

    async fn assign_on_second(&self, handle: &str, count: usize) -> Vec<IpAddr> {
        let wanted = vec![Wanted::Any(Family::V4); count];
        self.second.assign(Wish { handle: handle.into(), wanted, ..Wish::default() }).await.unwrap()
    }

    async fn assign(&self, handle: &str, ipv4: u32) -> Result<Vec<v1::Allocation>, Status> {
        let request = v1::AssignRequest { handle: handle.into(), ipv4, ..Default::default() };
        Ok(self.service.assign(Request::new(request)).await?.into_inner().allocations)
    }

    /// Waits until the first node knows all that the second wrote.
    async fn second_is_known(&self) {
        let revision = self.store.list(datastore::Kind::IpamBlock).await.unwrap().revision;
        eventually(|| self.first.known.read().revision >= revision).await;
    }
}

/// Waits for what is told a little later.
async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}
