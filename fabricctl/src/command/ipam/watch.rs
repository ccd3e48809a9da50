//! `ipam watch`.

use proto::v1::WatchAllocationsRequest;

use crate::agent::Agent;
use crate::cli::ipam::WatchArgs;
use crate::failure::Failure;
use crate::output::{Output, Reader};
use crate::view::watch::AllocationEvent;

/// Each is printed as it comes, as an object of its own, until nobody reads any more. An agent that goes away is a failure:
/// from then on something may happen that is not told.
pub(crate) async fn watch(agent: &Agent, output: &Output, args: WatchArgs) -> Result<(), Failure> {
    let WatchArgs { node, pool } = args;
    let request = WatchAllocationsRequest { node: node.unwrap_or_default(), pool: pool.unwrap_or_default() };
    let mut stream = agent.ask(agent.ipam().watch_allocations(request)).await?;
    while let Some(event) = agent.next(&mut stream, true).await? {
        if output.print_one_of_many(&AllocationEvent::from(event))? == Reader::Gone {
            return Ok(());
        }
    }
    Err(Failure::Unavailable("it ended the watch; begin again".to_owned()))
}
