//! What the kernel does with one packet, held against what the engine says of it.
//!
//! Only this node's kernel is asked: of an end on another node, nothing is seen here. What the two must agree on is
//! whether the packet passes this node's rules, and which rule decides at each end.

use std::time::Duration;

use policy::program::Verdict;
use proto::v1;
use tonic::Status;

use super::explain::{Explained, KernelEnd};
use super::{blocking, kernel_rules};
use crate::dataplane::netlink::Netlink;
use crate::dataplane::nftables::TABLE_NAME;
use crate::dataplane::nftables::counters::{KernelRules, is_of_profile};
use crate::dataplane::nftables::trace::{Step, StepVerdict, Tracer};
use crate::dataplane::probe::{self, Probe};

/// The kernel handles the packet while it is sent; only a busy one needs longer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Explained {
    /// Sends a probe and adds what became of it.
    pub(super) async fn trace(&mut self, netlink: &Netlink) -> Result<(), Status> {
        let origin =
            self.origin.clone().map_err(|why| Status::failed_precondition(format!("--trace: {why}")))?;
        let probe = Probe::new(origin, self.packet)
            .map_err(|why| Status::invalid_argument(format!("--trace: {why}")))?;
        let sign = probe.sign;
        let failed = |error| Status::unavailable(format!("the kernel cannot be traced: {error}"));
        let tracer = blocking(move || Tracer::start(&sign)).await.map_err(failed)?;
        probe::send(netlink, &probe).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let steps = blocking(move || tracer.follow(PATIENCE)).await.map_err(failed)?;
        let rules = kernel_rules().await?;
        self.answer.trace = Some(compare(&self.ends, &steps, &rules));
        Ok(())
    }
}

/// What became of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate<'a> {
    Passed,
    Denied,
    Dropped(&'a Step),
    Lost(Option<&'a Step>),
}

/// The path that the packet took beside what the engine says of the ends that are here.
pub(super) fn compare(ends: &[KernelEnd], steps: &[Step], rules: &KernelRules) -> v1::Trace {
    let fate = fate(steps);
    let differences = differences(ends, steps, rules, fate);
    let shown = steps.iter().filter(|step| !step.is_of_tracer());
    v1::Trace {
        steps: shown.map(|step| trace_step(step, rules)).collect(),
        outcome: match fate {
            Fate::Passed => "passed",
            Fate::Denied => "denied",
            Fate::Dropped(_) => "dropped",
            Fate::Lost(_) => "lost",
        }
        .to_owned(),
        summary: summary(fate),
        differences,
    }
}

fn fate(steps: &[Step]) -> Fate<'_> {
    match steps.iter().find(|step| step.verdict == StepVerdict::Drop) {
        Some(step) if step.is_arrival() => Fate::Passed,
        Some(step) if is_ours(step) => Fate::Denied,
        Some(step) => Fate::Dropped(step),
        None => Fate::Lost(steps.iter().rfind(|step| !step.is_of_tracer())),
    }
}

fn is_ours(step: &Step) -> bool {
    step.family == "inet" && step.table == TABLE_NAME
}

fn summary(fate: Fate<'_>) -> String {
    match fate {
        Fate::Passed => "every rule let the probe pass, and it was thrown away behind the last".to_owned(),
        Fate::Denied => format!("the probe was denied by table inet {TABLE_NAME}"),
        Fate::Dropped(step) => {
            format!("the probe was dropped by chain {} of table {} {}", step.chain, step.family, step.table)
        }
        Fate::Lost(None) => "the probe came to no rule".to_owned(),
        Fate::Lost(Some(step)) => {
            format!("the probe was last seen in chain {} of table {} {}", step.chain, step.family, step.table)
        }
    }
}

fn differences(ends: &[KernelEnd], steps: &[Step], rules: &KernelRules, fate: Fate<'_>) -> Vec<String> {
    let denied = ends.iter().find(|end| end.verdict == Verdict::Deny);
    let mut differences = Vec::new();
    match (fate, denied) {
        (Fate::Passed, None) | (Fate::Denied, Some(_)) => {}
        (Fate::Passed, Some(end)) => differences.push(format!(
            "the engine says that {} of {} denies it, and the kernel lets it pass",
            end.direction.to_string().to_lowercase(),
            end.endpoint
        )),
        (Fate::Denied, None) => {
            differences.push("the engine says that it passes here, and the kernel denies it".to_owned());
        }
        (Fate::Dropped(step), _) => differences.push(format!(
            "table {} {}, which is not ours, drops it in chain {}",
            step.family, step.table, step.chain
        )),
        (Fate::Lost(_), _) => differences.push(
            "the kernel threw it away between its rules: it has no route there, or does not believe the source \
             (rp_filter)"
                .to_owned(),
        ),
    }
    differences.extend(ends.iter().filter_map(|end| differs_in_rule(end, steps, rules)));
    differences
}

/// The rule that decided in the kernel, where it is not the one that should.
fn differs_in_rule(end: &KernelEnd, steps: &[Step], rules: &KernelRules) -> Option<String> {
    let (profile, expected) = end.rule.as_ref()?;
    let of_profile =
        |step: &&Step| is_ours(step) && is_of_profile(&step.chain, &profile.0) && step.handle.is_some();
    // An end that the packet did not come to decided nothing.
    let last = steps.iter().rfind(of_profile)?;
    let comment =
        last.handle.and_then(|handle| rules.get(&last.chain, handle)).map_or("", |rule| &rule.comment);
    (comment != expected).then(|| {
        let direction = end.direction.to_string().to_lowercase();
        format!(
            "{direction} of {}: the engine says that \"{expected}\" decides, and the kernel that \"{comment}\" does",
            end.endpoint
        )
    })
}

fn trace_step(step: &Step, rules: &KernelRules) -> v1::TraceStep {
    let rule = step.handle.filter(|_| is_ours(step)).and_then(|handle| rules.get(&step.chain, handle));
    v1::TraceStep {
        family: step.family.to_owned(),
        table: step.table.clone(),
        chain: step.chain.clone(),
        handle: step.handle.unwrap_or_default(),
        verdict: match &step.verdict {
            StepVerdict::Continue => "continue".to_owned(),
            StepVerdict::Accept => "accept".to_owned(),
            StepVerdict::Drop => "drop".to_owned(),
            StepVerdict::Return => "return".to_owned(),
            StepVerdict::Jump(chain) => format!("jump {chain}"),
            StepVerdict::Goto(chain) => format!("goto {chain}"),
            StepVerdict::Other(number) => format!("verdict {number}"),
        },
        comment: rule.map(|rule| rule.comment.clone()).unwrap_or_default(),
    }
}
