//! Two network namespaces with a veth pair between them. They live as long as somebody holds them open, and nobody else
//! can see them: nothing is left behind, whatever happens to a test.

use std::fs::{self, File};
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Clone)]
pub(in crate::net) struct Place(Arc<File>);

/// Two, of which `left` has an interface `left0` and `right` the other end of it, `right0`.
pub(in crate::net) struct Lab {
    pub(in crate::net) left: Place,
    pub(in crate::net) right: Place,
}

impl Lab {
    pub(in crate::net) fn pair() -> Self {
        let lab = Self { left: Place::new(), right: Place::new() };
        lab.left.command("ip link set lo up");
        lab.right.command("ip link set lo up");
        lab.connect();
        lab
    }

    /// The same names, but other interfaces.
    pub(in crate::net) fn reconnect(&self) {
        self.left.command("ip link del left0");
        self.connect();
    }

    fn connect(&self) {
        let right = format!("/proc/{}/fd/{}", std::process::id(), self.right.0.as_raw_fd());
        self.left.command(&format!("ip link add left0 type veth peer name right0 netns {right}"));
        self.left.command("ip link set left0 up");
        self.right.command("ip link set right0 up");
    }
}

impl Place {
    fn new() -> Self {
        let namespace = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("these tests make network namespaces: run them as root (CAP_SYS_ADMIN)");
            // Addresses are usable at once.
            fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(Arc::new(namespace.join().unwrap()))
    }

    /// Does something inside, on a thread and a runtime of its own.
    pub(in crate::net) fn run<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = Arc::clone(&self.0);
        std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        })
    }

    /// Runs a command inside.
    pub(in crate::net) fn command(&self, line: &str) {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let run = self.run(async move || Command::new(&words[0]).args(&words[1..]).output());
        let output = run.join().unwrap().expect("these tests need iproute2");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The link-local address of an interface where we are.
pub(in crate::net) fn link_local(interface: &str) -> Ipv6Addr {
    find_link_local(interface).expect("a link-local address")
}

/// None as long as there is no such interface or it has none.
pub(in crate::net) fn find_link_local(interface: &str) -> Option<Ipv6Addr> {
    let addresses = crate::net::address::read().unwrap();
    addresses.into_iter().filter(|it| it.interface == interface).find_map(|it| match it.network.ip() {
        std::net::IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
        std::net::IpAddr::V4(_) | std::net::IpAddr::V6(_) => None,
    })
}
