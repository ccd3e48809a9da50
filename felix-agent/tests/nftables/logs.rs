//! What listeners of NFLOG hear, and how often.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use policy::program::{
    Action, Direction, PolicyId, PolicyKind, Profile, ProfileId, Protocol, Rule, RuleOrigin, Tier, TierEnd,
    Verdict,
};

use crate::fabric::{Fabric, PATIENCE, POD_A, POD_B, SILENCE, datagram_passes};
use crate::namespace::Namespace;
use crate::programs::{Builder, port};

/// Everything that a group is told, as the bytes of a capture.
struct Listener {
    process: Child,
    heard: Receiver<Vec<u8>>,
    all: Vec<u8>,
}

impl Listener {
    fn new(node: &Namespace, group: u16) -> Listener {
        let mut process = node.run(|| {
            Command::new("tcpdump")
                .args(["-i", &format!("nflog:{group}"), "-U", "-w", "-"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("install tcpdump to run these tests")
        });
        let ready = BufReader::new(process.stderr.take().unwrap());
        let told = ready.lines().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(told, "tcpdump listens");
        let mut output = process.stdout.take().unwrap();
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Listener { process, heard, all: Vec::new() }
    }

    /// How often a text was heard, once it was heard this often or nothing comes any more.
    fn count(&mut self, text: &str, at_least: usize) -> usize {
        let begin = Instant::now();
        let count = |all: &[u8]| all.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
        loop {
            let patience = if count(&self.all) < at_least { PATIENCE } else { SILENCE };
            match self.heard.recv_timeout(patience) {
                Ok(bytes) if begin.elapsed() < PATIENCE => self.all.extend(bytes),
                Ok(_) | Err(_) => return count(&self.all),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Pod b logs port 53, denies port 54 by a rule, port 55 by another, and all else at the end of the tier.
fn policy() -> Builder {
    let policy = PolicyId::global(PolicyKind::GlobalNetworkPolicy, "guard");
    let rule = |index: u32, name: &str, number: u16, action: Action| {
        let mut matches = port(Protocol::Udp, number);
        matches.sort();
        let origin = RuleOrigin { policy: policy.clone(), rule: index, name: Some(name.to_owned()) };
        Rule { origin, matches, action }
    };
    let rules = vec![
        rule(0, "seen", 53, Action::Log),
        rule(0, "seen", 53, Action::Allow),
        rule(1, "first", 54, Action::Deny),
        rule(2, "second", 55, Action::Deny),
    ];
    let tier = Tier { name: "security".to_owned(), policies: vec![policy], rules, end: TierEnd::Deny };
    let profile = Profile { direction: Direction::Ingress, tiers: vec![tier], fallback: Verdict::Allow };
    let mut builder =
        Builder::default().endpoint("a", &POD_A, None, None).endpoint("b", &POD_B, Some("p1"), None);
    builder.0.profiles.insert(ProfileId("p1".to_owned()), profile);
    builder
}

#[test]
fn whoever_listens_hears_which_rule_decided_and_no_rule_uses_up_anothers_share() {
    let mut fabric = Fabric::new();
    fabric.enforce(&policy());
    let [mut logged, mut denied] = [64, 65].map(|group| Listener::new(&fabric.node, group));
    let send = |fabric: &Fabric, number| {
        datagram_passes(
            (&fabric.a, POD_A[0]),
            (&fabric.b, POD_B[0]),
            number,
            std::time::Duration::from_millis(1),
        )
    };
    for _ in 0..3 {
        send(&fabric, 53);
    }
    assert_eq!(logged.count("log|GlobalNetworkPolicy guard ingress#0|seen", 3), 3);
    // A flood of one rule's packets: it tells of as many as it may at once.
    const FLOOD: usize = 100;
    for _ in 0..FLOOD {
        send(&fabric, 54);
    }
    send(&fabric, 55);
    send(&fabric, 56);
    let first = denied.count("deny|GlobalNetworkPolicy guard ingress#1|first", 20);
    assert!((20..FLOOD).contains(&first), "{first} of {FLOOD}");
    assert_eq!(denied.count("deny|GlobalNetworkPolicy guard ingress#2|second", 1), 1);
    let end = "deny|tier security ingress: isolated by GlobalNetworkPolicy guard";
    assert_eq!(denied.count(end, 1), 1);
    // The counters have counted all of them, under the rule's own name.
    let list = fabric.node.list();
    let counted = format!("counter packets {FLOOD} bytes");
    let of_rule = |line: &&str| line.contains("guard ingress#1\"") && line.contains(&counted);
    assert_eq!(list.lines().filter(of_rule).count(), 2, "{list}");
}
