//! Network namespaces without names: they live as long as the value, also when a test fails.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, id};

use nix::sched::{CloneFlags, setns, unshare};

/// A fresh network namespace with its loopback up.
pub struct Namespace(File);

impl Namespace {
    pub fn new() -> Namespace {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("a network namespace of its own: run the tests as root (CAP_SYS_ADMIN)");
            File::open("/proc/thread-self/ns/net").expect("/proc")
        });
        let namespace = Namespace(made.join().expect("the namespace is made"));
        namespace.command("ip", &["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs within; sockets that are made there stay there.
    pub fn run<T: Send>(&self, task: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("entering the namespace");
                task()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// For `ip link … netns`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", id(), self.0.as_raw_fd())
    }

    /// Standard output of a command that succeeds.
    pub fn command(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(|| {
            let run = Command::new(program).args(arguments).output();
            run.unwrap_or_else(|error| panic!("{program}: {error}; install it to run these tests"))
        });
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// `ip` with arguments in one string.
    pub fn ip(&self, arguments: &str) {
        self.command("ip", &arguments.split(' ').collect::<Vec<_>>());
    }

    /// Loads text with nft.
    pub fn nft(&self, text: &str) {
        self.command("nft", &[text]);
    }

    /// Our table as nft lists it.
    pub fn list(&self) -> String {
        self.command("nft", &["list", "table", "inet", "fabric"])
    }

    /// The rules as the kernel's own expressions, and the elements, as nft decodes them.
    pub fn bytecode(&self) -> String {
        self.command("nft", &["--debug=netlink", "list", "table", "inet", "fabric"])
    }

    /// Sets a value below `/proc/sys/net`.
    pub fn sysctl(&self, path: &str, value: &str) {
        self.run(|| std::fs::write(format!("/proc/sys/net/{path}"), value)).expect(path);
    }
}
