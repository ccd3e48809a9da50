//! A client that assigns and releases at random, whatever becomes of the agents, and notes what it was told.
//!
//! An answer that says no is final. A call without an answer (the agent died, the datastore is away) leaves the client in
//! doubt: it asks again, or releases the handle, until it is told. Each handle is used once.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use integration::random::Random;
use proto::v1::{Allocation, AssignRequest, ReleaseItem, ReleaseRefusal, ReleaseRequest, ReleaseResponse};
use tonic::{Code, Status};

use crate::history::History;
use crate::world::{PATIENCE, assign, release, wish};

/// How long a call may take before its client gives it up, in doubt.
const CALL: Duration = Duration::from_secs(10);

/// Handles that a client has at once.
const MOST: usize = 6;

/// Between two calls, milliseconds at most.
const PAUSE_MS: u32 = 20;

/// What a client did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Assignments that were answered.
    pub assigned: usize,
    /// Requests that were refused: pools full, addresses in use.
    pub refused: usize,
    /// Releases that were answered.
    pub released: usize,
    /// Calls without an answer.
    pub doubts: usize,
}

/// A handle and what it surely holds.
#[derive(Debug, Clone)]
pub struct Held {
    pub request: AssignRequest,
    pub allocations: Vec<Allocation>,
}

/// A client of all agents, most often of its own.
pub struct Client {
    pub name: String,
    pub random: Random,
    /// Of all agents, its own first.
    pub sockets: Vec<PathBuf>,
    pub history: Arc<History>,
    pub stop: Arc<AtomicBool>,
    pub held: Vec<Held>,
    /// Handles of calls without an answer.
    pub doubted: BTreeSet<String>,
    pub tally: Tally,
}

impl Client {
    /// Runs until it is told to stop and is in no doubt.
    pub async fn run(mut self) -> Self {
        for serial in 0_u64.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            match self.random.below(10) {
                0..5 if self.held.len() < MOST => self.assign(serial).await,
                0..8 if !self.held.is_empty() => self.release().await,
                8 if !self.held.is_empty() => self.ask_again().await,
                _ => {}
            }
            let pause = self.random.below(PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause.into())).await;
        }
        self
    }

    async fn assign(&mut self, serial: u64) {
        let request = self.wish(&format!("{}-{serial}", self.name));
        let mut patience = self.random.below(6);
        let mut was_asked = false;
        loop {
            match self.call_assign(&request).await {
                Ok(allocations) => {
                    self.history.assigned(&request.handle, &addresses(&allocations));
                    self.tally.assigned += 1;
                    return self.held.push(Held { request, allocations });
                }
                Err(status) if is_final(&status, &request) => {
                    self.tally.refused += 1;
                    if was_asked {
                        self.release_for_certain(&request.handle).await;
                    }
                    return;
                }
                Err(_) if patience == 0 => return self.release_for_certain(&request.handle).await,
                Err(_) => patience -= 1,
            }
            was_asked = true;
            self.pause().await;
        }
    }

    /// For one handle: one address or several, of one family or both, or a certain one.
    fn wish(&mut self, handle: &str) -> AssignRequest {
        match self.random.below(8) {
            0..3 => wish(handle, 1, 0),
            3 => wish(handle, 0, 1),
            4 | 5 => wish(handle, 1, 1),
            6 => wish(handle, 2 + self.random.below(3), self.random.below(2)),
            _ => {
                let last = self.random.below(256);
                let address: IpAddr = match self.random.below(2) {
                    0 => Ipv4Addr::from_bits(0x0a2a_0000 + last).into(),
                    _ => Ipv6Addr::from_bits(0xfd00_0042_u128 << 96 | u128::from(last)).into(),
                };
                AssignRequest { addresses: vec![address.to_string()], ..wish(handle, 0, 0) }
            }
        }
    }

    /// A handle that has its addresses is answered with the same ones.
    async fn ask_again(&mut self) {
        let held = self.pick();
        match self.call_assign(&held.request).await {
            Ok(allocations) => {
                let (now, before) = (addresses(&allocations), addresses(&held.allocations));
                assert_eq!(now, before, "{} has other addresses now", held.request.handle);
            }
            Err(status) => assert!(!is_final(&status, &held.request), "{held:?}: {status:?}"),
        }
        self.held.push(held);
    }

    async fn release(&mut self) {
        let held = self.pick();
        let handle = held.request.handle.clone();
        self.history.gives_up(&handle);
        // By what was seen of each address, or whole.
        let request = if self.random.per_mille(300) {
            let item = |seen: &Allocation| ReleaseItem {
                address: seen.address.clone(),
                handle: seen.handle.clone(),
                sequence: Some(seen.sequence).filter(|_| !seen.block.is_empty()),
            };
            ReleaseRequest { items: held.allocations.iter().map(item).collect(), ..ReleaseRequest::default() }
        } else {
            ReleaseRequest { handle: handle.clone(), ..ReleaseRequest::default() }
        };
        match self.call_release(&request).await {
            // Some were given back, and then the datastore was away.
            Ok(answer) if !answer.refused.is_empty() => {
                let is_away = |refusal: &ReleaseRefusal| refusal.reason.contains("datastore is unavailable");
                assert!(answer.refused.iter().all(is_away), "{handle}: {answer:?}");
                self.tally.doubts += 1;
                self.release_for_certain(&handle).await;
            }
            Ok(answer) => {
                assert_eq!(answer.released.len(), held.allocations.len(), "{handle}: {answer:?}");
                self.tally.released += 1;
            }
            Err(_) => self.release_for_certain(&handle).await,
        }
    }

    fn pick(&mut self) -> Held {
        let index = self.random.below(u32::try_from(self.held.len()).unwrap());
        self.held.swap_remove(index as usize)
    }

    /// Releases a handle, wherever an agent can be found that does it.
    pub async fn release_for_certain(&mut self, handle: &str) {
        self.history.gives_up(handle);
        let request = ReleaseRequest { handle: handle.to_owned(), ..ReleaseRequest::default() };
        let start = Instant::now();
        loop {
            match self.call_release(&request).await {
                Ok(_) => {
                    self.tally.released += 1;
                    return;
                }
                Err(status) => assert!(start.elapsed() < PATIENCE, "{handle} cannot be released: {status:?}"),
            }
            self.pause().await;
        }
    }

    async fn call_assign(&mut self, request: &AssignRequest) -> Result<Vec<Allocation>, Status> {
        // A handle is of one node.
        let call = assign(&self.sockets[0], request.clone());
        let answer = tokio::time::timeout(CALL, call).await.unwrap_or_else(|_| Err(Status::cancelled("")));
        let answer = answer.inspect_err(|status| self.note(status, request))?;
        let wanted = request.ipv4 as usize + request.ipv6 as usize + request.addresses.len();
        let found = addresses(&answer.allocations);
        assert_eq!(found.len(), wanted, "all or none: {request:?}, {answer:?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), wanted, "each once: {answer:?}");
        let ipv4 = found.iter().filter(|address| address.is_ipv4()).count();
        let wanted_ipv4 = request.addresses.iter().filter(|text| text.contains('.')).count();
        assert_eq!(ipv4, request.ipv4 as usize + wanted_ipv4, "{request:?}, {answer:?}");
        for wanted in &request.addresses {
            assert!(found.contains(&wanted.parse().unwrap()), "{request:?}, {answer:?}");
        }
        assert!(found.iter().all(|address| is_in_pools(*address)), "{answer:?}");
        Ok(answer.allocations)
    }

    async fn call_release(&mut self, request: &ReleaseRequest) -> Result<ReleaseResponse, Status> {
        // Anybody may release.
        let at = if self.random.per_mille(800) { 0 } else { self.random.below(self.sockets.len() as u32) };
        let call = release(&self.sockets[at as usize], request.clone());
        let answer = tokio::time::timeout(CALL, call).await.unwrap_or_else(|_| Err(Status::cancelled("")));
        answer.inspect_err(|_| self.tally.doubts += 1)
    }

    fn note(&mut self, status: &Status, request: &AssignRequest) {
        if !is_final(status, request) {
            self.tally.doubts += 1;
            self.doubted.insert(request.handle.clone());
        }
    }

    async fn pause(&mut self) {
        let pause = 20 + self.random.below(200);
        tokio::time::sleep(Duration::from_millis(pause.into())).await;
    }
}

/// Whether a refusal says that nothing was assigned. What nobody should hear is a failure.
fn is_final(status: &Status, request: &AssignRequest) -> bool {
    match status.code() {
        Code::ResourceExhausted => true,
        Code::AlreadyExists | Code::InvalidArgument if !request.addresses.is_empty() => true,
        // Of a connection that broke, or a call that was cut off.
        Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown | Code::Internal => false,
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => panic!("{request:?}: {status:?}"),
    }
}

pub fn addresses(allocations: &[Allocation]) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        allocations.iter().map(|allocation| allocation.address.parse().unwrap()).collect();
    addresses.sort();
    addresses
}

fn is_in_pools(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.to_bits() & 0xffff_ff00 == 0x0a2a_0000,
        IpAddr::V6(address) => address.to_bits() & !0xff == 0xfd00_0042_u128 << 96,
    }
}
