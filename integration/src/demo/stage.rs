//! What the person in front of the demo sees. The only module of the demo that prints.
#![allow(clippy::print_stdout)]

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;

use super::interrupt::Interrupt;
use super::scene::Scene;
use super::summary::{Line, Summary};
use crate::node::Node;
use crate::programs::Program;

// ECMA-48 §8.3.117, select graphic rendition.
const BOLD: u8 = 1;
const DIM: u8 = 2;
const RED: u8 = 31;
const GREEN: u8 = 32;

/// Prints, and keeps account.
#[derive(Debug)]
pub struct Stage {
    interrupt: Interrupt,
    step: u8,
    summary: Summary,
}

impl Stage {
    /// An empty one, that falls silent when interrupted.
    #[must_use]
    pub fn new(interrupt: Interrupt) -> Self {
        Self { interrupt, step: 0, summary: Summary::default() }
    }

    /// Begins a step.
    pub fn begin(&mut self, step: u8, title: &str) {
        self.step = step;
        println!("\n{}", styled(BOLD, &format!("== {step}. {title}")));
    }

    /// Says something in passing.
    pub fn say(&self, text: &str) {
        println!("   {text}");
    }

    /// Shows a command and what it printed.
    pub fn show(&self, place: &str, command: &str, output: &str) {
        println!("\n   {} {command}", styled(DIM, &format!("{place}$")));
        for line in output.lines() {
            println!("   {line}");
        }
        println!();
    }

    /// Runs `fabricctl` on a node, in front of the audience.
    ///
    /// # Errors
    /// When it fails.
    pub fn fabricctl(&self, node: &Node, arguments: &[&str]) -> Result<String> {
        let output = node.fabricctl(arguments)?;
        self.show(node.name(), &format!("fabricctl {}", arguments.join(" ")), &output);
        Ok(output)
    }

    /// Records a claim: what was found, or why it does not hold.
    pub fn check(&mut self, claim: &str, outcome: Result<String>) {
        self.interrupt.give_way();
        let found = outcome.map_err(|error| format!("{error:#}"));
        match &found {
            Ok(found) => println!("   {}    {claim}: {found}", styled(GREEN, "ok")),
            Err(found) => println!("   {}  {claim}: {found}", styled(RED, "FAIL")),
        }
        self.summary.push(Line { step: self.step, claim: claim.to_owned(), found });
    }

    /// The account so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Prints it.
    pub fn show_summary(&self, took: Duration) {
        self.interrupt.give_way();
        println!("\n{}\n{}", styled(BOLD, "== 6. Summary"), self.summary.render(took));
    }

    /// Says how to look around in a fabric that stays up.
    pub fn show_how_to_look_around(&self, scene: &Scene) {
        let name = |program: Program| {
            program.find().map_or_else(|_| program.name().to_owned(), |path| path.display().to_string())
        };
        let (ctl, probe) = (name(Program::Ctl), name(Program::Probe));
        println!("The fabric stays up. To look around:\n");
        for node in &scene.fabric.nodes {
            println!("  {ctl} --socket {} peers", node.socket().display());
        }
        if let Some(node) = scene.fabric.nodes.first() {
            let namespace = node.namespace().name();
            println!("  ip netns exec {namespace} ip route");
            println!("  ip netns exec {namespace} nft list table inet fabric");
            println!("  tail {}", node.log().display());
        }
        for pod in &scene.pods {
            let addresses: Vec<String> = pod.addresses().iter().map(ToString::to_string).collect();
            println!(
                "  ip netns exec {:<24}  # {} on {}, {}",
                pod.namespace().name(),
                pod.full_name(),
                pod.node(),
                addresses.join(" ")
            );
        }
        if let (Some(first), Some(last)) = (scene.pods.first(), scene.pods.last())
            && let Some(address) = first.addresses().first()
        {
            println!(
                "  ip netns exec {} {probe} connect {address}:{}",
                last.namespace().name(),
                super::scene::PORT
            );
        }
        println!("\nTo take it down: make demo-down\n");
    }
}

/// Styled for a terminal, plain for a file.
fn styled(style: u8, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}
