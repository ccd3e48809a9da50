//! Watching that a kernel loses nothing: `ip monitor` writes down every route and next hop that goes, however short.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use integration::lab::Lab;
use integration::namespace::Namespace;
use integration::process::{Invocation, Process};

use crate::wait_until;

/// Not a route of anybody else.
const SIGN: &str = "192.0.2.255";

/// A watch over one namespace, from when it is made.
pub struct Vigil {
    namespace: Arc<Namespace>,
    log: PathBuf,
    _monitor: Process,
}

impl Vigil {
    pub fn begin(lab: &Lab, namespace: &Arc<Namespace>) -> Self {
        let log = lab.directory().join(format!("{}.monitor", namespace.name()));
        let invocation = Invocation {
            program: ["/usr/sbin/ip", "/sbin/ip"]
                .map(PathBuf::from)
                .into_iter()
                .find(|ip| ip.is_file())
                .unwrap(),
            arguments: ["monitor", "route", "nexthop"].map(Into::into).into(),
            environment: Vec::new(),
            log: log.clone(),
        };
        let monitor = Process::start(namespace, invocation).unwrap();
        let vigil = Self { namespace: Arc::clone(namespace), log, _monitor: monitor };
        vigil.catch_up(1);
        vigil
    }

    /// What has gone since the beginning, as `ip` prints it.
    pub fn lost(&self) -> Vec<String> {
        let text = self.catch_up(self.signs() + 1);
        text.lines()
            .filter(|line| line.starts_with("Deleted") && !line.contains(SIGN))
            .map(str::to_owned)
            .collect()
    }

    /// Makes a sign come and go until the monitor has reported so many of them: then it has reported all before.
    fn catch_up(&self, signs: usize) -> String {
        wait_until("the monitor sees a route go", || {
            for verb in ["add", "del"] {
                self.namespace.output("ip", &["route", verb, "blackhole", SIGN])?;
            }
            ensure!(self.signs() >= signs, "not yet");
            Ok(fs::read_to_string(&self.log)?)
        })
    }

    fn signs(&self) -> usize {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("Deleted") && line.contains(SIGN)).count()
    }
}
