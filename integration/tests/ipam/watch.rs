//! `fabricctl ipam watch`, from the agent that assigns to the line that is printed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use integration::fleet::Backend;
use integration::node::Node;
use integration::programs::Program;
use serde_json::Value;

use crate::world::{NEVER, PATIENCE, World, assigned, fabricctl, wish};

const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/24, blockSize: 28 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: \"fd00:42::/120\", blockSize: 124 }
";

/// A watch under way; killed when it is dropped.
struct Watch {
    child: Child,
    lines: Receiver<Value>,
}

impl Watch {
    fn start(node: &Node, arguments: &[&str]) -> Self {
        let mut command = Command::new(Program::Ctl.find().unwrap());
        command.arg("--socket").arg(node.socket()).args(["ipam", "watch", "-o", "json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Whoever read may have gone.
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, lines }
    }

    /// Kind, address and handle of the next event.
    #[track_caller]
    fn next(&self) -> [String; 3] {
        let event = self.lines.recv_timeout(PATIENCE).unwrap();
        let kind = event["event"].as_str().unwrap_or_else(|| panic!("{event}"));
        let text = |field: &str| event["allocation"][field].as_str().unwrap_or_default().to_owned();
        [kind.to_owned(), text("address"), text("handle")]
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_happens_to_addresses_is_told_as_it_happens() {
    let mut world = World::new(Backend::Sqlite, 2, NEVER);
    world.apply(MANIFEST);
    let event = |kind: &str, address: &str, handle: &str| [kind, address, handle].map(str::to_owned);
    let before = assigned(world.node(1), wish("before", 1, 0)).remove(0).address;
    let all = Watch::start(world.node(1), &[]);
    let v6 = Watch::start(world.node(1), &["--pool", "pods-v6"]);
    let second = Watch::start(world.node(1), &["--node", "node2"]);
    assert_eq!(all.next(), event("assigned", &before, "before"));
    for watch in [&all, &v6, &second] {
        assert_eq!(watch.next(), event("synchronised", "", ""));
    }
    let [v4_address, v6_address] = {
        let given = assigned(world.node(1), wish("own", 1, 1));
        [given[0].address.clone(), given[1].address.clone()]
    };
    // Of one commit; which block is told first does not matter.
    let mut told = [all.next(), all.next()];
    told.sort();
    assert_eq!(told, [event("assigned", &v4_address, "own"), event("assigned", &v6_address, "own")]);
    assert_eq!(v6.next(), event("assigned", &v6_address, "own"));
    // By way of the datastore.
    let others = assigned(world.node(2), wish("others", 1, 0)).remove(0).address;
    assert_eq!(all.next(), event("assigned", &others, "others"));
    assert_eq!(second.next(), event("assigned", &others, "others"));
    fabricctl(world.node(2), &["ipam", "release", "--handle", "before"]).done();
    assert_eq!(all.next(), event("released", &before, "before"));
    // One whose agent goes away says so.
    world.node_mut(1).kill_agent().unwrap();
    let mut all = all;
    let ended = all.child.wait().unwrap();
    let mut said = String::new();
    all.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(ended.code(), Some(3), "{said}");
}
