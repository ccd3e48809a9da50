//! `ipam release`.
//!
//! Every address is released as it was seen: by the report, or, where it was typed, by asking who has it first. With
//! `--dry-run` the seeing is all that is done, so that no agent, however old, can take it for the deed.

use std::net::IpAddr;
use std::path::Path;

use proto::v1::ReleaseRefusalCode as Code;
use proto::v1::{
    Allocation, ListAllocationsRequest, ReleaseItem, ReleaseRequest, ReleaseResponse, WhoHasRequest,
};

use super::show::list_allocations;
use crate::agent::Agent;
use crate::cli::ipam::ReleaseArgs;
use crate::command::resources::read_text;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::progress::Progress;
use crate::report::{Item, Report};
use crate::view::release::Released;

/// How many are asked for at once: a message that every agent takes, answered before anybody grows impatient.
const ITEMS_AT_ONCE: usize = 1000;

/// What to release.
pub(crate) struct Plan {
    what: What,
    dry_run: bool,
}

enum What {
    /// From whoever has them.
    Addresses(Vec<IpAddr>),
    /// All that this handle holds.
    Handle(String),
    /// As a report saw them.
    Items(Vec<Item>),
}

/// Reads the report, if one is named.
pub(crate) fn plan(args: ReleaseArgs) -> Result<Plan, Failure> {
    let ReleaseArgs { mut addresses, handle, from_report, dry_run } = args;
    let what = match (handle, from_report) {
        (Some(handle), _) => What::Handle(handle),
        (None, Some(file)) => What::Items(read_report(&file)?.into_items()),
        (None, None) => {
            addresses.sort();
            addresses.dedup();
            What::Addresses(addresses)
        }
    };
    Ok(Plan { what, dry_run })
}

fn read_report(file: &Path) -> Result<Report, Failure> {
    let (name, text) = read_text(file)?;
    Report::decode(&text).map_err(|problem| Failure::Failed(format!("{name} cannot be used: {problem}")))
}

/// Releases and prints what was released and what not; the latter is a failure.
pub(crate) async fn release(agent: &Agent, output: &Output, plan: Plan) -> Result<(), Failure> {
    let were = if plan.dry_run { "would not be" } else { "were not" };
    let mut released = Released::new(plan.dry_run);
    let outcome = carry_out(agent, plan, &mut released).await;
    if outcome.is_ok() || released.counts() != (0, 0) {
        // What was done before a failure is told too, so that nobody has to guess.
        output.print(&released)?;
    }
    outcome?;
    match released.counts() {
        (_, 0) => Ok(()),
        (some, refused) if released.count_unknown() > 0 => Err(Failure::Unavailable(format!(
            "{refused} of {} addresses {were} released, {} of them because the datastore did not answer; try again",
            some + refused,
            released.count_unknown()
        ))),
        (some, refused) => {
            Err(Failure::Failed(format!("{refused} of {} addresses {were} released", some + refused)))
        }
    }
}

async fn carry_out(agent: &Agent, plan: Plan, released: &mut Released) -> Result<(), Failure> {
    match (plan.what, plan.dry_run) {
        (What::Handle(handle), false) => {
            released.add(send(agent, ReleaseRequest { handle, items: Vec::new() }).await?);
        }
        (What::Handle(handle), true) => {
            let request = ListAllocationsRequest { handle, ..Default::default() };
            list_allocations(agent, request).await?.into_iter().for_each(|held| released.release(held));
        }
        (What::Addresses(addresses), false) => {
            let mut items = Vec::new();
            for address in addresses {
                match who_has(agent, address.to_string()).await? {
                    Ok(held) => items.push(ReleaseItem {
                        address: held.address,
                        handle: held.handle,
                        sequence: Some(held.sequence),
                    }),
                    Err(reason) => released.refuse(address.to_string(), reason, Code::NotInUse),
                }
            }
            release_items(agent, items, released).await?;
        }
        (What::Addresses(addresses), true) => {
            for address in addresses {
                match who_has(agent, address.to_string()).await? {
                    Ok(held) => released.release(held),
                    Err(reason) => released.refuse(address.to_string(), reason, Code::NotInUse),
                }
            }
        }
        (What::Items(items), false) => {
            release_items(agent, items.into_iter().map(ReleaseItem::from).collect(), released).await?;
        }
        (What::Items(items), true) => compare_items(agent, items, released).await?,
    }
    Ok(())
}

async fn release_items(
    agent: &Agent,
    items: Vec<ReleaseItem>,
    released: &mut Released,
) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let mut done = 0;
    for some in items.chunks(ITEMS_AT_ONCE) {
        progress.show("Releasing", done as u64, items.len() as u64);
        released.add(send(agent, ReleaseRequest { handle: String::new(), items: some.to_vec() }).await?);
        done += some.len();
    }
    Ok(())
}

/// Whether what a report saw is still so.
async fn compare_items(agent: &Agent, items: Vec<Item>, released: &mut Released) -> Result<(), Failure> {
    let mut progress = Progress::new();
    for (done, Item { address, handle, sequence }) in items.iter().enumerate() {
        progress.show("Comparing", done as u64, items.len() as u64);
        match who_has(agent, address.clone()).await? {
            Ok(held) if held.handle != *handle => {
                let reason = format!("held by {} now, not by {handle}", held.handle);
                released.refuse(address.clone(), reason, Code::OtherHolder);
            }
            Ok(held) if Some(held.sequence) != *sequence => {
                let reason = "given out again since the check".to_owned();
                released.refuse(address.clone(), reason, Code::GivenOutAgain);
            }
            Ok(held) => released.release(held),
            Err(reason) => released.refuse(address.clone(), reason, Code::NotInUse),
        }
    }
    Ok(())
}

async fn send(agent: &Agent, request: ReleaseRequest) -> Result<ReleaseResponse, Failure> {
    agent.ask(agent.ipam().release(request)).await
}

/// Who has it; or the agent's words on why nobody has.
async fn who_has(agent: &Agent, address: String) -> Result<Result<Allocation, String>, Failure> {
    let answer = agent.try_ask(agent.ipam().who_has(WhoHasRequest { address })).await?;
    match answer {
        Ok(answer) => Ok(answer.allocation.ok_or_else(|| "nobody has it".to_owned())),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(Err(status.message().to_owned())),
        Err(status) => Err(Failure::of_status(&status, agent.timeout())),
    }
}
