//! An etcd of one's own, for tests.
//!
//! Its members listen on a loopback address that no other process's tests use, keep everything in a temporary
//! directory, and are killed by their ids when it is dropped. What a test process that was killed has left behind,
//! the next one removes. Needs Debian's `etcd-server` and `etcd-client`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests' own, made callable from other crates"
)]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Credentials, Options};

/// How long members may take to be ready. Generous: this is not what is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the names of the directories begin with; the id of the test's process follows.
const DIRECTORY: &str = "fabric-etcd-";

/// Files of a server with TLS: its own certificate and key, and whom it trusts.
#[derive(Debug, Clone)]
pub struct Files {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The members' certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whether clients must have a certificate of the same authority.
    pub client_certificates: bool,
}

/// An etcd that is running, or some of whose members are.
#[derive(Debug)]
pub struct EtcdServer {
    directory: PathBuf,
    address: Ipv4Addr,
    port: u16,
    members: Vec<Option<Child>>,
    tls: Option<Files>,
    arguments: Vec<String>,
}

impl EtcdServer {
    /// Starts one member without TLS, and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        Self::start_cluster(1, None, &[])
    }

    /// Starts so many members, with further arguments for each, and waits until they answer.
    #[must_use]
    pub fn start_cluster(members: u16, tls: Option<Files>, arguments: &[&str]) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        sweep();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("{DIRECTORY}{}-{count}", std::process::id()));
        // Of a process with our id that was killed.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let port = 2000 + u16::try_from(count % 1000).unwrap() * 10;
        let members = (0..members).map(|_| None).collect();
        let arguments = arguments.iter().copied().map(str::to_owned).collect();
        let mut server = Self { directory, address: address(), port, members, tls, arguments };
        for member in 0..server.members.len() {
            server.launch(member);
        }
        server.wait();
        server
    }

    /// The loopback address of all members of this process's servers.
    #[must_use]
    pub fn address() -> Ipv4Addr {
        address()
    }

    /// Where members listen for clients.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.members.len()).map(|member| self.url(member, 0)).collect()
    }

    /// Options for a store under this prefix, without TLS and credentials.
    #[must_use]
    pub fn options(&self, prefix: &str) -> Options {
        Options { endpoints: self.endpoints(), prefix: prefix.to_owned(), tls: None, credentials: None }
    }

    /// Kills a member, as a power failure would.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts the members that are not running, and waits until all answer.
    pub fn revive(&mut self) {
        for member in 0..self.members.len() {
            if self.members[member].is_none() {
                self.launch(member);
            }
        }
        self.wait();
    }

    /// Runs `etcdctl`, which must succeed, and returns what it prints.
    pub fn control(&self, user: Option<&Credentials>, arguments: &[&str]) -> String {
        let output = self.try_control(user, arguments);
        output.unwrap_or_else(|complaint| panic!("etcdctl {arguments:?}: {complaint}"))
    }

    /// Drops the history of everything so far.
    pub fn compact(&self) {
        let status = self.control(None, &["endpoint", "status", "--write-out=json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let revision = status[0]["Status"]["header"]["revision"].as_u64().unwrap();
        // Refused if that was done already.
        let _ = self.try_control(None, &["compaction", &revision.to_string()]);
    }

    fn try_control(&self, user: Option<&Credentials>, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(self.endpoints().join(","));
        if let Some(Files { ca, certificate, key, .. }) = &self.tls {
            command.arg("--cacert").arg(ca).arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if let Some(Credentials { username, password }) = user {
            command.arg("--user").arg(format!("{username}:{password}"));
        }
        let output = command.args(arguments).output().expect("etcdctl of Debian's etcd-client");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn url(&self, member: usize, offset: u16) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let port = self.port + 2 * u16::try_from(member).unwrap() + offset;
        format!("{scheme}://{}", SocketAddrV4::new(self.address, port))
    }

    fn launch(&mut self, member: usize) {
        let (client, peer) = (self.url(member, 0), self.url(member, 1).replace("https", "http"));
        let peers = (0..self.members.len())
            .map(|member| format!("member-{member}={}", self.url(member, 1).replace("https", "http")));
        let place = self.directory.join(format!("member-{member}"));
        let log = File::options().append(true).create(true).open(place.with_extension("log")).unwrap();
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("member-{member}"), "--data-dir"])
            .arg(&place)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.collect::<Vec<_>>().join(",")])
            .args(["--heartbeat-interval", "100", "--election-timeout", "1000"])
            .args(&self.arguments)
            .env_clear()
            // Where it is not supported, it wants to hear that one knows.
            .env("ETCD_UNSUPPORTED_ARCH", if cfg!(target_arch = "aarch64") { "arm64" } else { "" })
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some(Files { ca, certificate, key, client_certificates }) = &self.tls {
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
            if *client_certificates {
                command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(ca);
            }
        }
        let child = command.spawn().expect("etcd of Debian's etcd-server");
        fs::write(place.with_extension("pid"), child.id().to_string()).unwrap();
        self.members[member] = Some(child);
    }

    /// Waits until every member answers.
    fn wait(&mut self) {
        let start = Instant::now();
        while let Err(complaint) = self.try_control(None, &["endpoint", "health"]) {
            let ended = self.members.iter_mut().flatten().any(|child| child.try_wait().unwrap().is_some());
            if ended || start.elapsed() > PATIENCE {
                panic!("etcd does not start: {complaint}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of what the members have logged.
    fn logs(&self) -> String {
        let mut tail = String::new();
        for member in 0..self.members.len() {
            let path = self.directory.join(format!("member-{member}.log"));
            let log = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(30)..];
            tail.push_str(&format!("{}:\n{}\n", path.display(), last.join("\n")));
        }
        tail
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        for child in self.members.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Of the process: all of 127.128.0.0/9 is loopback, and ids have at most 22 bits.
fn address() -> Ipv4Addr {
    Ipv4Addr::from(0x7f80_0000 | (std::process::id() & 0x003f_ffff))
}

/// Ends the members and removes the directories of tests that were killed.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner =
            name.strip_prefix(DIRECTORY).and_then(|rest| rest.split_once('-')).map(|(owner, _)| owner);
        let Some(owner) = owner.filter(|owner| owner.parse::<u32>().is_ok()) else { continue };
        if Path::new("/proc").join(owner).exists() {
            continue;
        }
        for member in fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if member.extension().is_some_and(|extension| extension == "pid") {
                end_leftover(&fs::read_to_string(&member).unwrap_or_default(), &entry.path());
            }
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Ends the process of this id, if it is still the one whose data are there.
fn end_leftover(id: &str, directory: &Path) {
    let arguments = fs::read(Path::new("/proc").join(id).join("cmdline")).unwrap_or_default();
    let data = directory.to_string_lossy().into_owned();
    if !id.is_empty() && String::from_utf8_lossy(&arguments).contains(&data) {
        let _ = Command::new("kill").args(["-KILL", id]).status();
    }
}
