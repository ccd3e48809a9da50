mod cluster;
mod faults;
mod security;

use k8s_openapi::api::core::v1::Namespace;
use std::sync::Mutex;

use super::server::EtcdServer;
use super::*;
use crate::contract::{self, Backend};
use crate::{Precondition, Resource};

struct OnServer(Mutex<EtcdServer>);

impl Backend for OnServer {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let options = self.0.lock().unwrap().options("fabric");
        async move { Arc::new(EtcdStore::open(&options).await.unwrap()) as Arc<dyn Store> }.boxed()
    }

    fn compact(&self) -> BoxFuture<'_, ()> {
        async { self.0.lock().unwrap().compact() }.boxed()
    }

    fn interrupt(&self) -> BoxFuture<'_, ()> {
        async {
            let mut server = self.0.lock().unwrap();
            server.kill(0);
            server.revive();
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_contract() {
    contract::run_all(&OnServer(Mutex::new(EtcdServer::start()))).await;
}

#[test]
fn what_a_killed_test_left_is_removed() {
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let directory = std::env::temp_dir().join(format!("fabric-etcd-{}-7", gone.id()));
    std::fs::create_dir(&directory).unwrap();
    let log = directory.join("member-0.log");
    std::fs::write(&log, "").unwrap();
    // Something that goes on, and names the directory.
    let mut left = std::process::Command::new("tail").arg("-f").arg(&log).spawn().unwrap();
    std::fs::write(directory.join("member-0.pid"), left.id().to_string()).unwrap();
    drop(EtcdServer::start());
    assert!(!left.wait().unwrap().success());
    assert!(!directory.exists());
}

fn namespace(name: &str) -> Resource {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    Resource::Namespace(Box::new(namespace))
}

fn key(name: &str) -> Key {
    Key::global(Kind::Namespace, name)
}

/// The message of an opening that fails because the other end hangs up, about which only a guess is possible.
async fn hang_up(options: &Options) -> String {
    match EtcdStore::open(options).await {
        // Whether its complaint arrives before its end is a matter of luck.
        Err(Error::Unavailable(message) | Error::Refused(message)) => message,
        other => panic!("{other:?} instead of a failure"),
    }
}

/// The message of an opening that is refused.
async fn refusal(options: &Options) -> String {
    match EtcdStore::open(options).await {
        Err(Error::Refused(message)) => message,
        other => panic!("{other:?} instead of a refusal"),
    }
}
